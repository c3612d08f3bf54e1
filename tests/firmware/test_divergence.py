"""The first divergence names the layer, the element, the bit and the reason of a planted fault, and only of that."""

from __future__ import annotations

import numpy as np
import pytest
from exactness import make_values
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.firmware.divergence import Cause, csim_layers, first_divergence, program_layers
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import Lowering, lower
from trigforge.fixed import FixedType, Overflow, Rounding

INPUT = FixedType(signed=True, width=8, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)


@pytest.fixture(scope="module")
def model():
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense

    keras.utils.set_random_seed(2)
    with QuantizerConfigScope(
        place="datalane", default_q_type="kif", i0=3, f0=4, overflow_mode="SAT", round_mode="RND"
    ):
        words = keras.Input((4,), name="words")
        hidden = QDense(6, activation="relu", name="hidden")(words)
        middle = QDense(4, name="middle", enable_oq=True)(hidden)
        result = QDense(2, name="final", enable_oq=True)(middle)
    return keras.Model(words, result)


@pytest.fixture(scope="module")
def source(model, tmp_path_factory):
    return convert_keras(model, Conversion("plain", tmp_path_factory.mktemp("divergence") / "hls", INPUT))


@pytest.fixture
def lowering(source) -> Lowering:
    return lower(source.graph, InputContract.of_type("plain", 4, INPUT))


VALUES = make_values(INPUT, (4,), 2000)
WORDS = INPUT.from_float(VALUES)


def test_equal_levels_have_no_divergence(source, lowering: Lowering) -> None:
    inside, csim = program_layers(lowering, WORDS), csim_layers(source.graph, VALUES)
    assert first_divergence(csim, inside, lowering.layers) is None
    assert set(csim) == set(inside) - {"words"}
    trainer = source.inside(VALUES)
    assert {"hidden_relu", "middle", "final"} <= set(trainer)
    assert first_divergence(trainer, inside, lowering.layers) is None


def test_a_wrong_weight_is_found_in_its_layer(source, lowering: Lowering) -> None:
    weights = source.graph.graph["middle"].weights["weight"].data
    right = program_layers(lowering, WORDS)
    weights[1, 2] += 0.25
    try:
        wrong = program_layers(lower(source.graph, InputContract.of_type("plain", 4, INPUT)), WORDS)
    finally:
        weights[1, 2] -= 0.25
    found = first_divergence(wrong, right, lowering.layers)
    assert found is not None
    assert (found.layer, found.element) == ("middle", 2)
    assert wrong["middle"][found.event, 2] == found.left
    assert_array_equal(wrong["middle"][: found.event], right["middle"][: found.event])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda v: v + 2.0**-4 * (v > 1), Cause.ROUNDING),
        (lambda v: np.where(v > 2, v - 8.0, v), Cause.RANGE),
        (lambda v: np.where(v > 1, 2 * v, v), Cause.SCALE),
        (lambda v: np.where(v > 1, v**2 + 1.25, v), Cause.ARITHMETIC),
    ],
)
def test_causes_are_told_apart(change, cause: Cause, lowering: Lowering) -> None:
    right = program_layers(lowering, WORDS)
    wrong = {**right, "middle": change(right["middle"])}
    found = first_divergence(wrong, right, lowering.layers)
    assert found is not None
    assert (found.layer, found.cause) == ("middle", cause)
    assert found.differing == (wrong["middle"] != right["middle"]).sum()
    assert f"({cause.value})" in str(found)


def test_the_bit_is_the_highest_that_differs(lowering: Lowering) -> None:
    right = program_layers(lowering, WORDS)
    wrong = {**right, "middle": right["middle"].copy()}
    event = int(np.argmax(right["middle"][:, 1] == 1.0))
    wrong["middle"][event, 1] = 1.25
    found = first_divergence(wrong, right, lowering.layers)
    assert found is not None
    assert (found.event, found.element, found.bit) == (event, 1, 2)
