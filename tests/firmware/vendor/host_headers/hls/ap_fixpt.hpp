// The SmartHLS names that hls4ml's Libero code uses, for g++: the types are the open ap_types, a FIFO is a queue.
// With them the tests compile that code and compare its arithmetic; nothing here is Microchip's.
#pragma once

#include <ap_fixed.h>
#include <ap_int.h>
#include <queue>

namespace hls {

using ::AP_RND;
using ::AP_RND_CONV;
using ::AP_SAT;
using ::AP_SAT_SYM;
using ::AP_TRN;
using ::AP_WRAP;

template <int W, int I, ap_q_mode Q = ::AP_TRN, ap_o_mode O = ::AP_WRAP> using ap_fixpt = ::ap_fixed<W, I, Q, O>;
template <int W, int I, ap_q_mode Q = ::AP_TRN, ap_o_mode O = ::AP_WRAP> using ap_ufixpt = ::ap_ufixed<W, I, Q, O>;
template <int W> using ap_int = ::ap_int<W>;
template <int W> using ap_uint = ::ap_uint<W>;

template <class T> struct FIFO {
    explicit FIFO(std::size_t) {}
    T read() {
        T value = values.front();
        values.pop();
        return value;
    }
    void write(const T &value) { values.push(value); }
    bool empty() const { return values.empty(); }

  private:
    std::queue<T> values;
};

} // namespace hls
