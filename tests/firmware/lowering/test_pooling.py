"""Pooling, padding, cropping and resizing: csim = program; division by integers exhaustively."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from exactness import check_exact, make_values
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering.pooling import quotient
from trigforge.firmware.lowering.symbols import type_symbols
from trigforge.firmware.program import trace_program
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType

WORD = FixedType(signed=True, width=6, integer=3)


def test_lossy_poolings_equal_csim(tmp_path: Path) -> None:
    image, line = keras.Input((5, 4, 2), name="image"), keras.Input((5, 2), name="line")
    layers = keras.layers
    positive = layers.Activation("relu", name="positive")(image)
    outputs = [
        layers.MaxPooling2D((3, 2), strides=(2, 1), padding="same", name="max_same")(image),
        layers.MaxPooling2D(3, strides=2, padding="same", name="max_unsigned")(positive),
        layers.AveragePooling2D((3, 2), strides=(2, 2), padding="same", name="mean_same")(image),
        layers.AveragePooling2D(2, name="mean_unsigned")(positive),
        layers.AveragePooling2D((3, 1), strides=1, name="mean_wraps")(image),
        layers.GlobalAveragePooling2D(name="mean_all")(image),
        layers.GlobalMaxPooling2D(name="max_all")(image),
        layers.MaxPooling1D(2, padding="same", name="max_line")(line),
        layers.AveragePooling1D(3, strides=1, padding="same", name="mean_line")(line),
        layers.GlobalAveragePooling1D(name="mean_all_line")(line),
        layers.GlobalMaxPooling1D(name="max_all_line")(line),
        layers.ZeroPadding2D(((1, 2), (0, 1)), name="padded")(image),
        layers.Cropping2D(((1, 0), (0, 2)), name="cropped")(image),
        layers.UpSampling2D((2, 3), name="repeated")(image),
        layers.ZeroPadding1D((2, 1), name="padded_line")(line),
        layers.Cropping1D((1, 2), name="cropped_line")(line),
        layers.UpSampling1D(2, name="repeated_line")(line),
        layers.DepthwiseConv1D(3, name="depth_line")(line),  # hls4ml 1.3 cannot compile it beside DepthwiseConv2D
    ]
    types = {
        "positive": {"result": "ufixed<5,3,RND_ZERO,SAT>"},
        "max_same": {"accum": "fixed<5,3,RND_CONV,SAT>", "result": "fixed<5,2,TRN,SAT>"},
        "max_unsigned": {"accum": "fixed<6,4>"},
        "mean_same": {"accum": "fixed<8,5,RND_ZERO,SAT>"},
        "mean_unsigned": {"accum": "ufixed<7,4,RND,SAT>", "result": "ufixed<6,3,RND_CONV>"},
        "mean_wraps": {"accum": "fixed<5,3,TRN_ZERO,WRAP>"},
        "mean_all": {"accum": "fixed<11,8>", "result": "fixed<9,4,RND_MIN_INF,SAT>"},
        "mean_line": {"accum": "fixed<9,5,RND_INF,SAT_SYM>"},
        "mean_all_line": {"accum": "fixed<5,4,RND_CONV,SAT>"},
        "depth_line": {"accum": "fixed<7,2,RND,WRAP>", "weight": "fixed<6,2,RND_MIN_INF,SAT>"},
        "max_all_line": {"accum": "ufixed<5,3,RND,SAT>"},
    }
    model = keras.Model([image, line], [layers.Flatten()(value) for value in outputs])
    precision = Precision(default="fixed<12,6>", layers=types)
    conversion = Conversion("pools", tmp_path / "pools", WORD, precision=precision)
    check_exact(convert_keras(model, conversion), conversion, make_values(WORD, (50,)))


def test_learnt_poolings_equal_their_model(tmp_path: Path) -> None:
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QAveragePooling2D, QConv2D, QGlobalAveragePooling2D, QMaxPooling2D
    from hgq.utils import trace_minmax

    keras.utils.set_random_seed(5)
    with QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="WRAP"):
        image = keras.Input((6, 6, 1))
        hidden = QConv2D(2, 3, padding="same")(image)
        outputs = [
            QMaxPooling2D(2)(hidden),
            QAveragePooling2D((2, 1))(hidden),
            QGlobalAveragePooling2D()(QMaxPooling2D(3, strides=3)(hidden)),
        ]
    model = keras.Model(image, [keras.layers.Flatten()(value) for value in outputs])
    values = make_values(WORD, (6, 6, 1))
    trace_minmax(model, values.astype(np.float32), verbose=0)
    conversion = Conversion("learnt", tmp_path / "learnt", WORD)
    check_exact(convert_keras(model, conversion), conversion, values)


@given(st.booleans(), st.integers(2, 11), st.integers(-2, 9), st.integers(1, 70))
@settings(max_examples=40)
def test_quotients_are_towards_zero(signed: bool, width: int, integer: int, divisor: int) -> None:
    kind = FixedType(signed=signed, width=width, integer=integer)
    symbols = type_symbols([kind])
    program = trace_program(symbols, quotient(symbols, divisor, kind, "here"), [kind])
    words = np.arange(kind.low, kind.high + 1)[:, None]
    expected = np.trunc(words / divisor).astype(np.int64)
    assert_array_equal(program.to_float(program(words)), kind.to_float(expected))


def test_quotients_beyond_double_precision_are_refused() -> None:
    kind = FixedType(signed=True, width=40, integer=20)
    with pytest.raises(
        ExactnessError, match=r"here: an average over 7 must have a narrower accumulator than ap_fixed<40"
    ):
        quotient(type_symbols([kind]), 7, kind, "here")
