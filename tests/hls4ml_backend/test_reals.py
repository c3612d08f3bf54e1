"""Real numbers become the same words as in the C++ types of hls4ml's csim, whatever the type and the number."""

from __future__ import annotations

import subprocess
from itertools import product
from pathlib import Path

import hls4ml
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.hls4ml_backend.reals import BLOCK, mantissas

HEADERS = Path(hls4ml.__file__).parent / "templates" / "vivado" / "ap_types"

SHAPES = [(True, 8, 3), (False, 7, 3), (True, 6, 9), (False, 5, -2), (True, 32, 12), (True, 1, 1)]
FIXED = [
    FixedType(signed=signed, width=width, integer=integer, rounding=rounding, overflow=overflow)
    for (signed, width, integer), rounding, overflow in product(SHAPES, Rounding, Overflow)
    if not (width == 1 and overflow is Overflow.SAT_SYM)
]
INTEGERS = [FixedType(signed=s, width=w, integer=w) for s, w in ((True, 8), (False, 5), (True, 1), (False, 31))]

PROGRAM = """#include "ap_fixed.h"
#include "ap_int.h"
#include <cstdio>
template <class T, class R> void convert(const R *x, long n, double *out) {{
    for (long i = 0; i < n; ++i) out[i] = T(x[i]).to_double();
}}
template <class R> void read(FILE *file, R *x, long n) {{ if (fread(x, sizeof(R), n, file) != (size_t)n) throw 1; }}
int main(int, char **names) {{
    const long n = {events};
    static double x[n], out[n];
    static float y[n];
    FILE *in = fopen(names[1], "rb"), *result = fopen(names[2], "wb");
    read(in, x, n), read(in, y, n);
{calls}
    return fclose(result);
}}
"""


def numbers() -> np.ndarray:
    rng = np.random.default_rng(3)
    halves = np.arange(-2200, 2200) / 64
    beside = np.concatenate([np.nextafter(halves, np.inf), np.nextafter(halves, -np.inf)])
    spread = rng.normal(0, 1, 4000) * 2.0 ** rng.integers(-40, 40, 4000)
    extreme = np.concatenate([2.0 ** np.arange(-1070, 1023, 9), rng.normal(0, 1, 200) * 1e300, [0.0, np.inf]])
    return np.concatenate([halves, beside, spread, extreme, -extreme])


def cpp(kind: FixedType, *, integer: bool) -> str:
    if integer:
        return f"ap_{'' if kind.signed else 'u'}int<{kind.width}>"
    name = "ap_fixed" if kind.signed else "ap_ufixed"
    return f"{name}<{kind.width},{kind.integer},AP_{kind.rounding.value},AP_{kind.overflow.value}>"


def test_every_type_converts_every_number_as_in_cpp(tmp_path: Path) -> None:
    values = numbers()
    with np.errstate(over="ignore"):
        singles = values.astype(np.float32)
    kinds = [*((k, False) for k in FIXED), *((k, True) for k in INTEGERS)]
    calls = "".join(
        f"    convert<{cpp(kind, integer=integer)}>({source}, n, out), fwrite(out, 8, n, result);\n"
        for kind, integer in kinds
        for source in "xy"
    )
    (tmp_path / "main.cpp").write_text(PROGRAM.format(events=len(values), calls=calls))
    (tmp_path / "numbers").write_bytes(values.tobytes() + singles.tobytes())
    subprocess.run(["g++", "-O1", "-w", f"-I{HEADERS}", "main.cpp", "-o", "main"], cwd=tmp_path, check=True)
    subprocess.run(["./main", "numbers", "results"], cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    results = np.fromfile(tmp_path / "results").reshape(len(kinds), 2, len(values))
    for (kind, integer), (of_double, of_single) in zip(kinds, results, strict=True):
        assert_array_equal(kind.to_float(mantissas(values, kind, ap_int=integer)), of_double, err_msg=str(kind))
        assert_array_equal(kind.to_float(mantissas(singles, kind, ap_int=integer)), of_single, err_msg=str(kind))


def test_blocks_and_shapes_do_not_matter() -> None:
    kind = FixedType(signed=True, width=12, integer=4, rounding=Rounding.RND)
    values = np.random.default_rng(1).normal(0, 5, (3, BLOCK // 2, 3)).astype(np.float32)
    whole = mantissas(values, kind)
    assert whole.shape == values.shape
    assert whole.dtype == np.int32
    assert_array_equal(whole[1, 7:9, 1:], mantissas(values[1, 7:9, 1:], kind))
    assert mantissas(values[:0], kind).shape == (0, *values.shape[1:])


def test_nan_is_refused() -> None:
    kind = FixedType(signed=True, width=12, integer=4)
    with pytest.raises(InputError, match="inputs must be numbers, but there is a NaN among them"):
        mantissas(np.array([1.0, np.nan, 2.0]), kind)
