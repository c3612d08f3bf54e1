// Runs an emulator library on events: reads 8-byte cells, one a number of the input, and writes one a number of the
// result. Integers and fixed-point numbers are their mantissas, floating-point numbers are doubles.
//
// usage: runner LIBRARY EVENTS INPUT OUTPUT STATUS

#include "emulator.h"
#include "types.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace {

#include "cells.inc"

// What is wrong, where, and the event; in a file that outlives a crash.
struct Status {
    int64_t phase, problem, event;
    char message[1024];
};

enum Phase { LOAD, CREATE, PREPARE_INPUT, PREDICT, READ_RESULT, DESTROY, DONE };
enum Problem { NONE, NO_LIBRARY, NO_SYMBOL, NO_MODEL, TYPE, EXCEPTION, TOO_LONG, TOO_SHORT, FILES };

Status *status = nullptr;

[[noreturn]] void fail(Problem problem, const std::string &message) {
    status->problem = problem;
    std::strncpy(status->message, message.c_str(), sizeof status->message - 1);
    std::_Exit(1);
}

struct Given {
    Input value;
};

// An object right in front of memory that cannot be read.
template <class T>
T *at_the_edge() {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), pages = (sizeof(T) + page - 1) / page;
    void *memory = mmap(nullptr, (pages + 1) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail(FILES, "no memory for an input");
    char *end = static_cast<char *>(memory) + pages * page;
    mprotect(end, page, PROT_NONE);
    return new (end - sizeof(T)) T();
}

template <class T, size_t N>
std::any held(T (&x)[N]) {
    if constexpr (INPUT_IS_CONST)
        return std::any(static_cast<const T *>(x));
    else
        return std::any(static_cast<T *>(x));
}

template <class T>
std::any held(T &x) {
    if constexpr (INPUT_IS_BY_VALUE)
        return std::any(x);
    else if constexpr (INPUT_IS_CONST)
        return std::any(static_cast<const T *>(&x));
    else
        return std::any(&x);
}

template <class T, size_t N>
std::any target(T (&x)[N]) {
    return std::any(static_cast<T *>(x));
}

template <class T>
std::any target(T &x) {
    return std::any(&x);
}

constexpr size_t GUARD = 4096;
constexpr unsigned char PATTERN = 0xa5;

struct Guarded {
    Result value;
    unsigned char after[GUARD];
};

// The cells of a result whose numbers were all `start` before.
void read_result(hls4mlEmulator::Model &model, Guarded &guarded, int start, Cell *cells) {
    Cell before[RESULT_CELLS];
    for (size_t k = 0; k < RESULT_CELLS; ++k) {
        before[k].integer = start;
        if (RESULT_IS_REAL[k]) before[k].real = start;
    }
    const Cell *next = before;
    Cells<Result>::put(guarded.value, next);
    std::memset(guarded.after, PATTERN, GUARD);
    model.read_result(target(guarded.value));
    for (const unsigned char byte : guarded.after)
        if (byte != PATTERN) fail(TOO_LONG, "");
    Cells<Result>::get(guarded.value, cells);
}

// Every number of the result must be written, whatever was there before.
void require_whole(hls4mlEmulator::Model &model, Guarded &guarded) {
    Cell zero[RESULT_CELLS], one[RESULT_CELLS];
    read_result(model, guarded, 0, zero);
    read_result(model, guarded, 1, one);
    for (size_t k = 0; k < RESULT_CELLS; ++k)
        if (std::memcmp(&zero[k], &one[k], sizeof(Cell)) != 0) fail(TOO_SHORT, std::to_string(k));
}

template <class F>
auto *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) fail(NO_SYMBOL, name);
    return reinterpret_cast<F *>(found);
}

void run(const char *path, int64_t events, std::FILE *input, std::FILE *output) {
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!library) fail(NO_LIBRARY, dlerror());
    auto *create = symbol<hls4mlEmulator::create_model_cls>(library, "create_model");
    auto *destroy = symbol<hls4mlEmulator::destroy_model_cls>(library, "destroy_model");
    status->phase = CREATE;
    auto *model = create();
    if (!model) fail(NO_MODEL, "");
    auto *given = at_the_edge<Given>();
    auto *result = new Guarded;
    Cell in[INPUT_CELLS], out[RESULT_CELLS];
    for (status->event = 0; status->event < events; ++status->event) {
        if (std::fread(in, sizeof(Cell), INPUT_CELLS, input) != INPUT_CELLS) fail(FILES, "the input is cut off");
        const Cell *next = in;
        Cells<Input>::put(given->value, next);
        status->phase = PREPARE_INPUT;
        model->prepare_input(held(given->value));
        status->phase = PREDICT;
        model->predict();
        status->phase = READ_RESULT;
        if (status->event == 0) require_whole(*model, *result);
        read_result(*model, *result, 0, out);
        if (std::fwrite(out, sizeof(Cell), RESULT_CELLS, output) != RESULT_CELLS) fail(FILES, "the disk is full");
    }
    status->phase = DESTROY;
    destroy(model);
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 6) return 2;
    const int file = open(arguments[5], O_RDWR);
    void *memory = file < 0 ? MAP_FAILED : mmap(nullptr, sizeof(Status), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return 2;
    status = static_cast<Status *>(memory);
    std::FILE *input = std::fopen(arguments[3], "rb"), *output = std::fopen(arguments[4], "wb");
    if (!input || !output) fail(FILES, "the files of events cannot be opened");
    try {
        run(arguments[1], std::atoll(arguments[2]), input, output);
    } catch (const std::bad_any_cast &error) {
        fail(TYPE, error.what());
    } catch (const std::exception &error) {
        fail(EXCEPTION, error.what());
    } catch (...) {
        fail(EXCEPTION, "an exception that is no std::exception");
    }
    if (std::fclose(output) != 0) fail(FILES, "the disk is full");
    status->phase = DONE;
    std::_Exit(0);
}
