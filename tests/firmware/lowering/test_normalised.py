"""Batch normalisation behind, in and before linear layers, and separable convolutions: Keras = csim = program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from exactness import check_exact, make_values
from hgq_models import assign_bits, scopes, spread_statistics

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion, Source
from trigforge.firmware.frontends.keras3 import convert_keras, predict
from trigforge.firmware.lowering import lower
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType, Overflow, Rounding

from .graphs import parallel_layers

WORD = FixedType(signed=True, width=7, integer=3)
LANE = FixedType(signed=True, width=9, integer=4, rounding=Rounding.RND, overflow=Overflow.SAT)
EPSILON = 2.0**-10


@pytest.mark.parametrize("overflow", ["SAT", "WRAP"])
def test_quantised_normalisation_is_hgqs_own(overflow: str, tmp_path: Path) -> None:
    """Behind convolutions and dense layers, before them, and fused into them; outputs that other layers read as well.

    Rectifiers are layers of their own, which hls4ml compares with 0 in a type that its simulation gets wrong.
    """
    from hgq.layers import QBatchNormalization, QBatchNormDense, QConv1D, QConv2D, QDense, QEinsumDenseBatchnorm

    layers = keras.layers
    keras.utils.set_random_seed(5)
    with scopes(overflow):
        image = keras.Input((4, 3, 2), name="image")
        deep = QBatchNormalization(name="image_norm")(QConv2D(3, 2, padding="same", name="image_conv")(image))
        line = layers.Reshape((6, 6), name="line")(layers.ReLU(name="rectified")(deep))
        hidden = QDense(4, name="hidden")(layers.Flatten(name="flat")(image))
        hidden = QBatchNormalization(scale=False, enable_oq=True, name="hidden_norm")(hidden)
        outputs = [
            deep,
            hidden,
            QBatchNormalization(center=False, name="line_norm")(QConv1D(2, 3, name="line_conv")(line)),
            QBatchNormDense(3, activation="relu", name="fused_before")(hidden),
            QEinsumDenseBatchnorm("abc,cd->abd", (6, 3), bias_axes="d", name="fused_behind")(line),
            QBatchNormalization(name="alone")(image),
            normalised_by_keras(hidden, "short"),
        ]
    model = keras.Model(image, outputs)
    spread_statistics(model, seed=3)
    on_a_grid(model.get_layer("short"))
    assign_bits(model, seed=2)
    conversion, values = Conversion("norms", tmp_path / "norms", LANE), make_values(LANE, (4, 3, 2))
    source = convert_keras(model, conversion)
    assert source.reference is not None
    assert (np.ptp(source.reference(values), axis=0) > 0).mean() > 0.8
    lowering = check_exact(source, conversion, values)
    assert [layer.class_name for layer in lowering.layers].count("BatchNormalization") == 5
    if overflow == "SAT":
        lowering.require_no_wrap()


def test_outputs_that_hls4ml_narrows_for_a_later_layer_equal_csim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As hls4ml itself infers and joins the types, without our repairs of both."""
    from hgq.layers import QDense
    from hls4ml.model.optimizer.passes import bit_exact
    from hls4ml.model.optimizer.passes.hgq_proxy_model import FuseFixedPointQuantizer

    from trigforge.firmware.frontends import keras3_layers

    keras.utils.set_random_seed(5)
    with scopes("SAT"):
        x = keras.Input((4,), name="x")
        hidden = QDense(6, enable_oq=True, name="hidden")(x)
        model = keras.Model(x, [hidden, QDense(2, name="scores")(hidden)])
    for variable in model.get_layer("scores").iq.quantizer.variables:
        if variable.path.rsplit("/", 1)[-1] == "f":
            variable.assign(np.zeros(variable.shape))
    monkeypatch.setattr(bit_exact, "requested_kif", keras3_layers.REQUESTED)
    monkeypatch.setattr(FuseFixedPointQuantizer, "match", keras3_layers.JOINS)
    conversion, values = Conversion("narrowed", tmp_path / "narrowed", LANE), make_values(LANE, (4,))
    source = convert_keras(model, conversion)
    outputs = check_exact(Source(source.graph, "hls4ml"), conversion, values).program.to_float
    assert source.reference is not None
    program = lower(source.graph, InputContract.of_type("narrowed", 4, LANE)).program
    assert not np.array_equal(outputs(program(LANE.from_float(values))), source.reference(values))


def test_a_quantiser_joined_to_one_of_many_types_rounds_twice(tmp_path: Path) -> None:
    """As Keras does, whose second quantiser has fewer bits, and as many for every element."""
    from hgq.layers import QDense

    keras.utils.set_random_seed(5)
    with scopes("SAT"):
        x = keras.Input((4,), name="x")
        hidden = QDense(6, enable_oq=True, name="hidden")(x)
        model = keras.Model(x, QDense(2, name="scores")(hidden))
    own, joined = model.get_layer("hidden").oq.quantizer, model.get_layer("scores").iq.quantizer
    for quantiser, fractions in ((own, [5.0, 6.0, 4.0]), (joined, [3.0])):
        for variable in quantiser.variables:
            if variable.path.rsplit("/", 1)[-1] == "f":
                variable.assign(np.resize(fractions, variable.shape))
    conversion = Conversion("twice", tmp_path / "twice", LANE)
    source, values = convert_keras(model, conversion), make_values(LANE, (4,))
    assert "hidden_oq" in source.graph.graph
    check_exact(source, conversion, values)


def on_a_grid(model: Any) -> Any:
    """Weights and normalisations of few bits: the scale is `gamma` times a power of two."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if variable.path.endswith("moving_variance"):
            variable.assign(4.0 ** rng.integers(-1, 2, variable.shape) - EPSILON)
        else:
            variable.assign(rng.integers(-12, 13, variable.shape) / 8)
    return model


def normalised_by_keras(values: Any, name: str, **options: Any) -> Any:
    return keras.layers.BatchNormalization(epsilon=EPSILON, name=name, **options)(values)


def line_outputs(line: Any) -> list[Any]:
    layers = keras.layers
    return [
        layers.SeparableConv1D(3, 3, padding="same", activation="relu", name="same")(line),
        layers.SeparableConv1D(2, 2, strides=2, use_bias=False, name="strided")(line),
        normalised_by_keras(layers.Conv1D(2, 3, use_bias=False, name="conv")(line), "conv_norm", scale=False),
        normalised_by_keras(layers.Dense(3, name="dense")(layers.Flatten(name="flat")(line)), "dense_norm"),
        normalised_by_keras(line, "norm"),
    ]


def image_outputs(image: Any) -> list[Any]:
    layers = keras.layers
    return [
        layers.SeparableConv2D(3, (2, 3), padding="same", name="same")(image),
        layers.SeparableConv2D(2, 2, strides=2, name="strided")(image),
        normalised_by_keras(layers.Conv2D(3, (3, 2), padding="same", name="conv")(image), "conv_norm"),
        normalised_by_keras(layers.DepthwiseConv2D(2, name="depth")(image), "depth_norm", center=False),
    ]


@pytest.mark.parametrize(("make", "shape"), [(line_outputs, (6, 2)), (image_outputs, (5, 4, 2))])
def test_plain_layers_with_types_that_hold_everything_are_keras_own(make: Any, shape: Any, tmp_path: Path) -> None:
    """hls4ml fuses what stands behind Conv and Dense into them; behind a depthwise convolution it must not."""
    first = keras.Input(shape, name="first")
    model = on_a_grid(keras.Model(first, make(first)))
    conversion = Conversion("plain", tmp_path / "plain", WORD, precision=Precision(default="fixed<30,14>"))
    source, values = convert_keras(model, conversion), make_values(WORD, shape)
    lowering = check_exact(source, conversion, values, predict(model, values))
    names = {layer.name for layer in lowering.layers}
    assert {"same_depthwise", "same_pointwise"} <= names
    assert not names & {"conv_norm", "dense_norm"}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            keras.layers.BatchNormalization,
            r"layer 'plain' \(BatchNormalization\) must .* 18 bits .* QBatchNormalization",
        ),
        (lambda name: keras.layers.Dense(3, name=name), r"layer 'plain' \(Dense\) must lie .* 18 bits .* QDense"),
    ],
)
def test_parameters_without_quantiser_are_refused_among_quantised_layers(
    layer: Any, message: str, tmp_path: Path
) -> None:
    from hgq.layers import QDense

    with scopes("SAT"):
        x = keras.Input((4,), name="x")
        model = keras.Model(x, layer(name="plain")(QDense(3, name="quantised")(x)))
    with pytest.raises(ExactnessError, match=message):
        convert_keras(model, Conversion("floating", tmp_path / "floating", LANE))


def test_depthwise_kernels_of_another_size_are_refused(tmp_path: Path) -> None:
    sides = {f"pad_{side}": 0 for side in ("top", "bottom", "left", "right")}
    sizes = {f"{what}_{axis}": n for axis in ("height", "width") for what, n in [("in", 3), ("out", 2), ("filt", 2)]}
    strides = {"stride_height": 1, "stride_width": 1, "data_format": "channels_last", "n_chan": 2, "n_filt": 2}
    kernel = {"depthwise_data": np.ones((2, 2, 2, 2)), "bias_data": np.zeros(2), "depth_multiplier": 1}
    layer = {"name": "c", "class_name": "DepthwiseConv2D", **sides, **sizes, **strides, **kernel}
    source, _ = parallel_layers("odd", tmp_path / "odd", WORD, (3, 3, 2), [layer])
    with pytest.raises(ExactnessError, match=r"layer 'c' \(Depth.* must have 8 weights, not 16; hls4ml fuses a Batch"):
        lower(source.graph, InputContract.of_type("odd", 18, WORD))
