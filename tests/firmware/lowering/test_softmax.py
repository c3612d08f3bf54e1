"""Softmax: csim = program in all of hls4ml's implementations, = HGQ2 on a learnt model; refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exactness import check_exact, make_values

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion, Source, quiet
from trigforge.firmware.frontends.keras3 import predict
from trigforge.firmware.lowering import lower
from trigforge.firmware.lowering.layer import Loss
from trigforge.fixed import FixedType

from .graphs import parallel_layers

INPUT = FixedType(signed=True, width=10, integer=5)
SHAPE = (6,)
TYPES: dict[str, dict[str, Any]] = {
    "default": {"accum": "fixed<18,8,RND,SAT>", "result": "ufixed<12,1,RND,SAT>"},
    "narrow": {
        "exp_table": "ufixed<9,3,RND_CONV,SAT>",
        "inv_table": "fixed<10,4>",
        "accum": "fixed<10,5,RND>",
        "inv_inp": "ufixed<8,5,RND,SAT>",
        "result": "fixed<7,2,RND_ZERO,SAT_SYM>",
    },
    "saturating": {
        "exp_table": "ufixed<8,0,TRN,SAT>",
        "inv_table": "ufixed<12,3,RND,SAT>",
        "accum": "fixed<9,2,TRN_ZERO,SAT>",
        "inv_inp": "fixed<8,1,TRN_ZERO,SAT>",
        "result": "ufixed<9,1,RND,SAT>",
    },
}
"""Types of exponentials, inverses, sums and results."""
SHAPES = {"default": {}, "narrow": {"n_outer": 2, "n_inner": 1}, "saturating": {"n_outer": 1, "n_inner": 3}}
SIZES = {"default": 256, "narrow": 128, "saturating": 64}


def layer(implementation: str, kinds: str, **more: Any) -> dict[str, Any]:
    return {
        "name": f"{implementation}_{kinds}",
        "class_name": "Softmax",
        "activation": "softmax",
        "axis": -1,
        "implementation": implementation,
        "table_size": SIZES[kinds],
        "types": dict(TYPES[kinds]),
        **SHAPES[kinds],
        **more,
    }


def test_every_implementation_equals_the_csim(tmp_path: Path) -> None:
    layers = [layer(name, types) for name in ("latency", "stable", "argmax") for types in TYPES]
    layers += [layer("legacy", "narrow"), layer("legacy", "saturating")]
    positive = {
        "name": "positive",
        "class_name": "Activation",
        "activation": "relu",
        "types": {"result": "ufixed<9,4>"},
    }
    layers += [positive, layer("stable", "default", name="of_positive", inputs=["positive"])]
    layers.append(layer("stable", "narrow", name="given", types={**TYPES["narrow"], "inp_norm": "ufixed<7,4,RND,SAT>"}))
    layers.append(layer("latency", "narrow", name="scaled", exp_scale=0.3))
    source, conversion = parallel_layers("softmaxes", tmp_path / "softmaxes", INPUT, SHAPE, layers)
    values = make_values(INPUT, SHAPE, 12_000)
    values[4000:] = INPUT.to_float(INPUT.from_float(values[4000:]) >> 3)
    lowering = check_exact(source, conversion, values)
    nodes = source.graph.graph
    assert str(nodes["latency_narrow"].get_attr("inv_inp_t").precision) == "ufixed<8,5,RND,SAT,0>"
    assert str(nodes["given"].get_attr("inp_norm_t").precision) == "ufixed<7,4,RND,SAT,0>"
    widths = {(w.layer, w.place): w for w in lowering.widths}
    assert widths["stable_default", "difference"].loss is Loss.WRAPS
    assert widths["given", "difference"].loss is Loss.SATURATES


def trained(folder: Path) -> tuple[Source, Conversion, np.ndarray]:
    """An HGQ2 model with every softmax and tables of its own, converted without hls4ml's default implementation."""
    import hls4ml
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense, QSoftmax, QUnaryFunctionLUT

    keras.utils.set_random_seed(3)
    kind = FixedType(signed=True, width=10, integer=3)
    inputs = keras.Input((4,), name="x")
    with QuantizerConfigScope(place="all", overflow_mode="SAT"):
        hidden = QDense(8, activation="relu", name="hidden")(inputs)
        outputs = [
            QSoftmax(stable=True, name="stable")(QDense(5, name="to_stable")(hidden)),
            QSoftmax(stable=False, name="latency", enable_iq=True)(QDense(5, name="to_latency")(hidden)),
            QSoftmax(stable=True, name="multiplied", input_scaler=0.4, axis=1)(
                keras.layers.Reshape((3, 2))(QDense(6, name="to_multiplied")(hidden))
            ),
        ]
        last = QDense(6, name="to_tables")(hidden)
        outputs += [
            QUnaryFunctionLUT(name, name=f"table_{name}", allow_heterogeneous_table=False)(last)
            for name in ("tanh", "gelu", "relu")
        ]
    model = keras.Model(inputs, outputs)
    conversion = Conversion("softmax_hgq", folder, kind)
    with quiet():
        config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis")
        for name in ("stable", "latency", "multiplied"):
            del config["LayerName"][name]["Implementation"]
        graph = hls4ml.converters.convert_from_keras_model(
            model, hls_config=config, bit_exact=True, allow_da_fallback=False, **conversion.settings()
        )
        graph.write()
    return Source(graph, "HGQ2", lambda values: predict(model, values)), conversion, make_values(kind, (4,), 12_000)


def test_hgq2_softmax_and_tables_equal_the_csim(tmp_path: Path) -> None:
    source, conversion, values = trained(tmp_path / "hgq")
    lowering = check_exact(source, conversion, values)
    assert {"Softmax", "UnaryLUT"} <= {layer.class_name for layer in lowering.layers}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"implementation": "stable", "n_outer": 1}, r"hls4ml sums over all of \(2, 3\), not over its last axis"),
        (
            {"implementation": "latency", "exp_table_size": 300, "inv_table_size": 64},
            "exponential table of layer 's' .* must have more than 511 entries, not 300; use a power of two",
        ),
        (
            {"implementation": "latency", "exp_table_size": 4096, "inv_table_size": 64},
            r"exponential table of layer 's' .* must have at most 2\^10 entries",
        ),
        (
            {
                "implementation": "latency",
                "exp_table_size": 64,
                "inv_table_size": 64,
                "types": {"exp_table": "fixed<32,9>", "inv_table": "fixed<32,9>", "accum": "fixed<40,12>"},
            },
            "products must fit into 53 bits",
        ),
    ],
)
def test_softmax_without_exact_meaning_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    reshaped = {"name": "r", "class_name": "Reshape", "target_shape": [2, 3]}
    given = {"name": "s", "class_name": "Softmax", "activation": "softmax", "axis": -1, "n_outer": 2, "inputs": ["r"]}
    source, _ = parallel_layers("refused", tmp_path / "refused", INPUT, SHAPE, [reshaped, {**given, **change}], ["s"])
    with pytest.raises(ExactnessError, match=message):
        lower(source.graph, InputContract.of_type("refused", 6, INPUT))
