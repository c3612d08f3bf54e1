// The functions of lz4 and zlib that Verilator's FST writer calls, storing instead of compressing: valid LZ4 blocks and
// zlib streams (RFC 1950, 1951), so that waves need no development package of either library.
#ifndef TRIGFORGE_STORED
#define TRIGFORGE_STORED
#include <algorithm>
#include <cstdint>
#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

// One sequence: a token with the number of literals, the rest of that number in bytes of 255 and a last one, then they.
inline int LZ4_compress_default(const char *from, char *to, int size, int room) {
    if (room < LZ4_compressBound(size)) return 0;
    char *end = to;
    *end++ = static_cast<char>(std::min(size, 15) << 4);
    if (size >= 15) {
        int rest = size - 15;
        for (; rest >= 255; rest -= 255) *end++ = static_cast<char>(255);
        *end++ = static_cast<char>(rest);
    }
    std::memcpy(end, from, size);
    return static_cast<int>(end + size - to);
}

typedef unsigned char Bytef;
typedef unsigned long uLong;
typedef unsigned long uLongf;
constexpr int Z_OK = 0, Z_BUF_ERROR = -5;
constexpr uLong STORED_MOST = 65535;

inline uLong compressBound(uLong size) { return size + 5 * (size / STORED_MOST + 1) + 6; }

inline int compress2(Bytef *to, uLongf *room, const Bytef *from, uLong size, int) {
    if (*room < compressBound(size)) return Z_BUF_ERROR;
    Bytef *end = to;
    *end++ = 0x78;
    *end++ = 0x01;
    uint32_t low = 1, high = 0; // Adler-32
    uLong at = 0;
    do {
        const uLong part = std::min(size - at, STORED_MOST);
        *end++ = at + part == size; // the last block
        for (const uLong field : {part, ~part}) {
            *end++ = static_cast<Bytef>(field);
            *end++ = static_cast<Bytef>(field >> 8);
        }
        for (uLong i = 0; i < part; ++i, ++end) {
            *end = from[at + i];
            low = (low + *end) % 65521;
            high = (high + low) % 65521;
        }
        at += part;
    } while (at < size);
    for (const uint32_t half : {high, low}) {
        *end++ = static_cast<Bytef>(half >> 8);
        *end++ = static_cast<Bytef>(half);
    }
    *room = end - to;
    return Z_OK;
}

#endif
