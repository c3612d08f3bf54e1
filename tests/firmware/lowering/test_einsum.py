"""Einstein sums with data and with constants: csim = program for narrow types, = HGQ2's own outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from exactness import check_exact, make_values
from hgq_models import assign_bits, scopes

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion, Source, apply_precision, run_hls4ml
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import lower
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType, Overflow, Rounding

WORD = FixedType(signed=True, width=9, integer=4)
LANE = FixedType(signed=True, width=10, integer=4, rounding=Rounding.RND, overflow=Overflow.SAT)

DENSE = (
    ("abc,cd->abd", (3, 2), "d", "fixed<10,4,TRN,WRAP>"),
    ("abc,cde->abde", (3, 2, 2), "e", "fixed<9,4,RND_CONV,SAT>"),
    ("abc,bcd->abd", (3, 2), "d", "fixed<8,3,TRN_ZERO,SAT_SYM>"),
    ("abc,bd->acd", (4, 2), "cd", "ufixed<9,5,RND,SAT>"),
    ("abc,bcd->ad", (2,), None, "fixed<12,4,RND_INF,WRAP>"),
    ("abc,dcb->adbc", (2, 3, 4), "dbc", "fixed<7,4,RND_MIN_INF,WRAP>"),
)
"""Equation, output shape, bias axes and accumulator; batch a, input (b, c) = (3, 4)."""


def quantised_kernels(model: keras.Model, seed: int) -> None:
    """Kernels and biases of few bits, which every type below holds."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.integers(-12, 13, variable.shape) / 8)


def test_sums_with_constants_and_narrow_types_equal_csim(tmp_path: Path) -> None:
    x = keras.Input((3, 4), name="x")
    outputs, types = [], {}
    for i, (equation, shape, bias, accumulator) in enumerate(DENSE):
        outputs.append(keras.layers.EinsumDense(equation, shape, bias_axes=bias, name=f"sum_{i}")(x))
        types[f"sum_{i}"] = {"accum": accumulator, "result": "fixed<9,5,RND_ZERO,SAT>", "weight": "fixed<8,4>"}
    model = keras.Model(x, outputs)
    quantised_kernels(model, 1)
    precision = Precision(default="fixed<24,10>", layers=types)
    conversion = Conversion("kernels", tmp_path / "kernels", WORD, precision=precision)
    check_exact(convert_keras(model, conversion), conversion, make_values(WORD, (12,)))


def test_quantised_sums_are_hgqs_own(tmp_path: Path) -> None:
    from hgq.layers import QEinsum, QEinsumDense

    with scopes("SAT"):
        x, y = keras.Input((3, 4), name="x"), keras.Input((2, 4), name="y")
        outputs = [
            QEinsum("abc,adc->abd", name="products")([x, y]),
            QEinsum("abc,abd->adc", name="same")([x, x]),
            QEinsum("abc,abc->ac", name="kept")([x, x]),
            QEinsum("abc,adc->acdb", name="outer")([x, y]),
            *(QEinsumDense(e, s, bias_axes=b, name=f"sum_{i}")(x) for i, (e, s, b, _) in enumerate(DENSE)),
        ]
    model = keras.Model([x, y], outputs)
    assign_bits(model, seed=2)
    conversion = Conversion("einsums", tmp_path / "einsums", LANE)
    lowering = check_exact(convert_keras(model, conversion), conversion, make_values(LANE, (20,)))
    assert {"Einsum", "EinsumDense"} <= {layer.class_name for layer in lowering.layers}


ACCUMULATORS = (
    "fixed<12,8,TRN,WRAP>",
    "fixed<10,6,RND,SAT>",
    "fixed<11,7,RND_CONV,WRAP>",
    "fixed<11,7,TRN_ZERO,SAT_SYM>",
    "ufixed<10,8,RND_ZERO,SAT>",
    "fixed<12,7,RND_INF,WRAP>",
    "fixed<9,9,RND_MIN_INF,SAT>",
)


def test_partial_sums_of_two_tensors_are_cast_without_their_products(tmp_path: Path) -> None:
    """hls4ml adds the exact product to the accumulator here, unlike in its dense layers."""
    from hgq.layers import QEinsum

    x, y = keras.Input((2, 4), name="x"), keras.Input((2, 4), name="y")
    outputs, types = [], {}
    for i, accumulator in enumerate(ACCUMULATORS):
        layer = QEinsum("abc,adc->abd", name=f"sum_{i}", enable_iq=False, enable_ebops=False)
        outputs.append(layer([x, y]))
        types[f"sum_{i}"] = {"accum": accumulator, "result": "fixed<14,9>"}
    precision = Precision(default="fixed<10,4>", layers=types)
    conversion = Conversion("narrow", tmp_path / "narrow", LANE, precision=precision)
    model = keras.Model([x, y], outputs)
    source = Source(run_hls4ml(conversion, "Keras", lambda: converted(model, conversion)), "Keras")
    lowering = check_exact(source, conversion, make_values(LANE, (16,)))
    assert [str(w.given).upper() for w in lowering.widths if w.place == "accumulator"] == [
        f"AP_{kind}".upper() for kind in ACCUMULATORS
    ]


def converted(model: keras.Model, conversion: Conversion) -> Any:
    """hls4ml's graph with the user's types, which its quantised conversion would replace by exact ones."""
    import hls4ml

    config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend=conversion.backend)
    return hls4ml.converters.convert_from_keras_model(
        model, hls_config=apply_precision(config, conversion), bit_exact=False, **conversion.settings()
    )


def test_binary_codes_are_refused(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    codes = keras.layers.Activation("linear", name="codes")(x)
    precision = Precision(
        default="fixed<16,6>", layers={"codes": {"result": "ap_int<2>"}, "inner": {"accum": "fixed<16,6>"}}
    )
    conversion = Conversion("ternary", tmp_path / "ternary", WORD, precision=precision)
    source = convert_keras(keras.Model(x, keras.layers.Dot(axes=1, name="inner")([x, codes])), conversion)
    with pytest.raises(ExactnessError, match=r"layer 'inner' \(Dot\): the types of its inputs must be fixed point"):
        lower(source.graph, InputContract.of_type("ternary", 4, WORD))
