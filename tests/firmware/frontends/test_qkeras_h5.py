"""QKeras 0.9 files: QKeras's own outputs = csim = program on every model of the zoo, and one line for what is refused.

The zoo is trained by the real QKeras in its own environment (tests/qkeras_zoo/run.sh); one small model is frozen.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from exactness import check_exact
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.qkeras_activations import Staircase, activation_steps
from trigforge.firmware.frontends.qkeras_h5 import convert_qkeras, plain_network, read_model
from trigforge.firmware.frontends.qkeras_parameters import Parameters, SavedLayer, cast_values, read_type
from trigforge.firmware.frontends.qkeras_quantizers import read_quantizer
from trigforge.firmware.frontends.qkeras_weights import quantise
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType, Overflow, Rounding

ZOO = Path(__file__).parents[2] / "qkeras_zoo"
FROZEN = ZOO / "frozen" / "frozen.h5"
EXACT = ("mlp", "signs", "powers", "curves", "sequence", "image", "folded", "merges", "normalised")
KIND = FixedType(signed=True, width=9, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
FOLDED = {"gamma": 1, "beta": 0.5, "moving_mean": 0, "moving_variance": 0.75}


def built(name: str) -> Path:
    """A model of the zoo; without the second environment the test is skipped, or fails where tools are required."""
    path = ZOO / "build" / f"{name}.h5"
    if not path.exists():
        missing = "the QKeras zoo is not built; run tests/qkeras_zoo/run.sh"
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def vectors(path: Path) -> tuple[FixedType, np.ndarray, np.ndarray]:
    with np.load(path.with_suffix(".npz")) as data:
        kind = read_type(str(data["kind"]), "kind")
        return kind, kind.to_float(data["mantissas"].astype(np.int64)), data["outputs"].astype(np.float64)


def conversion(folder: Path, kind: FixedType = KIND, precision: Precision | None = None) -> Conversion:
    return Conversion("qkeras", folder / "qkeras", kind, precision=precision or Precision())


@pytest.mark.parametrize("name", EXACT)
def test_qkeras_equals_csim_equals_program(name, tmp_path):
    path = built(name)
    kind, values, expected = vectors(path)
    assert len(values) > 10_000
    asked = conversion(tmp_path, kind)
    check_exact(convert_qkeras(path, asked), asked, values, expected)


def test_the_frozen_model_is_exact_and_leaves_hls4ml_as_it_was(tmp_path):
    handlers = importlib.import_module("hls4ml.converters.keras_v2_to_hls").layer_handlers
    before = dict(handlers)
    kind, values, expected = vectors(FROZEN)
    asked = conversion(tmp_path, kind)
    source = convert_qkeras(FROZEN, asked)
    check_exact(source, asked, values, expected)
    assert source.framework == "QKeras 0.9 (Keras 2.14.0)"
    assert source.reference is None
    assert handlers == before


def test_open_parameters_need_types(tmp_path):
    path = built("open")
    kind, values, expected = vectors(path)
    with pytest.raises(ExactnessError, match=r"'first' \(QDense\): its bias must have a quantiser"):
        convert_qkeras(path, conversion(tmp_path, kind))
    precision = Precision(
        default="fixed<14,4,RND,SAT>",
        layers={"norm": {"scale": "fixed<18,6,RND,SAT>"}, "last": {"result": "fixed<9,4>"}},
    )
    asked = conversion(tmp_path, kind, precision)
    lowering = check_exact(convert_qkeras(path, asked), asked, values)
    results = lowering.program.to_float(lowering.program(kind.from_float(values)))
    assert np.abs(results - expected).max() < 0.2
    assert_array_equal(results * 32, np.rint(results * 32))


def test_weights_are_those_of_the_file(tmp_path):
    """Moving one weight by one code changes that weight alone, by one least significant bit."""
    changed = edited(tmp_path, weights=lambda arrays: moved(arrays["first"]["first"]["kernel:0"], 1 / 16))
    before, after = (plain_network(read_model(p), conversion(tmp_path))[0].weights for p in (FROZEN, changed))
    difference = after["first"]["kernel"] - before["first"]["kernel"]
    assert np.count_nonzero(difference) == 1
    assert difference[0, 0] == 1 / 16


def moved(array: Any, step: float) -> None:
    values = array[()]
    values[0, 0] = np.float32(values[0, 0] + step if abs(values[0, 0]) < 1 else 0)
    array[...] = values


def edited(
    folder: Path,
    config: Callable[[list[dict[str, Any]]], object] | None = None,
    weights: Callable[[Any], object] | None = None,
    attributes: Callable[[Any], object] | None = None,
) -> Path:
    """A copy of the frozen model with its layers' configuration, its weights or its attributes changed."""
    path = folder / "edited.h5"
    shutil.copy(FROZEN, path)
    with h5py.File(path, "r+") as file:
        model = json.loads(file.attrs["model_config"])
        if config is not None:
            config(model["config"]["layers"])
        file.attrs["model_config"] = json.dumps(model)
        if weights is not None:
            weights(file["model_weights"])
        if attributes is not None:
            attributes(file.attrs)
    return path


def refused(
    folder: Path, error: type[Exception], match: str, precision: Precision | None = None, **changes: Any
) -> None:
    with pytest.raises(error, match=match) as caught:
        convert_qkeras(edited(folder, **changes), conversion(folder, precision=precision))
    assert "\n" not in str(caught.value)


def quantiser(name: str, key: str = "kernel_quantizer", **parameters: Any) -> Callable[[list[dict[str, Any]]], None]:
    """The edit that gives the first dense layer another quantiser."""

    def change(layers: list[dict[str, Any]]) -> None:
        layers[1]["config"][key] = {"class_name": name, "config": parameters}

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (quantiser("quantized_bits", bits=4, alpha=0.3), r"kernel_quantizer: alpha of .* a power of two, not 0\.3"),
        (quantiser("quantized_bits", bits=4, alpha="auto"), "must be a power of two, 'auto' found 0"),
        (quantiser("binary", alpha="auto"), "must be a power of two, 'auto' found 0"),
        (quantiser("bernoulli", alpha=1), r"must be one of binary, .*, not 'bernoulli'; train with one"),
        (quantiser("quantized_ulaw", bits=4), "not 'quantized_ulaw'"),
        (quantiser("quantized_tanh", bits=4), r"a weight quantiser must be .*, not 'quantized_tanh'"),
        (quantiser("quantized_bits", bits=4, qnoise_factor=0.5), "qnoise_factor of quantized_bits must be 1,"),
        (quantiser("quantized_bits", "activation", bits=4, alpha="auto_po2"), "has no weights to find a scale"),
        (quantiser("quantized_relu", "activation", bits=4, use_sigmoid=1), "use_sigmoid of quantized_relu must be 0"),
        (quantiser("quantized_relu", "activation", bits=4, integer=2, relu_upper_bound=3), "relu_upper_bound"),
        (quantiser("quantized_relu", "activation", bits=3, negative_slope=0.0625), "negative_slope of"),
        (quantiser("quantized_tanh", "activation", bits=8, use_real_tanh=True), "at most 65 levels, not 8"),
        (quantiser("quantized_po2", "activation", bits=8), "at most 64 exponents, not 8"),
        (quantiser("quantized_po2", "activation", bits=4, quadratic_approximation=True), "its steps are ties"),
        (lambda layers: layers[1]["config"].update(activation="softmax"), r"must be exact, not 'softmax'; cut it off"),
        (lambda layers: layers[1]["config"].update(bias_quantizer=None), r"its bias must have a quantiser"),
        (lambda layers: layers[1].update(class_name="MyLayer"), r"'first' \(MyLayer\) has no exact form"),
    ],
)  # fmt: skip
def test_what_has_no_exact_meaning_is_refused(change, message, tmp_path):
    refused(tmp_path, ExactnessError, message, config=change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (quantiser("quantized_bits", bits=4, post_training_scale=2.0), "must have the parameters of QKeras 0"),
        (lambda layers: layers[1]["config"].update(activation="quantized_relu(6,"), "must be a QKeras call such as"),
        (lambda layers: layers[1]["config"].update(kernel_quantizer=3), "must be a QKeras configuration, not 3"),
        (lambda layers: layers[1].update(class_name="PruneLowMagnitude"), "apply strip_pruning"),
        (lambda layers: layers[1].update(inbound_nodes=layers[1]["inbound_nodes"] * 2), "called once, not 2 times"),
        (lambda layers: layers[0]["config"].update(batch_input_shape=[None, None]), "its shape must be fixed, not"),
        (lambda layers: [layer.update(class_name=layer["class_name"].removeprefix("Q")) for layer in layers],
         "must have QKeras layers, not only plain ones"),
        (lambda layers: layers[1]["config"].pop("name"), "its configuration lacks 'name'"),
        (lambda layers: layers.pop(1), "must follow layers of the model, not 'first'"),
    ],
)  # fmt: skip
def test_what_is_no_qkeras_model_is_refused(change, message, tmp_path):
    refused(tmp_path, InputError, message, config=change)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    truncated, foreign = tmp_path / "truncated.h5", tmp_path / "foreign.h5"
    truncated.write_bytes(FROZEN.read_bytes()[:6000])
    foreign.write_text("no model")
    for path in (truncated, foreign):
        with pytest.raises(InputError, match="must be a complete HDF5 file"):
            convert_qkeras(path, conversion(tmp_path))
    with pytest.raises(InputError, match="must be a QKeras model file"):
        convert_qkeras(tmp_path / "none.h5", conversion(tmp_path))
    optimiser = tmp_path / "optimiser.h5"
    with h5py.File(optimiser, "w") as file:
        file.create_group("optimizer_weights")
    with pytest.raises(InputError, match=r"must hold a whole model, not only \['optimizer_weights'\]"):
        convert_qkeras(optimiser, conversion(tmp_path))
    refused(tmp_path, InputError, "must be written by Keras 2, not 3.15.0", attributes=keras_3)
    refused(tmp_path, InputError, "must hold the array 'kernel', not only", weights=without_kernel)
    refused(tmp_path, InputError, "the weights must be finite", weights=not_finite)


def keras_3(attributes: Any) -> None:
    attributes["keras_version"] = "3.15.0"


def without_kernel(arrays: Any) -> None:
    arrays["first"].attrs["weight_names"] = ["first/bias:0"]


def not_finite(arrays: Any) -> None:
    arrays["first"]["first"]["kernel:0"][0, 0] = np.nan


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        (Precision(layers={"none": {"weight": "fixed<8,1>"}}), "must name layers of the model"),
        (Precision(layers={"first": {"accum": "fixed<8,1>"}}), "must name one of weight, .*, not 'accum'"),
        (Precision(layers={"first": {"weight": "fixed<8,1>"}}), "must name what the model leaves open"),
        (Precision(default="float"), "precision.default must be a type such as"),
        (Precision(layers={"first": {"result": "fixed<8,1,ROUND>"}}), "precision.layers.first.result must be"),
    ],
)  # fmt: skip
def test_precision_is_for_what_the_model_leaves_open(precision, message, tmp_path):
    refused(tmp_path, InputError, message, precision)


@given(
    st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=20),
    st.integers(1, 8),
    st.integers(-2, 3),
    st.booleans(),
    st.booleans(),
)
def test_quantized_bits_is_a_cast(values, bits, integer, signed, symmetric):
    width = bits + signed
    saved = f"quantized_bits({width},{integer},{int(symmetric)},keep_negative={signed},alpha=1)"
    overflow = Overflow.SAT_SYM if symmetric else Overflow.SAT
    kind = FixedType(
        signed=signed, width=width, integer=integer + signed, rounding=Rounding.RND_CONV, overflow=overflow
    )
    assert_array_equal(quantise(read_quantizer(saved, "here"), np.array(values)), cast_values(np.array(values), kind))


@pytest.mark.parametrize(
    "saved", ["quantized_po2(4)", "quantized_po2(4,max_value=3)", "quantized_po2(5,log2_rounding='floor')"]
)
def test_the_staircase_of_powers_of_two_is_the_weight_quantiser(saved):
    quantizer = read_quantizer(saved, "here")
    (stair,) = activation_steps(quantizer, 6)
    assert isinstance(stair, Staircase)
    grid = np.arange(-1024, 1025) / 64
    thresholds, rises = np.array(stair.thresholds), np.array(stair.rises)
    assert_array_equal(stair.base + (grid[:, None] >= thresholds) @ rises, quantise(quantizer, grid))


def test_doubtful_logarithms_are_refused():
    with pytest.raises(ExactnessError, match="which float32 cannot decide; train one more step"):
        quantise(read_quantizer("quantized_po2(4)", "here"), np.sqrt(np.array([2.0], dtype=np.float32)))


def test_a_found_scale_counts_if_it_is_a_power_of_two():
    weights = np.array([[0.75], [-0.6], [0.1], [0.0]])
    found = quantise(read_quantizer("quantized_bits(3,0,alpha='auto')", "here"), weights)
    assert_array_equal(found, [[0.75], [-0.5], [0.0], [0.0]])


def test_folded_weights_on_the_edge_between_two_codes_are_refused():
    """σ² + ε = 1: the kernel stays, and 1/32 is half a code, which one unit in the last place of 1/σ would move."""
    arrays = {name: np.full(1, value, np.float32) for name, value in FOLDED.items()}
    config = {"epsilon": 0.25, "use_bias": False, "kernel_quantizer": "quantized_bits(5,0,alpha=1)"}
    config["bias_quantizer"] = "quantized_bits(5,0)"
    for weight, exact in ((0.25, True), (1 / 32, False)):
        layer = SavedLayer(
            "folded", "QDenseBatchnorm", config, {**arrays, "kernel": np.full((1, 1), weight, np.float32)}
        )
        if exact:
            kernel, bias = Parameters(Precision()).folded(layer)
            assert (kernel.item(), bias.item()) == (0.25, 0.5)
        else:
            with pytest.raises(ExactnessError, match="its folded kernel must round to the same code"):
                Parameters(Precision()).folded(layer)
