"""Scale and bias, alone and fused with binary and ternary activations: csim = program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exactness import check_exact, make_values

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.lowering import lower
from trigforge.fixed import FixedType

from .graphs import parallel_layers

WORD = FixedType(signed=True, width=7, integer=3)


def scaled(name: str, channels: int, options: dict[str, Any], **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(list(name.encode()))
    return {
        "name": name,
        "class_name": "BatchNormalization",
        "n_in": 12,
        "n_filt": -1 if channels == 12 else channels,
        "scale_data": rng.choice([-1, 1], channels) * rng.uniform(0.5, 1.5, channels),
        "bias_data": rng.uniform(-1, 1, channels),
        "options": {"Precision": options},
        **more,
    }


def activated(name: str, kind: str, source: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "class_name": "Activation", "activation": kind, "n_in": 12, "inputs": [source], **more}


def test_scale_and_bias_equal_csim(tmp_path: Path) -> None:
    fine = {"scale": "fixed<12,3,RND_CONV,SAT>", "bias": "fixed<14,3,RND,SAT>"}
    layers = [
        scaled("elements", 12, {**fine, "result": "fixed<6,3,RND_ZERO,SAT>"}),
        scaled("channels", 3, {**fine, "result": "ufixed<9,2,RND_INF,WRAP>"}),
        scaled("coarse", 3, {"scale": "fixed<3,2,RND,SAT>", "bias": "fixed<4,1,TRN,SAT>", "result": "fixed<16,8>"}),
        scaled("ternary_scale", 3, {"scale": "int<2>", "bias": "fixed<4,1,TRN,SAT>", "result": "fixed<9,4>"}),
        {**scaled("alpha", 3, {**fine, "result": "fixed<12,5>"}), "class_name": "ApplyAlpha"},
        scaled("low", 12, fine),
        activated("two", "binary_tanh", "low"),
        scaled("middle", 3, fine),
        {**activated("three", "ternary_tanh", "middle"), "class_name": "TernaryTanh"},
    ]
    names = [layer["name"] for layer in layers if layer["name"] not in ("low", "middle")]
    source, conversion = parallel_layers("affine", tmp_path / "affine", WORD, (4, 3), layers, names)
    lowering = check_exact(source, conversion, make_values(WORD, (4, 3)))
    kinds = [layer.class_name for layer in lowering.layers]
    assert kinds.count("BatchNormalizationQuantizedTanh") == 2
    assert "ApplyAlpha" in kinds


def test_parameters_that_do_not_fit_the_values_are_refused(tmp_path: Path) -> None:
    layers = [scaled("odd", 3, {"scale": "fixed<12,3>", "bias": "fixed<12,3>"}, n_filt=5)]
    source, conversion = parallel_layers("odd", tmp_path / "odd", WORD, (4, 3), layers)
    with pytest.raises(
        ExactnessError, match=r"layer 'odd' \(BatchNormalization\) must have 5 parameters for 12 values"
    ):
        lower(source.graph, InputContract.of_type("odd", 12, conversion.input_type))


def test_weights_that_would_wrap_are_refused(tmp_path: Path) -> None:
    layers = [scaled("wide", 3, {"scale": "fixed<12,1>", "bias": "fixed<12,3>"}, scale_data=np.full(3, 1.5))]
    source, conversion = parallel_layers("wide", tmp_path / "wide", WORD, (4, 3), layers)
    with pytest.raises(
        ExactnessError, match=r"scale of layer 'wide' .* must fit into ap_fixed<12,1,TRN,WRAP>, not 1.5"
    ):
        lower(source.graph, InputContract.of_type("wide", 12, conversion.input_type))
