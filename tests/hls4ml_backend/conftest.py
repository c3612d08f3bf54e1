"""Models converted and compiled once with the backend."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import warnings
from typing import Any

import hls4ml
import numpy as np
import pytest

WRAPS = (
    "1 types wrap for some inputs, first the accumulator of hidden: ap_fixed<9,4,TRN,WRAP> wraps "
    "(ap_fixed<17,6,TRN,WRAP> needed); csim and RTL wrap alike, but widen them or let them saturate (SAT) if that is "
    "not meant"
)


def hgq_model() -> Any:
    """Two outputs, widths learnt element by element."""
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense
    from hgq.utils import trace_minmax

    keras.utils.set_random_seed(1)
    data = QuantizerConfigScope(default_q_type="kif", overflow_mode="SAT_SYM", place="datalane", homogeneous_axis=(0,))
    with QuantizerConfigScope(default_q_type="kif"), data:
        x = keras.Input((8,), name="x")
        hidden = QDense(6, activation="relu", name="hidden")(x)
        model = keras.Model(x, [QDense(3, name="mean")(hidden), QDense(2, name="spread")(hidden)])
    trace_minmax(model, inputs(500, 8))
    return model


def lossy_model() -> tuple[Any, dict[str, Any]]:
    """Three inputs of different types, an accumulator that wraps, and settings that mean nothing here."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    a, b, c = keras.Input((5,), name="a"), keras.Input((3, 2), name="b"), keras.Input((4,), name="c")
    hidden = layers.Dense(6, activation="relu", name="hidden")(a)
    first = layers.Dense(2, name="first")(layers.Concatenate(name="both")([hidden, c]))
    model = keras.Model([a, b, c], [first, layers.Dense(3, activation="relu", name="second")(b)])
    config = hls4ml.utils.config_from_keras_model(
        model, granularity="name", backend="trigforge", default_precision="fixed<12,5>", default_reuse_factor=4
    )
    types = {"a": "ufixed<8,4,RND,SAT>", "b": "fixed<10,3,RND_CONV,WRAP>", "c": "int<6>"}
    for name, kind in types.items():
        config["LayerName"][name]["Precision"]["result"] = kind
    config["LayerName"]["hidden"]["Precision"]["accum"] = "fixed<9,4>"
    config["LayerName"]["hidden"]["Strategy"] = "distributed_arithmetic"
    config["LayerName"]["first"]["Strategy"] = "resource"
    return model, config


def inputs(events: int, *shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 4, (events, *shape)).astype(dtype)


@pytest.fixture(scope="session")
def hgq(tmp_path_factory) -> tuple[Any, Any]:
    """An HGQ2 model and its compiled graph."""
    model, folder = hgq_model(), tmp_path_factory.mktemp("hgq") / "project"
    graph = hls4ml.converters.convert_from_keras_model(
        model, backend="trigforge", output_dir=str(folder), project_name="model_1", clock_uncertainty="10%"
    )
    graph.compile()
    return model, graph


@pytest.fixture(scope="session")
def lossy(tmp_path_factory) -> Any:
    """The compiled graph of the lossy model."""
    model, config = lossy_model()
    folder = tmp_path_factory.mktemp("lossy") / "project"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        graph = hls4ml.converters.convert_from_keras_model(
            model, hls_config=config, backend="trigforge", output_dir=str(folder), project_name="lossy"
        )
        graph.compile()
    lines = [str(w.message) for w in caught if "copy keyword" not in str(w.message)]  # Keras' own
    assert lines == [
        "ReuseFactor and Strategy ignored: the RTL takes an event every clock, every operation has its own logic",
        WRAPS,
    ]
    return graph


@pytest.fixture
def small() -> Any:
    """Converts a model of three small layers with saturating types."""
    import keras

    keras.utils.set_random_seed(3)
    names = ("first", "second", "third")
    model = keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2, name=name) for name in names)])
    config = hls4ml.utils.config_from_keras_model(
        model, granularity="name", backend="trigforge", default_precision="fixed<8,4,RND,SAT>"
    )
    for name in names:
        config["LayerName"][name]["Precision"] |= dict.fromkeys(("accum", "result"), "fixed<16,8,RND,SAT>")

    def convert(**settings: Any) -> Any:
        return hls4ml.converters.convert_from_keras_model(model, hls_config=config, backend="trigforge", **settings)

    return convert
