"""HGQ2's attention: Keras = csim = program = alkaid's own tracer, in every way that keys and values are made."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from exactness import check_exact, make_values
from hgq_models import assign_bits, scopes
from numpy.testing import assert_array_equal

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.fixed import FixedType, Overflow, Rounding

LANE = FixedType(signed=True, width=9, integer=4, rounding=Rounding.RND, overflow=Overflow.SAT)


def attention_model() -> keras.Model:
    """Self-attention of two heads, attention to another sequence, and attention to projected keys and values."""
    from hgq.layers import QLinformerAttention, QMultiHeadAttention

    with scopes("SAT"):
        x, y = keras.Input((3, 4), name="x"), keras.Input((2, 4), name="y")
        outputs = [
            QMultiHeadAttention(num_heads=2, key_dim=2, fuse="qkv", name="own")(x, x),
            QMultiHeadAttention(num_heads=1, key_dim=3, value_dim=2, fuse="none", name="other")(x, y),
            QLinformerAttention(num_heads=1, lin_kv_proj_dim=2, key_dim=2, name="projected")(x, x),
        ]
    model = keras.Model([x, y], outputs)
    assign_bits(model, seed=4)
    return model


def test_attention_is_keras_and_alkaids_own(tmp_path: Path) -> None:
    from alkaid.converter import trace_model
    from alkaid.trace import FVArray, HWConfig, trace

    keras.utils.set_random_seed(5)
    model, values = attention_model(), make_values(LANE, (20,))
    conversion = Conversion("attention", tmp_path / "attention", LANE)
    lowering = check_exact(convert_keras(model, conversion), conversion, values)
    kinds = {layer.class_name for layer in lowering.layers}
    assert {"Einsum", "EinsumDense", "Softmax"} <= kinds
    lowering.require_no_wrap()
    inputs = [
        FVArray.from_kif(np.ones(shape, int), np.full(shape, LANE.integer - 1), np.full(shape, LANE.fraction))
        for shape in ((1, 3, 4), (1, 2, 4))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = trace(*trace_model(model, HWConfig(1, 1, -1), inputs=tuple(inputs)))
    words = LANE.from_float(values)
    assert_array_equal(lowering.program.to_float(lowering.program(words)), program.predict(values))
    assert (np.ptp(program.predict(values), axis=0) > 0).mean() > 0.9


def test_arguments_that_hls4ml_ignores_are_refused(tmp_path: Path) -> None:
    from hgq.layers import QMultiHeadAttention

    with scopes("SAT"):
        x, allowed = keras.Input((3, 4), name="x"), keras.Input((3, 3), name="allowed")
        own = QMultiHeadAttention(num_heads=1, key_dim=2, fuse="none", name="own")
        masked, causal = own(x, x, attention_mask=allowed), own(x, x, use_causal_mask=True)
    conversion = Conversion("masked", tmp_path / "masked", LANE)
    with pytest.raises(ExactnessError, match=r"layer 'own' \(QMulti.*\) must be called without attention_mask, which"):
        convert_keras(keras.Model([x, allowed], masked), conversion)
    with pytest.raises(ExactnessError, match=r"layer 'own' \(QMulti.*\) must be called once, on the outputs"):
        convert_keras(keras.Model(x, causal), conversion)
