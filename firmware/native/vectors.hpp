// Lanes of SIMD vectors of BYTES bytes: v8, v16, v32, v64 hold int8_t to int64_t, one event a lane.
// A value in lanes of 2L bits takes two vectors where one in lanes of L bits takes one: the even and the odd lanes.

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define EXPORT extern "C" __attribute__((visibility("default")))

#ifdef VARIANT // of several in one library
#define JOINED(name, variant) name##_##variant
#define NAMED_AS(name, variant) JOINED(name, variant)
#define NAMED(name) NAMED_AS(name, VARIANT)
#else
#define NAMED(name) name
#endif

#ifndef BYTES
#if defined(__AVX512BW__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif
#endif

namespace {

typedef int8_t v8 __attribute__((vector_size(BYTES)));
typedef int16_t v16 __attribute__((vector_size(BYTES)));
typedef int32_t v32 __attribute__((vector_size(BYTES)));
typedef long long v64 __attribute__((vector_size(BYTES)));

template <class V> struct wider;
template <> struct wider<v8> { typedef v16 type; };
template <> struct wider<v16> { typedef v32 type; };
template <> struct wider<v32> { typedef v64 type; };

template <class V> constexpr int lanes = BYTES / sizeof(V{}[0]);
template <class V> constexpr int bits = 8 * sizeof(V{}[0]);

template <class V> using element = std::remove_reference_t<decltype(V{}[0])>;
template <class V> inline V splat(int64_t value) { return V{} + element<V>(value); }

template <int N, class V> inline V shl(V a) { return a << N; }
template <int N, class V> inline V sar(V a) { return a >> N; }

#if defined(__GFNI__) && BYTES == 64 && !defined(__clang__)
// Bytes have no shifts on x86; a linear map over their bits is one instruction.
constexpr uint64_t shift_matrix(int left) {
    uint64_t rows = 0;
    for (int bit = 0; bit < 8; ++bit) {
        const int from = bit - left;
        if (from >= 0) rows |= (uint64_t{1} << (from > 7 ? 7 : from)) << (8 * (7 - bit));
    }
    return rows;
}
typedef char bytes __attribute__((vector_size(BYTES)));
template <int LEFT> inline v8 shift_bytes(v8 a) {
    const v64 matrix = splat<v64>(int64_t(shift_matrix(LEFT)));
    return (v8)__builtin_ia32_vgf2p8affineqb_v64qi((bytes)a, (bytes)matrix, 0);
}
template <int N> inline v8 shl(v8 a) { return shift_bytes<N>(a); }
template <int N> inline v8 sar(v8 a) { return shift_bytes<-N>(a); }
#endif

template <class V> inline auto even(V a) {
    typedef typename wider<V>::type W;
    return ((W)a << bits<V>) >> bits<V>;
}
template <class V> inline auto odd(V a) {
    typedef typename wider<V>::type W;
    return (W)a >> bits<V>;
}
template <class V> inline V narrow(typename wider<V>::type even, typename wider<V>::type odd) {
    typedef typename wider<V>::type W;
    return (V)((even & splat<W>((int64_t{1} << bits<V>) - 1)) | (odd << bits<V>));
}

// The lower (HALF 0) or upper halves of two vectors' groups of GROUP lanes, lane by lane by turns.
template <int HALF, int GROUP, class V, size_t... I> inline V interleave(V a, V b, std::index_sequence<I...>) {
    return __builtin_shufflevector(
        a, b, (I / GROUP * GROUP + HALF * GROUP / 2 + I % GROUP / 2 + I % 2 * size_t(lanes<V>))...);
}
template <int HALF, int GROUP, class V> inline V interleave(V a, V b) {
    return interleave<HALF, GROUP>(a, b, std::make_index_sequence<size_t(lanes<V>)>{});
}

// `count` vectors that were widened to TIMES the bits of a word, in the order of the events.
template <int TIMES, class V> inline void in_order(const V *made, V *ordered, int count) {
    if constexpr (TIMES == 1) {
        for (int i = 0; i < count; ++i) ordered[i] = made[i];
    } else {
        for (int first = 0; first < count; first += TIMES) {
            V even[TIMES / 2], odd[TIMES / 2];
            in_order<TIMES / 2>(made + first, even, TIMES / 2);
            in_order<TIMES / 2>(made + first + TIMES / 2, odd, TIMES / 2);
            for (int i = 0; i < TIMES / 2; ++i) {
                ordered[first + 2 * i] = interleave<0, lanes<V>>(even[i], odd[i]);
                ordered[first + 2 * i + 1] = interleave<1, lanes<V>>(even[i], odd[i]);
            }
        }
    }
}

// The lanes of a vector, sign-extended, to out[0], out[STEP] and so on.
template <int STEP, class V> inline void store(V a, int64_t *out) {
    if constexpr (STEP > 1) {
        for (int i = 0; i < lanes<V>; ++i) out[i * STEP] = a[i];
    } else if constexpr (bits<V> == 64) {
        std::memcpy(out, &a, sizeof a);
    } else {
        typedef typename wider<V>::type W;
        store<1>(interleave<0, lanes<W>>(even(a), odd(a)), out);
        store<1>(interleave<1, lanes<W>>(even(a), odd(a)), out + lanes<W>);
    }
}

template <class V> inline V relu(V a) { return a > V{} ? a : V{}; }
template <class V> inline V min(V a, V b) { return a < b ? a : b; }
template <class V> inline V max(V a, V b) { return a > b ? a : b; }
template <class V> inline V select(V sign, V when_set, V when_clear) { return sign < V{} ? when_set : when_clear; }
template <class V> inline V above(V a, int64_t value) { return (V)(a > splat<V>(value)); }
template <class V> inline V equal(V a, int64_t value) { return (V)(a == splat<V>(value)); }

template <class V, class T> inline V lookup(const T *table, V index) {
    V entry;
    for (int i = 0; i < lanes<V>; ++i) entry[i] = table[index[i]];
    return entry;
}

} // namespace
