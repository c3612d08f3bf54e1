"""Every cast and every layer class: the exported files give the program's words; what has no form is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from trigforge.errors import ExactnessError, MissingToolError
from trigforge.firmware.export import export_onnx, export_qonnx
from trigforge.firmware.export.rules import RULES
from trigforge.firmware.frontends.conversion import Conversion, Precision
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.fixed import FixedType, Overflow, Rounding

from ..lowering.graphs import parallel_layers  # noqa: TID252
from .models import INPUT, check_export, lowered

TARGETS = ((True, 6, 2), (True, 5, 4), (False, 7, 3), (True, 12, 6), (False, 3, -2), (True, 2, 2))


def fixed(signed: bool, width: int, integer: int, rounding: str = "TRN", overflow: str = "WRAP") -> FixedType:
    return FixedType(
        signed=signed, width=width, integer=integer, rounding=Rounding(rounding), overflow=Overflow(overflow)
    )


def linear(name: str, kind: FixedType) -> dict[str, Any]:
    return {"name": name, "class_name": "Activation", "activation": "linear", "types": {"result": kind}}


def casts(modes: tuple[Overflow, ...]) -> list[dict[str, Any]]:
    kinds = [fixed(*target, mode, overflow) for target in TARGETS for mode in Rounding for overflow in modes]
    bits = [fixed(True, 1, 0, "RND", "SAT"), fixed(False, 1, 1, "TRN", "SAT")] if Overflow.WRAP not in modes else []
    return [linear(f"cast_{i}", kind) for i, kind in enumerate([*kinds, *bits])]


def test_every_cast(tmp_path: Path) -> None:
    saturating = parallel_layers("sat", tmp_path / "sat", INPUT, (2,), casts((Overflow.SAT, Overflow.SAT_SYM)))[0]
    check_export(saturating.graph, tmp_path)
    wrapping = parallel_layers("wrap", tmp_path / "wrap", INPUT, (2,), casts((Overflow.WRAP,)))[0]
    check_export(wrapping.graph, tmp_path, exports=(export_onnx,))


ACTIVATIONS = (
    {"activation": "relu1"},
    {"activation": "relu6"},
    {"activation": "sigmoid"},
    {"activation": "elu"},
    {"activation": "ternary_tanh"},
    {"class_name": "LeakyReLU", "activation": "leakyrelu", "activ_param": 0.3},
    {"class_name": "ThresholdedReLU", "activation": "thresholdedrelu", "activ_param": 0.7},
    {"class_name": "HardActivation", "activation": "hard_sigmoid", "slope": 0.2, "shift": 0.5},
    {"class_name": "HardActivation", "activation": "hard_tanh", "slope": 0.45, "shift": 0.5},
    {"class_name": "PReLU", "activation": "prelu", "param_data": np.array([0.25, -0.5, 1.75])},
)


def test_activations_and_affine_layers(tmp_path: Path) -> None:
    result = {"result": fixed(True, 10, 3, "RND_CONV", "SAT")}
    layers: list[dict[str, Any]] = [
        {"name": f"a{i}", "class_name": "Activation", "types": dict(result), **given}
        for i, given in enumerate(ACTIVATIONS)
    ]
    rng = np.random.default_rng(1)
    scaled = {"class_name": "BatchNormalization", "n_in": 3, "n_filt": -1}
    types = {"Precision": {"scale": "fixed<12,3,RND,SAT>", "bias": "fixed<14,3,RND,SAT>"}}
    for name, kind in (("low", "binary_tanh"), ("middle", "ternary_tanh")):
        data = {"scale_data": rng.uniform(-1.5, 1.5, 3), "bias_data": rng.uniform(-1, 1, 3)}
        layers += [
            {"name": name, **scaled, **data, "options": types},
            {"name": f"{name}_act", "class_name": "TernaryTanh" if kind[0] == "t" else "Activation",
             "activation": kind, "n_in": 3, "inputs": [name]},
            {"name": f"{name}_scaled", **scaled, **data, "options": types},
        ]  # fmt: skip
    outputs = [layer["name"] for layer in layers if layer["name"] not in ("low", "middle")]
    source = parallel_layers("acts", tmp_path / "acts", INPUT, (3,), layers, outputs)[0]
    kinds = {node.class_name for node in source.graph.graph.values()}
    assert {"BatchNormalizationQuantizedTanh", "PReLU", "ParametrizedActivation", "HardActivation"} <= kinds
    check_export(source.graph, tmp_path)


def moving_model() -> Any:
    import keras

    layers = keras.layers
    image, line = keras.Input((5, 4, 2), name="image"), keras.Input((6, 2), name="line")
    positive = layers.Activation("relu", name="positive")(image)
    mixed = layers.EinsumDense("abc,cd->abd", (6, 3), bias_axes="d", name="mixed")(line)
    outputs = [
        layers.MaxPooling2D((3, 2), strides=(2, 1), padding="same", name="max_same")(image),
        layers.MaxPooling2D(3, strides=2, padding="same", name="max_unsigned")(positive),
        layers.AveragePooling2D((3, 2), strides=2, padding="same", name="mean_same")(image),
        layers.GlobalAveragePooling2D(name="mean_all")(image),
        layers.AveragePooling1D(3, strides=1, name="mean_line")(line),
        layers.GlobalMaxPooling1D(name="max_line")(line),
        layers.ZeroPadding2D(((1, 2), (0, 1)), name="padded")(image),
        layers.Cropping2D(((1, 0), (0, 2)), name="cropped")(image),
        layers.Cropping1D((1, 2), name="cropped_line")(line),
        layers.UpSampling2D((2, 3), name="repeated")(image),
        layers.Permute((3, 1, 2), name="turned")(image),
        layers.Concatenate(axis=1, name="rows")([line, line]),
        layers.DepthwiseConv2D(2, padding="same", name="depth")(positive),
        layers.Conv1D(2, 3, padding="causal", name="causal")(line),
        layers.Dot(axes=1, name="inner")([layers.Flatten()(mixed), layers.Flatten()(mixed)]),
        layers.Average(name="middle")([line, layers.Minimum(name="least")([line, layers.ReLU(name="up")(line)])]),
    ]
    return keras.Model([image, line], [layers.Flatten()(value) for value in outputs])


@pytest.mark.parametrize(("width", "integer"), [(18, 9), (40, 20)], ids=["single", "double"])
def test_layers_that_move_and_add(width: int, integer: int, tmp_path: Path) -> None:
    """With types that lose nothing, in single precision, and in double where values need it."""
    import keras

    keras.utils.set_random_seed(1)
    kind = INPUT if width == 18 else fixed(True, 20, 8)
    model = moving_model()
    rng = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(rng.integers(-7, 8, variable.shape) / 4)
    types = {"positive": {"result": "ufixed<7,3,RND,SAT>" if width == 18 else "ufixed<19,7,RND,SAT>"}}
    for name in ("mixed", "depth", "causal"):
        types[name] = {"weight": "fixed<6,4>", "bias": "fixed<6,4>", "accum": f"fixed<{width + 8},{integer + 4}>"}
    types["inner"] = {"accum": "fixed<48,32>" if width == 40 else "fixed<30,22>", "result": "fixed<20,18,RND,SAT>"}
    for name in ("mean_same", "mean_line", "mean_all"):
        types[name] = {"accum": "fixed<26,14>"}
    precision = Precision(default=f"fixed<{width},{integer},RND,SAT>", layers=types)
    graph = convert_keras(model, Conversion("moves", tmp_path / "moves", kind, precision=precision)).graph
    exports = (export_onnx, export_qonnx) if width == 18 else (export_onnx,)
    paths = check_export(graph, tmp_path, kind, exports)
    used = {info.type.tensor_type.elem_type for info in onnx.load(paths[export_onnx]).graph.value_info}
    assert (onnx.TensorProto.DOUBLE in used) == (width == 40)


def test_refusals_name_the_layer_and_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "out" / "model.onnx"

    def refused(message: str, *layers: dict[str, Any], export: Any = export_qonnx, kind: FixedType = INPUT) -> None:
        graph = parallel_layers("odd", tmp_path / "odd", kind, (4,), list(layers))[0].graph
        contract, lowering = lowered(graph, kind)
        with pytest.raises(ExactnessError, match=message):
            export(graph, contract, lowering, path)
        assert not path.parent.exists()

    wraps = r"^layer 'n': ap_fixed<5,2,RND,WRAP> must not wrap reachable values, for which QONNX has no Quant; widen"
    refused(wraps, linear("n", fixed(True, 5, 2, "RND")))
    wide = fixed(True, 30, 10)
    bits = r"^layer 'n': ap_fixed<28,10,RND,SAT> must give at most 24 bits, as QONNX's Quant does; quantise it more"
    refused(bits, linear("n", fixed(True, 28, 10, "RND", "SAT")), kind=wide)
    softmax = {
        "name": "n",
        "class_name": "Softmax",
        "activation": "softmax",
        "n_in": 4,
        "implementation": "argmax",
        "axis": -1,
    }
    refused(r"^layer 'n' \(Softmax\) cannot be exported; supported: Activation, ", softmax, export=export_onnx)
    table = {"name": "n", "class_name": "Activation", "activation": "tanh"}
    refused(r"^layer 'n' \(Activation\) must take at most 65536 values .* not 262144", table, kind=fixed(True, 18, 8))
    kernel = {"weight_data": np.full((4, 1), 0.75), "bias_data": np.zeros(1), "n_in": 4, "n_out": 1}
    types = {"weight": fixed(True, 6, 2), "accum": fixed(True, 9, 3, "TRN", "SAT")}
    saturates = r"^the accumulator of layer 'n' \(Dense\) must hold every partial sum .*<9,3,TRN,SAT> saturates them"
    refused(saturates, {"name": "n", "class_name": "Dense", **kernel, "types": types}, export=export_onnx)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = parallel_layers("one", tmp_path / "one", INPUT, (2,), [linear("n", INPUT)])[0].graph
    contract, lowering = lowered(graph)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError, match=r"needs the package onnx; pip install 'trigforge\[brevitas\]'"):
        export_onnx(graph, contract, lowering, tmp_path / "model.onnx")


def test_every_class_that_lowers_is_exported_but_for_two() -> None:
    from trigforge.firmware.lowering.rules import RULES as LOWERED

    assert set(RULES) <= set(LOWERED)
    assert {"Softmax", "Embedding"} <= set(LOWERED) - set(RULES)
