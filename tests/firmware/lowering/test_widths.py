"""The report of widths: what interval arithmetic proves about every type, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from exactness import check_exact, make_values
from fixed_types import PLAIN, types
from hgq_models import scopes
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import Loss, Lowering, Width, lower
from trigforge.firmware.lowering.layer import combined, examine
from trigforge.firmware.lowering.symbols import add_constants, matmul, type_symbols
from trigforge.firmware.program import trace_program
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType, Overflow, Rounding

WORD = FixedType(signed=True, width=8, integer=6, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
"""What the normaliser of the deployed trigger delivers."""


@given(types(), st.lists(PLAIN.filter(lambda t: t.width <= 4), min_size=1, max_size=3), st.integers(0, 2**32))
@settings(max_examples=120)
def test_needed_types_are_tight_and_losses_are_what_happens(
    kind: FixedType, inputs: list[FixedType], seed: int
) -> None:
    """All inputs tried: both ends of what is needed are reached, one bit less holds it no more, and the loss is met."""
    rng = np.random.default_rng(seed)
    matrix = rng.choice([-1, 1], (len(inputs), 1)) * rng.integers(1, 8, (len(inputs), 1)) / 4.0
    bias = rng.integers(-8, 9, 1) / 4.0
    symbols = type_symbols(inputs)
    sums = add_constants(matmul(symbols[None], matrix), bias).ravel()
    width = examine("d", "accumulator", sums, kind)
    words = np.stack(np.meshgrid(*(np.arange(t.low, t.high + 1) for t in inputs)), axis=-1).reshape(-1, len(inputs))
    program = trace_program(symbols, sums, inputs)
    values = program.to_float(program(words))[:, 0]
    held = width.needed.from_float(values)
    assert width.needed.low <= held.min()
    assert held.max() <= width.needed.high
    if width.needed.width > 1:
        half = (width.needed.high + 1) // 2
        assert held.max() >= half or held.min() < -half
        assert width.needed.signed == (held.min() < 0)
    wide = kind.model_copy(update={"signed": True, "width": 62, "integer": 62 - kind.fraction})
    rounded = wide.model_copy(update={"overflow": Overflow.WRAP}).cast(held, width.needed.fraction)
    if (rounded < kind.low).any() or (rounded > kind.high).any():
        assert width.loss is (Loss.WRAPS if kind.overflow is Overflow.WRAP else Loss.SATURATES)
    elif width.needed.fraction > kind.fraction:
        assert width.loss is Loss.ROUNDS
    else:
        assert width.loss is Loss.NONE
        assert_array_equal(kind.to_float(kind.cast(held, width.needed.fraction)), values)


def test_the_report_of_several_parts_holds_what_any_part_needs() -> None:
    given_type = FixedType(signed=True, width=8, integer=4)
    parts = [
        Width(layer="d", place="accumulator", given=given_type, needed=needed, loss=loss)
        for needed, loss in (
            (FixedType(signed=False, width=6, integer=6), Loss.WRAPS),
            (FixedType(signed=True, width=5, integer=-1), Loss.ROUNDS),
        )
    ]
    (whole,) = combined(parts)
    assert whole.loss is Loss.WRAPS
    assert whole.needed == FixedType(signed=True, width=13, integer=7)
    assert str(whole) == "accumulator of d: ap_fixed<8,4,TRN,WRAP> wraps (ap_fixed<13,7,TRN,WRAP> needed)"


@pytest.mark.parametrize("overflow", ["WRAP", "SAT"])
def test_an_untrained_quantiser_that_wraps_is_refused_by_its_name(tmp_path: Path, overflow: str) -> None:
    from hgq.layers import QDense

    with scopes(overflow):
        words = keras.Input((4,), name="words")
        scores = QDense(2, name="scores", enable_oq=True, kernel_initializer="ones")(words)
    conversion = Conversion("lanes", tmp_path / "lanes", FixedType(signed=True, width=12, integer=6))
    lowering = lower(
        convert_keras(keras.Model(words, scores), conversion).graph,
        InputContract.of_type("lanes", 4, conversion.input_type),
    )
    losses = {width.loss for width in lowering.widths}
    if overflow == "SAT":
        assert Loss.SATURATES in losses
        assert Loss.WRAPS not in losses
        lowering.require_no_wrap()
        return
    assert Loss.WRAPS in losses
    with pytest.raises(ExactnessError, match=r"must hold every value .*first the .* of words: .* wraps .*let it satur"):
        lowering.require_no_wrap()
    named = {width.layer for width in lowering.widths if width.loss is Loss.WRAPS}
    assert "scores" in named


def anomaly_score(folder: Path, name: str, accumulator: str, latent: str, score: str) -> tuple[Lowering, np.ndarray]:
    """The shape of the first deployed anomaly trigger: hidden layer, latent means, the sum of their squares.

    Its weights have 6 bits; returned are the lowering and the scores of events of growing hardness.
    """
    layers, rng = keras.layers, np.random.default_rng(11)
    words = keras.Input((6,), name="words")
    hidden = layers.Dense(8, activation="relu", name="hidden")(words)
    means = layers.Dense(3, name="means")(hidden)
    model = keras.Model(words, layers.Dot(axes=1, name="score")([means, means]))
    for variable in model.weights:
        variable.assign(rng.integers(0, 16, variable.shape) / 8)
    types = {
        "hidden": {"weight": "fixed<6,3>", "bias": "fixed<6,3>", "accum": accumulator, "result": accumulator},
        "hidden_relu": {"result": "ufixed<10,6,RND_CONV,SAT>"},
        "means": {"weight": "fixed<6,3>", "bias": "fixed<6,3>", "accum": accumulator, "result": latent},
        "score": {"accum": score, "result": score},
    }
    conversion = Conversion(name, folder / name, WORD, precision=Precision(default="fixed<24,14>", layers=types))
    source = convert_keras(model, conversion)
    lowering = check_exact(source, conversion, make_values(WORD, (6,)))
    ramp = np.repeat(np.arange(WORD.high + 1)[:, None], 6, axis=1)
    return lowering, lowering.program.to_float(lowering.program(ramp))[:, 0]


def test_accumulators_of_the_first_anomaly_trigger_are_refused(tmp_path: Path) -> None:
    """They wrapped for hard events, which then scored less than soft ones."""
    lowering, scores = anomaly_score(tmp_path, "wrapped", "fixed<12,8>", "fixed<9,6>", "ufixed<18,14>")
    assert (np.diff(scores) < 0).any()
    assert scores[-1] < scores.max() / 2
    with pytest.raises(ExactnessError, match=r"types must hold .*first the accumulator of hidden: ap_fixed<12,8,"):
        lowering.require_no_wrap()


def test_widened_and_saturating_types_keep_hard_events_on_top(tmp_path: Path) -> None:
    lowering, scores = anomaly_score(tmp_path, "widened", "fixed<24,14>", "fixed<9,6,RND,SAT>", "ufixed<18,14,RND,SAT>")
    lowering.require_no_wrap()
    assert (np.diff(scores) >= 0).all()
    assert scores[-1] == scores.max() > 1000
