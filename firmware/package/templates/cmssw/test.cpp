// Runs emulator libraries on their golden vectors, all loaded at the same time; one wrong bit fails.
//
// usage: test [--global] LIBRARY GOLDEN [LIBRARY GOLDEN]...     GOLDEN: the folder of words.txt and values.txt

#include "emulator.h"
#include "golden.h"

#include <dlfcn.h>

#include <exception>
#include <string>
#include <vector>

namespace {

struct Loaded {
    const char *library;
    std::string golden;
    hls4mlEmulator::Model *model;
    hls4mlEmulator::destroy_model_cls *destroy;
};

bool load(Loaded &loaded, int flags) {
    void *library = dlopen(loaded.library, RTLD_NOW | flags);
    if (!library) {
        std::fprintf(stderr, "%s\n", dlerror());
        return false;
    }
    auto *create = reinterpret_cast<hls4mlEmulator::create_model_cls *>(dlsym(library, "create_model"));
    loaded.destroy = reinterpret_cast<hls4mlEmulator::destroy_model_cls *>(dlsym(library, "destroy_model"));
    if (!create || !loaded.destroy) {
        std::fprintf(stderr, "%s must have create_model and destroy_model\n", loaded.library);
        return false;
    }
    loaded.model = create();
    return true;
}

template <class T>
int64_t differing(const std::vector<T> &found, const std::vector<T> &expected, const std::string &what, int64_t event) {
    int64_t count = 0;
    for (size_t k = 0; k < expected.size(); ++k)
        if (found[k] != expected[k] && count++ == 0)
            std::fprintf(stderr, "%s %zu of event %lld must be %lld, not %lld\n", what.c_str(), k, (long long)event,
                         (long long)expected[k], (long long)found[k]);
    return count;
}

std::vector<int32_t> read_words(golden_t &golden) {
    std::vector<int32_t> words;
    for (int64_t i = 0; i < golden.inputs; ++i) words.push_back((int32_t)golden_integer(&golden));
    return words;
}

// The scores that differ; words of physical values are compared too.
template <class T>
int64_t compare(hls4mlEmulator::Model &model, golden_t &golden, const std::vector<T> &input,
                const std::vector<int32_t> &words, int64_t event) {
    std::vector<int64_t> expected, found((size_t)golden.outputs, -1);
    for (int64_t k = 0; k < golden.outputs; ++k) expected.push_back(golden_integer(&golden));
    std::vector<int32_t> used;
    model.prepare_input(input.data());
    model.predict();
    model.read_result(found.data());
    model.read_result(&used);
    if (used.size() != words.size()) {
        std::fprintf(stderr, "%s must be golden vectors of this emulator: %zu inputs\n", golden.path, used.size());
        return 1;
    }
    return differing(used, words, std::string(golden.path) + ": word", event) +
           differing(found, expected, std::string(golden.path) + ": score", event);
}

bool check_words(Loaded &loaded) {
    golden_t golden;
    const std::string path = loaded.golden + "/words.txt";
    if (!golden_open(&golden, path.c_str(), "words")) return false;
    int64_t bad = 0;
    for (int64_t event = 0; event < golden.events && !bad; ++event) {
        const auto words = read_words(golden);
        bad += compare(*loaded.model, golden, words, words, event);
    }
    return !bad && golden_close(&golden);
}

bool check_values(Loaded &loaded) {
    golden_t golden;
    const std::string path = loaded.golden + "/values.txt";
    if (!golden_open(&golden, path.c_str(), "values")) return false;
    int64_t bad = 0;
    for (int64_t event = 0; event < golden.events && !bad; ++event) {
        std::vector<double> values;
        for (int64_t i = 0; i < golden.inputs; ++i) values.push_back(golden_value(&golden));
        const auto words = read_words(golden);
        bad += compare(*loaded.model, golden, values, words, event);
    }
    return !bad && golden_close(&golden);
}

// A type that the emulator does not take is refused.
bool check_refusal(Loaded &loaded) {
    try {
        loaded.model->prepare_input(std::string("no numbers"));
    } catch (const std::bad_any_cast &) {
        return true;
    }
    std::fprintf(stderr, "%s must refuse an input that is a std::string\n", loaded.library);
    return false;
}

}  // namespace

int main(int count, char **arguments) {
    int first = 1, flags = RTLD_LOCAL;
    if (count > 1 && std::string(arguments[1]) == "--global") {
        flags = RTLD_GLOBAL;
        ++first;
    }
    std::vector<Loaded> all;
    for (int i = first; i + 1 < count; i += 2) all.push_back({arguments[i], arguments[i + 1], nullptr, nullptr});
    bool good = !all.empty();
    try {
        for (auto &loaded : all) good = load(loaded, flags) && good;
        for (auto &loaded : all)
            good = good && check_refusal(loaded) && check_words(loaded) && check_values(loaded);
        for (auto &loaded : all)
            if (loaded.model) loaded.destroy(loaded.model);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        good = false;
    }
    std::printf("%s\n", good ? "every golden word and score agrees" : "FAILED");
    return good ? 0 : 1;
}
