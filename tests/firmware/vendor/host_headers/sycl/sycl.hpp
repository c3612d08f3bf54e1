// The SYCL names that hls4ml's oneAPI code uses, for g++: a pipe is a queue, a kernel is called at once.
// With them the tests compile that code and compare its arithmetic; nothing here is Intel's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <queue>
#include <vector>

#define SYCL_EXTERNAL

namespace sycl {

using exception = std::exception;
using exception_list = std::vector<std::exception_ptr>;

namespace property::queue {
struct enable_profiling {};
} // namespace property::queue

struct queue {
    template <class Selector, class Handler, class Property> queue(Selector, Handler, Property) {}
    template <class Name, class Kernel> void single_task(Kernel kernel) { kernel(); }
    void wait() {}
};

namespace ext::oneapi::experimental {
struct properties_tag {};
template <class... Property> struct properties {
    properties(Property...) {}
};
} // namespace ext::oneapi::experimental

namespace ext::intel {
struct fpga_emulator {};
inline fpga_emulator fpga_emulator_selector_v;

namespace experimental {
template <int Latency> inline int ready_latency = Latency;
template <class... Option> inline int streaming_interface = 0;
template <class... Option> inline int pipelined = 0;

template <class Name, class T, int32_t Capacity = 0, class Properties = void> struct pipe {
    static T read() {
        T value = values().front();
        values().pop();
        return value;
    }
    static T read(sycl::queue &) { return read(); }
    static void write(const T &value) { values().push(value); }
    static void write(sycl::queue &, const T &value) { write(value); }

  private:
    static std::queue<T> &values() {
        static std::queue<T> waiting;
        return waiting;
    }
};

template <auto &Function> struct task_sequence {};
} // namespace experimental
} // namespace ext::intel
} // namespace sycl
