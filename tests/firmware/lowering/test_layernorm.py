"""Layer normalisation: csim = program, with hls4ml's own types and with narrow ones."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from exactness import check_exact, make_values

from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType

WORD = FixedType(signed=True, width=9, integer=4)


def test_layer_normalisation_equals_csim(tmp_path: Path) -> None:
    x = keras.Input((2, 4), name="x")
    outputs = [keras.layers.LayerNormalization(axis=2, name=name)(x) for name in ("usual", "narrow")]
    model, rng = keras.Model(x, outputs), np.random.default_rng(6)
    for variable in model.weights:
        variable.assign(rng.integers(-12, 13, variable.shape) / 8)
    layers = {
        "usual": {"result": "fixed<12,5,RND,SAT>"},
        "narrow": {"accum": "fixed<12,7,TRN_ZERO,WRAP>", "table": "ufixed<10,5,RND,SAT>", "result": "fixed<12,5>"},
    }
    conversion = Conversion(
        "norms", tmp_path / "norms", WORD, precision=Precision(default="fixed<16,6>", layers=layers)
    )
    lowering = check_exact(convert_keras(model, conversion), conversion, make_values(WORD, (8,)))
    assert [layer.class_name for layer in lowering.layers] == ["Input", "LayerNormalization", "LayerNormalization"]
