"""Convolutions: csim = program for lossy types of every kind, = the model's own outputs where it is quantised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from exactness import check_exact, make_values

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import lower
from trigforge.firmware.lowering.layer import Loss
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType

from .graphs import parallel_layers

WORD = FixedType(signed=True, width=7, integer=3)


def randomised(model: Any) -> Any:
    rng = np.random.default_rng(1)
    for variable in model.weights:
        values = rng.normal(0, 0.7, variable.shape)
        variable.assign(abs(values) + 0.2 if variable.path.endswith("moving_variance") else values)
    return model


def convolved(name: str, **changes: Any) -> dict[str, Any]:
    """A valid convolution of 2 x 2 pixels of one channel, with changes."""
    sides = {f"pad_{side}": 0 for side in ("top", "bottom", "left", "right")}
    sizes = {f"{what}_{axis}": n for axis in ("height", "width") for what, n in [("in", 4), ("out", 3), ("filt", 2)]}
    strides = {"stride_height": 1, "stride_width": 1, "data_format": "channels_last"}
    kernel = {"weight_data": np.ones((2, 2, 1, 1)), "bias_data": np.zeros(1), "n_chan": 1, "n_filt": 1}
    return {"name": name, "class_name": "Conv2D", **sides, **sizes, **strides, **kernel, **changes}


def test_lossy_convolutions_equal_csim(tmp_path: Path) -> None:
    image, line = keras.Input((5, 4, 2), name="image"), keras.Input((6, 2), name="line")
    layers = keras.layers
    outputs = [
        layers.Conv2D(3, (3, 2), strides=(2, 1), padding="same", activation="relu", name="same")(image),
        layers.Conv2D(2, (2, 3), strides=(1, 2), name="valid")(image),
        layers.Conv2D(2, 1, use_bias=False, name="point")(image),
        layers.DepthwiseConv2D(2, padding="same", name="depth")(image),
        layers.SeparableConv2D(2, 2, name="separable")(image),
        layers.BatchNormalization(name="norm")(layers.Conv2D(2, 2, name="fused")(image)),
        layers.Conv1D(2, 3, padding="causal", name="causal")(line),
        layers.Conv1D(3, 1, strides=2, name="point_line")(line),
        layers.Conv1D(2, 4, strides=2, padding="same", name="same_line")(line),
    ]
    types = {
        "same": {"accum": "fixed<9,4,RND_CONV,SAT>", "result": "fixed<8,3,RND,SAT>", "weight": "fixed<6,2,RND,SAT>"},
        "valid": {"accum": "fixed<8,3>", "result": "ufixed<6,2,TRN_ZERO>", "weight": "fixed<7,2,TRN,SAT>"},
        "point": {"accum": "fixed<7,3,RND_ZERO,SAT_SYM>", "weight": "fixed<5,2,RND_INF,SAT>"},
        "depth": {"accum": "ufixed<9,3,RND_MIN_INF,SAT>", "weight": "fixed<9,2,TRN_ZERO,SAT>"},
        "separable": {
            "depthwise": "fixed<6,2,RND,SAT>",
            "depthwise_accum": "fixed<9,4,RND,SAT>",
            "depthwise_result": "fixed<7,3,RND_CONV,SAT>",
            "pointwise": "fixed<5,2,TRN,SAT>",
            "pointwise_accum": "fixed<8,3,TRN,WRAP>",
        },
        "fused": {"weight": "fixed<7,2,RND,SAT>", "bias": "fixed<6,2,RND,SAT>", "accum": "fixed<9,4,RND,SAT>"},
        "causal": {"accum": "fixed<12,4,TRN,SAT>", "weight": "fixed<6,2,RND_CONV,SAT>", "bias": "fixed<4,2,RND,SAT>"},
        "point_line": {"accum": "fixed<6,3,RND_INF,WRAP>", "weight": "fixed<8,2,RND_ZERO,SAT_SYM>"},
        "same_line": {"accum": "fixed<24,9>", "weight": "fixed<6,2,RND,SAT>", "result": "fixed<6,3,RND_MIN_INF,WRAP>"},
    }
    model = randomised(keras.Model([image, line], [layers.Flatten()(value) for value in outputs]))
    precision = Precision(default="fixed<16,6>", layers=types)
    conversion = Conversion("lossy", tmp_path / "lossy", WORD, precision=precision)
    lowering = check_exact(convert_keras(model, conversion), conversion, make_values(WORD, (52,)))
    losses = {(width.layer, width.loss) for width in lowering.widths if width.place == "accumulator"}
    assert {("valid", Loss.WRAPS), ("same", Loss.SATURATES), ("same_line", Loss.NONE)} <= losses


def test_learnt_convolutions_equal_their_model(tmp_path: Path) -> None:
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QConv1D, QConv2D
    from hgq.utils import trace_minmax

    keras.utils.set_random_seed(5)
    with QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="WRAP"):
        image = keras.Input((6, 5, 1))
        hidden = QConv2D(3, 3, strides=2, padding="same", activation="relu")(image)
        hidden = QConv2D(2, 1)(hidden)
        line = QConv1D(2, 3)(keras.layers.Reshape((9, 2))(hidden))
    model = keras.Model(image, keras.layers.Flatten()(line))
    values = make_values(WORD, (6, 5, 1))
    trace_minmax(model, values.astype(np.float32), verbose=0)
    conversion = Conversion("learnt", tmp_path / "learnt", WORD)
    check_exact(convert_keras(model, conversion), conversion, values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dilation": 2}, "must not be dilated, since hls4ml ignores it"),
        (
            {"out_width": 2, "options": {"ParallelizationFactor": 6}},
            "3 x 2 outputs must be 3 x 3 by its strides and padding; dilation",
        ),
        ({"n_filt": 2, "weight_data": np.ones((2, 2, 1, 1))}, "must use all 4 values of a window, not 2; no groups"),
    ],
)
def test_convolutions_that_hls4ml_gets_wrong_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    source, conversion = parallel_layers("odd", tmp_path / "odd", WORD, (4, 4, 1), [convolved("c", **changes)])
    contract = InputContract.of_type("odd", 16, conversion.input_type)
    with pytest.raises(ExactnessError, match=rf"layer 'c' \(Conv2D\).* {message}"):
        lower(source.graph, contract)
