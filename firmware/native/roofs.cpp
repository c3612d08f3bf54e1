// What bounds an emulator on this machine: vector additions a core does, and bytes that it reads from memory.

// 16 independent chains of additions of 16-bit lanes, `rounds` times; the result keeps the compiler from removing them.
EXPORT int64_t additions(int64_t rounds) {
    v16 a = splat<v16>(1), b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5, g = a + 6, h = a + 7, i = a + 8,
        j = a + 9, k = a + 10, l = a + 11, m = a + 12, n = a + 13, o = a + 14, p = a + 15;
    for (int64_t r = 0; r < rounds; ++r) {
        a += b; b += c; c += d; d += e; e += f; f += g; g += h; h += i;
        i += j; j += k; k += l; l += m; m += n; n += o; o += p; p += a;
    }
    const v16 all = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ l ^ m ^ n ^ o ^ p;
    return all[0];
}

EXPORT int64_t vector_bytes() { return BYTES; }

// The exclusive or of `count` int64, all of them read from memory.
EXPORT int64_t read_all(const int64_t *words, int64_t count) {
    v64 sum[8] = {};
    constexpr int64_t step = 8 * lanes<v64>;
    for (int64_t at = 0; at + step <= count; at += step) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            v64 next;
            std::memcpy(&next, words + at + i * lanes<v64>, sizeof next);
            sum[i] ^= next;
        }
    }
    for (int i = 1; i < 8; ++i) sum[0] ^= sum[i];
    return sum[0][0];
}
