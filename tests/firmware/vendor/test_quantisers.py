"""The C++ of lane-wise quantisers against `FixedType`, for every tool's types that g++ compiles."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from trigforge.firmware.vendor.quantisers import DIALECTS, LaneType, lane_types, quantiser
from trigforge.fixed import FixedType, Overflow, Rounding

from .host import HEADERS

TYPES = {"catapult": "catapult/ac_types/include", "quartus": "quartus/ac_types", "oneapi": "quartus/ac_types"}
INPUT = FixedType(signed=True, width=12, integer=6)
MODES = itertools.product((True, False), (1, 2, 5), (-1, 1, 3), ("TRN", "RND", "RND_CONV"), ("WRAP", "SAT", "SAT_SYM"))
LANES = [LaneType(*mode) for mode in MODES if mode[:2] + mode[4:] != (True, 1, "SAT_SYM")]

PROGRAM = """
{includes}
#include <array>
namespace nnet {{
{code}
}}
extern "C" void cast(const int *mantissas, double *results) {{
    static std::array<{input}, {count}> in;
    static std::array<{output}, {count}> out;
    for (int i = 0; i < {count}; i++) in[i] = {input}(mantissas[i] / {scale}.0);
    nnet::q<{in_t}, {out_t}>({pass});
    for (int i = 0; i < {count}; i++) results[i] = out[i].to_double();
}}
"""


def program(name: str) -> str:
    fixed = {
        "ac_": ("ac_fixed<12, 6, true>", "ac_fixed<40, 20, true>"),
        "ap_": ("hls::ap_fixpt<12, 6>", "hls::ap_fixpt<40, 20>"),
    }
    dialect, count = DIALECTS[name], len(LANES)
    source, result = fixed[dialect.prefix]
    arrays = (f"std::array<{source}, {count}>", f"std::array<{result}, {count}>")
    pointers = "*" in dialect.arguments
    return PROGRAM.format(
        includes="#include <ac_fixed.h>" if dialect.prefix == "ac_" else "#include <hls/ap_fixpt.hpp>",
        code=quantiser("q", LANES, dialect),
        input=source,
        output=result,
        count=count,
        scale=1 << INPUT.fraction,
        in_t=source if pointers else arrays[0],
        out_t=result if pointers else arrays[1],
        **{"pass": "in.data(), out.data()" if pointers else "in, out"},
    )


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_every_lane_is_cast_as_fixed_type_does(name, tmp_path):
    source, library = tmp_path / "cast.cpp", tmp_path / "cast.so"
    source.write_text(program(name))
    types = Path(str(files("hls4ml"))) / "templates" / TYPES.get(name, "vivado/ap_types")
    command = ["g++", "-std=c++17", "-O0", "-w", "-fPIC", "-shared", f"-I{HEADERS}", f"-I{types}"]
    subprocess.run([*command, str(source), "-o", str(library)], check=True, timeout=200)
    function = ctypes.CDLL(str(library)).cast
    function.argtypes, function.restype = [ctypes.c_void_p] * 2, None
    mantissas = np.arange(INPUT.low, INPUT.high + 1)
    results = np.empty((len(mantissas), len(LANES)))
    for mantissa, row in zip(mantissas, results, strict=True):
        function(np.full(len(LANES), mantissa, dtype=np.int32).ctypes.data, row.ctypes.data)
    for lane, got in zip(LANES, results.T, strict=True):
        kind = FixedType(
            signed=lane.signed,
            width=lane.width,
            integer=lane.integer,
            rounding=Rounding(lane.rounding),
            overflow=Overflow(lane.overflow),
        )
        expected = kind.to_float(kind.cast(mantissas, INPUT.fraction))
        np.testing.assert_array_equal(got, expected, err_msg=str(lane))


def test_lanes_without_bits_are_zero():
    code = quantiser("q", [LaneType(True, 0, 0, "RND", "SAT")], DIALECTS["oneapi"])
    assert "out[0] = 0;" in code


def test_lane_types_follow_the_shape_of_the_tensor():
    k, b, i = np.array([[1]]), np.array([[[4], [6]]]), np.array([[[2, 3]]])
    lanes = lane_types((2, 2), k, b, i, "TRN", "WRAP")
    assert [(lane.width, lane.integer) for lane in lanes] == [(4, 2), (4, 3), (6, 2), (6, 3)]
    assert all(lane.signed for lane in lanes)
