// One library for all processors of an architecture: every call goes to the widest vectors that this one has.

#include <cstdint>

#define EXPORT extern "C" __attribute__((visibility("default")))
#define FORWARD(name, T)                                                                                              \
    extern "C" int64_t name##_baseline(const T *, int64_t, int64_t, int64_t, int64_t *);                              \
    WIDER(name, T)                                                                                                    \
    EXPORT int64_t name(const T *w, int64_t event_step, int64_t word_step, int64_t n, int64_t *out) {                 \
        return CHOOSE(name)(w, event_step, word_step, n, out);                                                        \
    }

#if defined(__x86_64__)
#define WIDER(name, T)                                                                                                \
    extern "C" int64_t name##_avx2(const T *, int64_t, int64_t, int64_t, int64_t *);                                  \
    extern "C" int64_t name##_avx512(const T *, int64_t, int64_t, int64_t, int64_t *);
#define CHOOSE(name)                                                                                                  \
    (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")   \
         ? name##_avx512                                                                                              \
     : __builtin_cpu_supports("avx2") ? name##_avx2                                                                   \
                                      : name##_baseline)
#else
#define WIDER(name, T)
#define CHOOSE(name) name##_baseline
#endif

FORWARD(run_int16, int16_t)
FORWARD(run_int32, int32_t)
FORWARD(run_int64, int64_t)
