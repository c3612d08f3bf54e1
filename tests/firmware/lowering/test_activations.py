"""Activations of hls4ml: csim = program for inputs, tables and results of many types; refusals."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from exactness import check_exact, make_values
from fixed_types import PLAIN
from hls4ml.model.types import FixedPrecisionType, WeightVariable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.activations import activation, hard_activation, parametrized_activation, unary_table
from trigforge.firmware.lowering.choice import between, by_sign, constants, greatest
from trigforge.firmware.lowering.layer import Outcome, fixed_type, result_type
from trigforge.firmware.lowering.symbols import Symbols, add_constants, concatenate, type_symbols
from trigforge.firmware.lowering.tables import scaled
from trigforge.firmware.program import trace_program
from trigforge.fixed import FixedType, Overflow, Rounding

from .graphs import parallel_layers

INPUT = FixedType(signed=True, width=20, integer=9)
SHAPE = (3,)


def fixed(signed: bool, width: int, integer: int, rounding: str = "TRN", overflow: str = "WRAP") -> FixedType:
    return FixedType(
        signed=signed, width=width, integer=integer, rounding=Rounding(rounding), overflow=Overflow(overflow)
    )


SLOT = SimpleNamespace(precision=FixedPrecisionType(18, 8))
SOURCES = {
    "x": INPUT,
    "narrow": fixed(True, 9, 4, "RND", "SAT"),
    "positive": fixed(False, 11, 4, "TRN", "SAT"),
    "coarse": fixed(True, 5, 8, "RND", "SAT"),
    "tiny": fixed(True, 6, -1, "TRN"),
}
"""What the activations read."""
TABLES = {
    "x": fixed(True, 18, 8),
    "narrow": fixed(True, 12, 3, "RND", "SAT"),
    "positive": fixed(True, 9, 1, "RND_CONV", "SAT_SYM"),
    "coarse": fixed(True, 30, 7, "RND"),
    "tiny": fixed(False, 10, 2, "TRN_ZERO"),
}
RESULTS = {
    "x": fixed(True, 10, 3, "RND_CONV", "SAT"),
    "narrow": fixed(True, 6, 2),
    "positive": fixed(False, 9, 5, "RND_INF", "SAT"),
    "coarse": fixed(True, 13, 12, "TRN_ZERO", "SAT_SYM"),
    "tiny": fixed(True, 14, 0, "RND_ZERO", "SAT"),
}
SIZES = {"x": 1024, "narrow": 100, "positive": 64, "coarse": 1000, "tiny": 8192}
PLAIN_NAMES = ("relu", "relu1", "relu6", "binary_tanh", "ternary_tanh")
TABLE_NAMES = ("sigmoid", "tanh", "softplus", "softsign", "elu", "selu")
PARAMETRIZED = (
    ("LeakyReLU", "leakyrelu", 0.3),
    ("LeakyReLU", "leaky_relu", -1.6),
    ("ThresholdedReLU", "thresholdedrelu", 0.7),
    ("ELU", "elu", 0.55),
)


def layers_of(source: str) -> list[dict[str, Any]]:
    """Every activation on one kind of input."""
    result = {"result": RESULTS[source]}
    common: dict[str, Any] = {"inputs": [source]}
    layers: list[dict[str, Any]] = [
        {"class_name": "Activation", "activation": name, "types": dict(result)} for name in PLAIN_NAMES
    ]
    tables = {**result, "table": TABLES[source]}
    sized: dict[str, Any] = {"types": dict(tables), "table_size": SIZES[source]}
    layers += [{"class_name": "Activation", "activation": name, **sized} for name in TABLE_NAMES]
    param = fixed(True, 7, 2, "RND")
    layers += [
        {"class_name": kind, "activation": name, "activ_param": value, **sized, "types": {**tables, "param": param}}
        for kind, name, value in PARAMETRIZED
    ]
    layers += [
        {"class_name": "HardActivation", "activation": name, "slope": slope, "shift": 0.5, "types": dict(result)}
        for name, slope in (("hard_sigmoid", 0.2), ("hard_tanh", 0.45))
    ]
    slopes = np.array([0.25, -0.5, 1.75])
    layers.append(
        {"class_name": "PReLU", "activation": "prelu", "param_data": slopes, "types": {**result, "param": param}}
    )
    return [{"name": f"{source}_{i}", **common, **layer} for i, layer in enumerate(layers)]


def test_every_activation_equals_the_csim(tmp_path_factory: pytest.TempPathFactory) -> None:
    linear = [
        {"name": name, "class_name": "Activation", "activation": "linear", "types": {"result": kind}}
        for name, kind in SOURCES.items()
        if name != "x"
    ]
    bits = {"name": "bits", "class_name": "Activation", "activation": "binary_tanh", "types": {"result": "uint<1>"}}
    layers = [*linear, bits, *(layer for source in SOURCES for layer in layers_of(source))]
    folder = tmp_path_factory.mktemp("hls") / "activations"
    source, conversion = parallel_layers("activations", folder, INPUT, SHAPE, layers)
    values = make_values(INPUT, SHAPE, 12_000)
    values[6000:] = INPUT.to_float(INPUT.from_float(values[6000:]) >> 6)
    lowering = check_exact(source, conversion, values)
    assert {"PReLU", "HardActivation", "ParametrizedActivation"} <= {layer.class_name for layer in lowering.layers}
    nodes = source.graph.graph
    for source_name, kind in TABLES.items():
        assert fixed_type(nodes[f"{source_name}_5"].get_attr("table_t").precision, "table") == kind
        assert result_type(nodes[f"{source_name}_5"]) == RESULTS[source_name]


@given(PLAIN, st.integers(-12, 12), st.integers(0, 4), st.sampled_from([1.0, -1.0, 0.5, 3.0]))
@settings(max_examples=150, deadline=None)
def test_choices_between_symbols_are_exact(kind: FixedType, shift: int, fraction: int, factor: float) -> None:
    symbols, words = type_symbols([kind]), np.arange(kind.low, kind.high + 1)[:, None]
    values, offset = kind.to_float(words), np.ldexp(shift, -fraction)
    moved, limit = add_constants(scaled(symbols, factor), offset), constants(offset, symbols)
    chosen = [
        greatest([symbols, moved, limit]),
        between(symbols, limit, constants(offset + 1.5, symbols)),
        by_sign(moved, symbols, limit),
        by_sign(symbols, constants(0.0, symbols), moved),
        by_sign(moved, moved, constants(0.0, symbols)),
    ]
    program = trace_program(symbols, concatenate(chosen), [kind])
    line = values * factor + offset
    expected = [
        np.maximum(np.maximum(values, line), offset),
        np.clip(values, offset, offset + 1.5),
        np.where(line < 0, values, offset),
        np.where(values < 0, 0.0, line),
        np.where(line < 0, line, 0.0),
    ]
    assert_array_equal(program.to_float(program(words)), np.concatenate(expected, axis=1))


def node(name: str, **attributes: Any) -> SimpleNamespace:
    """What a rule reads of a layer that has tables of 18 bits."""
    given = {"activation": name, "table_size": 1024, "table_t": SLOT, "param_t": SLOT, **attributes}
    variable = SimpleNamespace(type=SLOT)
    return SimpleNamespace(
        name="a",
        class_name="Activation",
        get_attr=given.get,
        get_output_variable=lambda: variable,
        get_input_variable=lambda: variable,
        weights={"table": WeightVariable("t", "table_t", FixedPrecisionType(18, 8), np.zeros(16))},
    )


@pytest.mark.parametrize(
    ("rule", "layer", "kind", "message"),
    [
        (activation, node("gelu"), fixed(True, 8, 4), "layer 'a' .*: the activation must be one of linear, .* 'gelu'"),
        (parametrized_activation, node("gelu"), fixed(True, 8, 4), "must be leaky_relu, thresholded_relu or elu"),
        (
            hard_activation,
            node("x", slope=1, shift=0, slope_t=SLOT, shift_t=SLOT),
            fixed(True, 8, 4),
            "must be hard_sigmoid or hard_tanh",
        ),
        (activation, node("tanh", table_size=0), fixed(True, 8, 4), "table_size must be 1..262144, not 0"),
        (activation, node("tanh"), fixed(True, 40, 34), "index must fit into 32 bits; give its input fewer integer"),
        (activation, node("tanh", table_size=1 << 20), fixed(True, 8, 4), "table_size must be 1..262144"),
        (unary_table, node("lut"), fixed(True, 18, 8), "must have an entry for every value of its input"),
        (unary_table, node("lut"), fixed(True, 20, 8), "must have at most 262144 entries, its input can take 1048576"),
    ],
)
def test_activations_without_exact_meaning_are_refused(
    rule: Callable[[Any, list[Symbols]], Outcome], layer: SimpleNamespace, kind: FixedType, message: str
) -> None:
    with pytest.raises(ExactnessError, match=message):
        rule(layer, [type_symbols([kind])])
