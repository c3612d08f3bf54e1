"""Merges: csim = program for mixed and narrow types, = the model's own outputs where it is quantised."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from exactness import check_exact, make_values
from fixed_types import PLAIN
from hgq_models import assign_bits, scopes
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import lower
from trigforge.firmware.lowering.merge import OPERATIONS
from trigforge.firmware.lowering.symbols import concatenate, type_symbols
from trigforge.firmware.program import trace_program
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType, Overflow, Rounding

WORD = FixedType(signed=True, width=9, integer=4)
CLASSES = {
    "add": keras.layers.Add,
    "subtract": keras.layers.Subtract,
    "multiply": keras.layers.Multiply,
    "average": keras.layers.Average,
    "maximum": keras.layers.Maximum,
    "minimum": keras.layers.Minimum,
}
MEANING = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "average": lambda a, b: (a + b) / 2,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@given(PLAIN, PLAIN, st.integers(-40, 40), st.integers(0, 16))
@settings(max_examples=60)
def test_operations_on_symbols_are_exact(first: FixedType, second: FixedType, factor: int, shift: int) -> None:
    """Also of sums with coefficients, of a value with itself, and of values that lie far apart on the binary scale."""
    kinds = [first, second]
    symbols = type_symbols(kinds)
    rng = np.random.default_rng(factor & 0xFF)
    words = np.stack([rng.integers(k.low, k.high + 1, 300) for k in kinds], axis=1)
    words[:4] = [[a, b] for a in (first.low, first.high) for b in (second.low, second.high)]
    x, y = (k.to_float(words[:, i]) for i, k in enumerate(kinds))
    left, right = symbols[0:1] * float(factor) + symbols[1:2], symbols[1:2] * 2.0**-shift
    a, b = x * factor + y, y * 2.0**-shift
    pairs = {name: (rule(left, right), rule(left, left)) for name, rule in OPERATIONS.items()}
    program = trace_program(symbols, concatenate([part for pair in pairs.values() for part in pair]), kinds)
    expected = [MEANING[name](*operands) for name in pairs for operands in ((a, b), (a, a))]
    assert_array_equal(program.to_float(program(words)), np.stack(expected, axis=1))


def test_merges_of_mixed_types_equal_csim(tmp_path: Path) -> None:
    first, second = keras.Input((2, 3), name="first"), keras.Input((3,), name="second")
    row = keras.layers.Reshape((1, 3), name="row")(second)
    narrow = keras.layers.Activation("linear", name="narrow")(first)
    positive = keras.layers.Activation("linear", name="positive")(row)
    layers = {
        "narrow": {"result": "fixed<6,3,RND_CONV,SAT>"},
        "positive": {"result": "ufixed<7,2,TRN_ZERO,WRAP>"},
    }
    results = ["fixed<7,4,RND_INF,SAT>", "ufixed<5,3,RND_ZERO,WRAP>", "fixed<9,5,RND_MIN_INF,SAT_SYM>"]
    outputs = []
    for i, (name, kind) in enumerate(CLASSES.items()):
        for j, pair in enumerate([(narrow, positive), (row, narrow)]):
            layers[f"{name}_{j}"] = {"result": results[(i + j) % 3]}
            outputs.append(kind(name=f"{name}_{j}")(pair))
    precision = Precision(default="fixed<24,10>", layers=layers)
    conversion = Conversion("merges", tmp_path / "merges", WORD, precision=precision)
    source = convert_keras(keras.Model([first, second], outputs), conversion)
    lowering = check_exact(source, conversion, make_values(WORD, (9,)))
    assert lowering.program.comb.shape == (9, 72)


def test_quantised_merges_of_two_inputs_are_keras_own(tmp_path: Path) -> None:
    """Every element has its own bits, and quantisers saturate beyond the grid of what they quantise."""
    from hgq.layers import QAdd, QAveragePow2, QDense, QDot, QMaximum, QMinimum, QMultiply, QSubtract

    layers = keras.layers
    with scopes("SAT"):
        x, y = keras.Input((3, 4), name="x"), keras.Input((3, 4), name="y")
        total, product = QAdd(name="total")([x, y]), QMultiply(name="product")([x, y])
        least = QMinimum(name="least", enable_oq=True)([x, y])
        turned = layers.Permute((2, 1), name="turned")(least)
        outputs = [
            total,
            product,
            least,
            QSubtract(name="difference")([x, y]),
            QAveragePow2(name="average")([x, y]),
            QMaximum(name="most")([x, y]),
            QDot(name="inner")([layers.Flatten(name="flat")(total), layers.Flatten(name="flatter")(least)]),
            layers.Concatenate(axis=-1, name="columns")([product, least]),
            layers.Concatenate(axis=1, name="rows")([total, least]),
            QDense(3, name="scores")(layers.Reshape((12,), name="row")(turned)),
        ]
    model = keras.Model([x, y], outputs)
    assign_bits(model, seed=3)
    kind = FixedType(signed=True, width=10, integer=4, rounding=Rounding.RND, overflow=Overflow.SAT)
    conversion = Conversion("pairs", tmp_path / "pairs", kind)
    lowering = check_exact(convert_keras(model, conversion), conversion, make_values(kind, (24,)))
    lowering.require_no_wrap()


def merged(tmp_path: Path, name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    inputs = [keras.Input(shape) for shape in shapes]
    conversion = Conversion(name, tmp_path / name, WORD, precision=Precision(default="fixed<16,6>"))
    source = convert_keras(keras.Model(inputs, keras.layers.Add(name="sum")(inputs)), conversion)
    lower(source.graph, InputContract.of_type(name, sum(int(np.prod(shape)) for shape in shapes), WORD))


def test_shapes_that_hls4ml_repeats_otherwise_are_refused(tmp_path: Path) -> None:
    merged(tmp_path, "equal", ((3, 2), (3, 2)))
    with pytest.raises(ExactnessError, match=r"layer 'sum' \(Merge\): shapes \(3, 2\) and \(3, 1\) must be equal, or"):
        merged(tmp_path, "columns", ((3, 2), (3, 1)))
    with pytest.raises(ExactnessError, match=r"shapes \(1, 4\) and \(3, 1\) must be equal, or one the last axes"):
        merged(tmp_path, "outer", ((1, 4), (3, 1)))
    with pytest.raises(ExactnessError, match=r"since hls4ml 1.3 takes '3' for the larger size .*; reshape the smaller"):
        merged(tmp_path, "text", ((2, 3), (3,)))
