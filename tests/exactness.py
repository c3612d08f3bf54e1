"""The check that every front end and every layer must pass: source = csim = program, word for word."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.firmware.frontends.conversion import Conversion, FloatArray, Source
from trigforge.firmware.hls import compile_csim, tensor_sizes
from trigforge.firmware.lowering import Lowering, lower
from trigforge.fixed import FixedType


def make_values(kind: FixedType, shape: tuple[int, ...], events: int = 10_000, seed: int = 1) -> FloatArray:
    """Vectors (events, *shape) on the grid of a type: corners, extremes mixed, small values, the rest uniform."""
    rng, words = np.random.default_rng(seed), int(np.prod(shape))
    corners = np.array([[kind.low] * words, [kind.high] * words, [0] * words])
    extremes = np.where(rng.integers(0, 2, (events // 10, words)) == 1, kind.low, kind.high)
    small = np.clip(np.rint(rng.normal(0, 3, (events // 10, words))), kind.low, kind.high).astype(np.int64)
    spread = rng.integers(kind.low, kind.high + 1, (events - 2 * (events // 10), words))
    return kind.to_float(np.concatenate([corners, extremes, small, spread])).reshape(-1, *shape)


def check_exact(
    source: Source, conversion: Conversion, values: FloatArray, expected: FloatArray | None = None
) -> Lowering:
    """Assert csim == program (== `expected`, or the framework's own outputs) on `values`."""
    flat = values.reshape(len(values), -1)
    csim = compile_csim(source.graph)(flat)
    contract = InputContract.of_type(conversion.name, sum(tensor_sizes(source.graph)[0]), conversion.input_type)
    lowering = lower(source.graph, contract)
    program = lowering.program
    assert_array_equal(program.to_float(program(conversion.input_type.from_float(flat))), csim)
    if expected is None and source.reference is not None:
        expected = source.reference(values)
    if expected is not None:
        assert_array_equal(csim, expected.reshape(len(values), -1))
    return lowering
