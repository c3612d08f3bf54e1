"""Products of binary, ternary and power-of-two values, and the order of sums: csim = program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exactness import check_exact, make_values

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.products import kernel
from trigforge.fixed import FixedType

from .graphs import parallel_layers

WORD = FixedType(signed=True, width=7, integer=3)
WIDE = {"accum": "fixed<7,4,RND_CONV,SAT>", "result": "fixed<9,6,TRN,SAT>", "bias": "fixed<6,4>"}


def random(name: str) -> np.random.Generator:
    """Numbers of a layer's own."""
    return np.random.default_rng(list(name.encode()))


class PowerOfTwo:
    """What hls4ml asks of a quantiser, for weights that are powers of two already."""

    def __init__(self, width: int) -> None:
        from hls4ml.model.types import ExponentPrecisionType

        self.bits, self.hls_type = width, ExponentPrecisionType(width=width)

    def __call__(self, data: Any) -> Any:
        return np.asarray(data, dtype=np.float64)


def dense(
    name: str,
    size: int,
    quantizer: Any,
    precision: dict[str, str] = WIDE,
    options: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    rng = random(name)
    data = 2.0 ** rng.integers(-3, 3, (size, 3)) * rng.choice([-1, 1], (size, 3))
    return {
        "name": name,
        "class_name": "Dense",
        "n_in": size,
        "n_out": 3,
        "weight_data": data if isinstance(quantizer, PowerOfTwo) else rng.normal(0, 1, (size, 3)),
        "bias_data": np.round(rng.normal(0, 2, 3) * 4) / 4,
        "weight_quantizer": quantizer,
        "bias_quantizer": None,
        "options": {"Precision": precision, **(options or {})},
        **more,
    }


def conv(name: str, quantizer: Any, width: int, precision: dict[str, str] = WIDE, **more: Any) -> dict[str, Any]:
    shape = (width, 2, 3)
    pad = width // 2
    sizes = {"in_width": 4, "out_width": 4, "n_chan": 2, "n_filt": 3, "filt_width": width, "stride_width": 1}
    return {
        **dense(name, 2, quantizer, precision),
        **sizes,
        "class_name": "Conv1D",
        "pad_left": pad,
        "pad_right": pad,
        "data_format": "channels_last",
        "weight_data": random(name).normal(0, 1, shape),
        **more,
    }


def test_binary_ternary_and_shifted_products_equal_csim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hls4ml.model.quantizers import BinaryQuantizer, TernaryQuantizer

    monkeypatch.setattr(np, "product", np.prod, raising=False)  # hls4ml 1.3 writes exponents with NumPy 1's name
    rng = random("binary")
    norm = {"scale_data": rng.choice([-0.75, 1.25], 8), "bias_data": rng.uniform(-1, 1, 8), "n_in": 8, "n_filt": -1}
    third = {"accum": "fixed<6,4,RND_ZERO,SAT_SYM>", "result": "ufixed<5,5>", "bias": "fixed<6,4>"}
    bits, pixels = {"inputs": ["bits"]}, {"inputs": ["pixels"]}
    deep = {"accum": "fixed<17,4>", "result": "fixed<17,4>", "bias": "fixed<6,4>"}
    spread = rng.choice([-1, 1], (8, 3)) * 2.0 ** rng.integers(-14, 13, (8, 3))
    alpha = {"name": "alpha", "scale_data": spread[:, 0], "bias_data": np.zeros(8), "options": {"Precision": deep}}
    coarse = np.round(rng.normal(0, 1, (8, 3)) * 2) / 2
    layers = [
        {"name": "scaled", "class_name": "BatchNormalization", **norm},
        {"name": "bits", "class_name": "Activation", "activation": "binary_tanh", "n_in": 8, "inputs": ["scaled"]},
        {"name": "pixels", "class_name": "Reshape", "target_shape": [4, 2], **bits},
        dense("agreeing", 8, BinaryQuantizer(1), **bits),
        dense("chosen", 8, TernaryQuantizer(), **bits, precision=third),
        dense("signed", 8, BinaryQuantizer(1)),
        dense("ternary", 8, TernaryQuantizer(), precision=third),
        dense("shifted", 8, PowerOfTwo(5)),
        {**dense("dropped", 8, PowerOfTwo(5), precision=deep), "weight_data": spread},
        {**alpha, "class_name": "ApplyAlpha", "n_filt": 8, "scale_quantizer": PowerOfTwo(5)},
        dense("weighted", 8, None, **bits, precision={**third, "weight": "fixed<5,2,RND_INF,SAT>"}),
        {**dense("two_bits", 8, None, precision={**third, "weight": "int<2>"}), "weight_data": coarse.clip(-2, 1)},
        conv("padded", BinaryQuantizer(1), 3, **pixels),
        conv("pointwise", BinaryQuantizer(1), 1, **pixels),
        conv("padded_values", TernaryQuantizer(), 3, **pixels),
    ]
    names = [layer["name"] for layer in layers[3:]]
    source, conversion = parallel_layers("products", tmp_path / "products", WORD, (8,), layers, names)
    lowering = check_exact(source, conversion, make_values(WORD, (8,)))
    assert {"BatchNormalizationQuantizedTanh", "PointwiseConv1D"} <= {layer.class_name for layer in lowering.layers}


def test_sums_in_resource_strategy_equal_csim(tmp_path: Path) -> None:
    types = {
        "accum": "fixed<6,3,RND_INF,SAT>",
        "result": "fixed<6,3>",
        "weight": "fixed<7,2,RND,SAT>",
        "bias": "fixed<6,4>",
    }
    layers = [
        dense(f"dense_{reuse}", 8, None, precision=types, options={"Strategy": "Resource", "ReuseFactor": reuse})
        for reuse in (1, 2, 4, 8, 24)
    ]
    pixels = {"name": "pixels", "class_name": "Reshape", "target_shape": [4, 2]}
    options = {"Precision": types, "Strategy": "Resource", "ReuseFactor": 3}
    layers += [pixels, conv("conv", None, 3, inputs=["pixels"], precision=types, options=options)]
    rng = random("parts")
    parts = {"depthwise_data": rng.normal(0, 1, (3, 2, 1)), "pointwise_data": rng.normal(0, 1, (1, 2, 3))}
    several = {"depthwise": "fixed<7,2,RND,SAT>", "pointwise": "fixed<5,2,RND,SAT>", "depthwise_accum": "fixed<7,3>"}
    options = {"Precision": {**several, "bias": "fixed<6,4>", "pointwise_accum": "fixed<9,4,TRN,SAT>"}}
    layers.append(
        {**conv("parts", None, 3, inputs=["pixels"]), "class_name": "SeparableConv1D", **parts, "options": options}
    )
    names = [layer["name"] for layer in layers if layer["name"] != "pixels"]
    source, conversion = parallel_layers("resource", tmp_path / "resource", WORD, (8,), layers, names)
    check_exact(source, conversion, make_values(WORD, (8,)))
    assert [int(node.get_attr("reuse_factor")) for node in source.graph.graph.values()][1:6] == [1, 2, 4, 8, 24]


def test_weights_that_are_no_powers_of_two_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "product", np.prod, raising=False)
    layers = [{**dense("d", 8, PowerOfTwo(3)), "weight_data": np.full((8, 3), 0.25) + np.eye(8, 3)}]
    source, _ = parallel_layers("odd", tmp_path / "odd", WORD, (8,), layers)
    with pytest.raises(
        ExactnessError, match=r"weight of layer 'd' \(Dense\) must be powers of two from 2\^-4 to 2\^3;"
    ):
        kernel(source.graph.graph["d"], 3)
