// Plays rows of words into a compiled model, one row a clock, and returns the outputs: linked with the model into a
// shared library. `ports.hpp`, generated with it, says how the words lie in the two ports.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include "Vtop.h"
#include "ports.hpp"
#include "verilated.h"

// In a library, a model's $fatal, $stop and $finish must not end the process.
void vl_fatal(const char *file, int line, const char *, const char *message) {
    throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + message);
}
void vl_stop(const char *file, int line, const char *scope) { vl_fatal(file, line, scope, "Verilog $stop"); }
void vl_finish(const char *file, int line, const char *scope) { vl_fatal(file, line, scope, "Verilog $finish"); }

namespace {

constexpr int64_t DONE = -1, FAILED = -2;

// A port of at most 64 bits is one integer, a wider one an array of 32-bit pieces, the least significant first.
template <typename Integer> void give(Integer &port, const uint64_t *bits) { port = static_cast<Integer>(bits[0]); }
template <std::size_t N> void give(VlWide<N> &port, const uint64_t *bits) {
    for (std::size_t i = 0; i < N; ++i) port[i] = static_cast<uint32_t>(bits[i / 2] >> 32 * (i % 2));
}
template <typename Integer> void take(const Integer &port, uint64_t *bits) { bits[0] = port; }
template <std::size_t N> void take(const VlWide<N> &port, uint64_t *bits) {
    for (std::size_t i = 0; i < N / 2; ++i) bits[i] = port[2 * i] | static_cast<uint64_t>(port[2 * i + 1]) << 32;
    if (N % 2) bits[N / 2] = port[N - 1];
}

constexpr int pieces(int bits) { return (bits + 63) / 64; }
inline uint64_t mask(int width) { return ~uint64_t{0} >> (64 - width); }
inline int64_t extend(uint64_t value, int width, bool is_signed) {
    const int spare = 64 - width;
    return is_signed ? static_cast<int64_t>(value << spare) >> spare : static_cast<int64_t>(value & mask(width));
}

// The words of a row side by side, the first in the least significant bits; -1, or the first word that does not fit.
template <typename Integer> int pack(const Integer *row, uint64_t *bits) {
    uint64_t piece = 0;
    int filled = 0;
    for (int k = 0; k < INPUTS; ++k) {
        const auto [width, is_signed] = INPUT_WORDS[k];
        if (!width) continue;
        const int64_t word = row[k];
        if (extend(word, width, is_signed) != word) return k;
        const uint64_t value = static_cast<uint64_t>(word) & mask(width);
        piece |= value << filled;
        filled += width;
        if (filled >= 64) {
            *bits++ = piece;
            filled -= 64;
            piece = filled ? value >> (width - filled) : 0;
        }
    }
    if (filled) *bits = piece;
    return -1;
}

void unpack(const uint64_t *bits, int64_t *row) {
    int start = 0;
    for (int k = 0; k < OUTPUTS; ++k) {
        const auto [width, is_signed] = OUTPUT_WORDS[k];
        row[k] = 0;
        if (!width) continue;
        uint64_t value = bits[start / 64] >> start % 64;
        if (start % 64 + width > 64) value |= bits[start / 64 + 1] << (64 - start % 64);
        row[k] = extend(value, width, is_signed);
        start += width;
    }
}

struct Player {
    std::unique_ptr<VerilatedContext> context;
    std::unique_ptr<Vtop> model;
    std::string error;

    explicit Player(int seed) : context(new VerilatedContext) {
        context->randReset(2);
        context->randSeed(seed);
        model.reset(new Vtop(context.get(), "TOP"));
        model->clock = 0;
        model->eval();
        tick(); // as with cocotb, whose clock runs from the start: one edge before the first row
    }

    void tick() {
        model->clock = 1;
        model->eval();
        model->clock = 0;
        model->eval();
    }

    // The outputs just before each row is applied and the clock rises. DONE, or the flat index of a word that does
    // not fit: rows before its row were played.
    template <typename Integer> int64_t play(const Integer *words, int64_t rows, int64_t *outputs) {
        uint64_t given[pieces(INPUT_BITS)], seen[pieces(OUTPUT_BITS)];
        for (int64_t row = 0; row < rows; ++row, words += INPUTS, outputs += OUTPUTS) {
            const int bad = pack(words, given);
            if (bad >= 0) return row * INPUTS + bad;
            take(model->seen, seen);
            unpack(seen, outputs);
            give(model->given, given);
            tick();
        }
        return DONE;
    }

    template <typename Integer> int64_t guarded(const Integer *words, int64_t rows, int64_t *outputs) {
        try {
            Verilated::threadContextp(context.get());
            return play(words, rows, outputs);
        } catch (const std::exception &problem) {
            error = problem.what();
            return FAILED;
        }
    }
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT Player *create(int seed) {
    try {
        return new Player(seed);
    } catch (const std::exception &) {
        return nullptr;
    }
}
EXPORT void destroy(Player *player) { delete player; }
EXPORT const char *error_of(const Player *player) { return player->error.c_str(); }
EXPORT int64_t play_int16(Player *player, const int16_t *words, int64_t rows, int64_t *outputs) {
    return player->guarded(words, rows, outputs);
}
EXPORT int64_t play_int32(Player *player, const int32_t *words, int64_t rows, int64_t *outputs) {
    return player->guarded(words, rows, outputs);
}
EXPORT int64_t play_int64(Player *player, const int64_t *words, int64_t rows, int64_t *outputs) {
    return player->guarded(words, rows, outputs);
}
