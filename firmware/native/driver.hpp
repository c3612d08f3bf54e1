// Rows of words into columns of lanes with every word's range checked, and results into rows of int64.
//
// The generated part defines INPUTS, OUTPUTS, EVENTS (of a block), PIECES (vectors that hold a word of all of
// them), EACH (events of such a vector), word_t, LOW, HIGH, in_range() and evaluate().

namespace {

constexpr int GROUP = 16 / sizeof(word_t); // words of 16 bytes
constexpr int PADDED = INPUTS < GROUP ? GROUP : INPUTS;

typedef long long bytes16 __attribute__((vector_size(16)));
typedef long long bytes32 __attribute__((vector_size(32)));

template <class V> inline V load(const word_t *p) {
    V v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

// 16 bytes each of rows 0, GROUP, 2 GROUP … from p on.
inline word_v tile_row(const word_t *p, int64_t step) {
    const int64_t next = GROUP * step;
#if BYTES == 64
    const bytes32 low = __builtin_shufflevector(load<bytes16>(p), load<bytes16>(p + next), 0, 1, 2, 3);
    const bytes32 high = __builtin_shufflevector(load<bytes16>(p + 2 * next), load<bytes16>(p + 3 * next), 0, 1, 2, 3);
    return (word_v)__builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#elif BYTES == 32
    return (word_v)__builtin_shufflevector(load<bytes16>(p), load<bytes16>(p + next), 0, 1, 2, 3);
#else
    return (word_v)load<bytes16>(p);
#endif
}

// Column k of `column` becomes word k of EACH events, whose rows start `step` words apart.
inline void transpose(const word_t *rows, int64_t step, word_v (*column)[PIECES], int piece) {
    for (int first = 0; first < PADDED; first += GROUP) {
        const int k = first + GROUP <= PADDED ? first : PADDED - GROUP; // the last tile may overlap the one before
        word_v tile[GROUP], next[GROUP];
#pragma GCC unroll 8
        for (int i = 0; i < GROUP; ++i) tile[i] = tile_row(rows + i * step + k, step);
#pragma GCC unroll 3
        for (int stage = 1; stage < GROUP; stage *= 2) {
#pragma GCC unroll 4
            for (int i = 0; i < GROUP / 2; ++i) {
                next[2 * i] = interleave<0, GROUP>(tile[i], tile[i + GROUP / 2]);
                next[2 * i + 1] = interleave<1, GROUP>(tile[i], tile[i + GROUP / 2]);
            }
#pragma GCC unroll 8
            for (int i = 0; i < GROUP; ++i) tile[i] = next[i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < GROUP; ++i) column[k + i][piece] = tile[i];
    }
}

struct Block {
    word_v column[PADDED][PIECES];
    word_t row[EVENTS * PADDED];
    int64_t result[EVENTS * OUTPUTS];
};

// One event's words in the type that lanes have; whether that changes none of them.
template <class T> __attribute__((optimize("O3"))) bool convert(word_t *row, const T *event, int64_t word_step) {
    word_t differs = 0;
    for (int k = 0; k < INPUTS; ++k) {
        const T word = event[k * word_step];
        row[k] = word_t(word);
        differs |= word_t(word_t(word) != word);
    }
    return !differs;
}

// Events `0..count` of any layout as the block's columns; whether every word fits into word_t.
template <class T>
inline bool fill(Block &block, const T *w, int64_t event_step, int64_t word_step, int64_t count) {
    const word_t *rows = block.row;
    int64_t step = PADDED;
    bool fits = true;
    if (sizeof(T) == sizeof(word_t) && count == EVENTS && word_step == 1 && INPUTS >= GROUP) {
        rows = reinterpret_cast<const word_t *>(w);
        step = event_step;
    } else if (sizeof(T) == sizeof(word_t) && count == EVENTS && event_step == 1) {
        for (int k = 0; k < INPUTS; ++k) std::memcpy(block.column[k], w + k * word_step, sizeof block.column[k]);
        return true;
    } else {
        for (int64_t e = 0; e < EVENTS; ++e) {
            const T *event = w + (e < count ? e : 0) * event_step;
            fits &= word_step == 1 ? convert(block.row + e * PADDED, event, 1)
                                   : convert(block.row + e * PADDED, event, word_step);
        }
    }
    for (int p = 0; p < PIECES; ++p) transpose(rows + p * EACH * step, step, block.column, p);
    return fits;
}

template <class T> int64_t first_bad(const T *w, int64_t event_step, int64_t word_step, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        for (int k = 0; k < INPUTS; ++k)
            if (w[i * event_step + k * word_step] < LOW[k] || w[i * event_step + k * word_step] > HIGH[k]) return i;
    return n;
}

// Results of n events; the first event with a word out of range, or -1. Outputs from its block on are undefined then.
template <class T>
int64_t run(const T *w, int64_t event_step, int64_t word_step, int64_t n, int64_t *out) {
    alignas(64) Block block;
    std::memset(&block, 0, sizeof block);
    for (int64_t i = 0; i < n; i += EVENTS) {
        const int64_t count = n - i < EVENTS ? n - i : EVENTS;
        const T *here = w + i * event_step;
        if (!fill(block, here, event_step, word_step, count) || !in_range(block.column))
            return i + first_bad(here, event_step, word_step, count);
        const char *ahead = reinterpret_cast<const char *>(here + EVENTS * event_step);
        evaluate(block.column, count == EVENTS ? out + i * OUTPUTS : block.result, ahead);
        if (count < EVENTS) std::memcpy(out + i * OUTPUTS, block.result, sizeof(int64_t) * count * OUTPUTS);
    }
    return -1;
}

} // namespace

#define EXPORT_RUN(name, T)                                                                                           \
    EXPORT int64_t name(const T *w, int64_t event_step, int64_t word_step, int64_t n, int64_t *out) {                 \
        return run(w, event_step, word_step, n, out);                                                                 \
    }
EXPORT_RUN(NAMED(run_int16), int16_t)
EXPORT_RUN(NAMED(run_int32), int32_t)
EXPORT_RUN(NAMED(run_int64), int64_t)
