"""Every score, in csim and program, equals its formula in exact arithmetic on the layers it is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exactness import check_exact, make_values

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import Conversion, FloatArray
from trigforge.firmware.frontends.keras3 import convert_keras, predict
from trigforge.firmware.scores import (
    Distance,
    KullbackLeibler,
    Margin,
    Reconstructed,
    ReconstructionError,
    Score,
    SquaresOverVariance,
    SumOfSquares,
    Term,
    WeightedSum,
)
from trigforge.fixed import FixedType, Overflow, Rounding

INPUT = FixedType(signed=True, width=8, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
SIGNED = FixedType(signed=True, width=12, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
UNSIGNED = SIGNED.model_copy(update={"signed": False})
WORDS = 5


@pytest.fixture(scope="module")
def model():
    """Mean and log variance of three latent variables and a decoder of all words."""
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense

    keras.utils.set_random_seed(3)
    with QuantizerConfigScope(
        place="datalane", default_q_type="kif", i0=3, f0=4, overflow_mode="SAT", round_mode="RND"
    ):
        words = keras.Input((WORDS,), name="words")
        hidden = QDense(6, activation="relu", name="hidden")(words)
        mean = QDense(3, name="mean", enable_oq=True)(hidden)
        spread = QDense(3, name="spread", enable_oq=True)(hidden)
        decoded = QDense(WORDS, name="decoded", enable_oq=True)(mean)
    return keras.Model(words, [mean, spread, decoded])


def on_grid(kind: FixedType, values: FloatArray) -> FloatArray:
    return np.clip(np.rint(np.ldexp(values, kind.fraction)), kind.low, kind.high) * kind.lsb


def kullback_leibler(x: FloatArray, mean: FloatArray, spread: FloatArray, decoded: FloatArray) -> FloatArray:
    return (mean**2 / 2 + on_grid(UNSIGNED, (np.exp(spread) - 1 - spread) / 2)).sum(axis=1)


def reconstruction(x: FloatArray, mean: FloatArray, spread: FloatArray, decoded: FloatArray) -> FloatArray:
    angles = on_grid(SIGNED, np.pi * np.tanh(decoded[:, [1, 3]]))
    squares = (x[:, [1, 3]] - angles) ** 2 * (x[:, [1, 3]] != 0)
    return squares.sum(axis=1) + ((x[:, [0, 4]] - decoded[:, [0, 4]]) ** 2 * (x[:, [0, 4]] != 0)).sum(axis=1)


def squares(x: FloatArray, mean: FloatArray, spread: FloatArray, decoded: FloatArray) -> FloatArray:
    return (mean**2).sum(axis=1)


def over_variance(x: FloatArray, mean: FloatArray, spread: FloatArray, decoded: FloatArray) -> FloatArray:
    return (mean**2 * on_grid(UNSIGNED, np.exp(-spread))).sum(axis=1)


def distance(x: FloatArray, mean: FloatArray, spread: FloatArray, decoded: FloatArray) -> FloatArray:
    return ((mean - spread) ** 2).sum(axis=1)


def margin(x: FloatArray, mean: FloatArray, spread: FloatArray, decoded: FloatArray) -> FloatArray:
    return decoded[:, 4] - decoded[:, :3].max(axis=1)


RECONSTRUCTION = ReconstructionError(
    decoded="decoded", groups=(Reconstructed(words=(1, 3), tanh_scale=np.pi), Reconstructed(words=(0, 4)))
)
SQUARES = SumOfSquares(of="mean")
LATENT = WeightedSum(
    terms=(
        Term(weight=-2.0, score=SQUARES),
        Term(weight=0.25, score=KullbackLeibler(mean="mean", log_variance="spread")),
        Term(weight=1.0, score=SquaresOverVariance(mean="mean", log_variance="spread")),
    )
)
WORD_SCORES = WeightedSum(
    terms=(
        Term(weight=0.375, score=RECONSTRUCTION),
        Term(weight=3.0, score=Distance(left="mean", right="spread")),
        Term(weight=1.0, score=Margin(logits="decoded", signal=(4,), background=(0, 1, 2))),
    )
)
SCORES: dict[str, tuple[Score, Callable[..., FloatArray]]] = {
    "squares": (SQUARES, squares),
    "latent": (LATENT, lambda *v: -2 * squares(*v) + 0.25 * kullback_leibler(*v) + over_variance(*v)),
    "of_words": (WORD_SCORES, lambda *v: 0.375 * reconstruction(*v) + 3 * distance(*v) + margin(*v)),
}


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_its_formula(name: str, model, tmp_path: Path) -> None:
    score, formula = SCORES[name]
    conversion = Conversion(name, tmp_path / name, INPUT, score=score)
    source = convert_keras(model, conversion)
    values = make_values(INPUT, (WORDS,))
    outputs = predict(model, values)
    expected = formula(values, outputs[:, :3], outputs[:, 3:6], outputs[:, 6:])
    lowering = check_exact(source, conversion, values, expected)
    lowering.require_no_wrap()
    assert len(np.unique(expected)) > 100


def test_a_score_saturates_in_the_type_asked_for(model, tmp_path: Path) -> None:
    kind = FixedType(signed=False, width=8, integer=5, rounding=Rounding.RND, overflow=Overflow.SAT)
    conversion = Conversion("narrow", tmp_path / "n", INPUT, score=SumOfSquares(of="mean"), score_type=kind)
    values = make_values(INPUT, (WORDS,))
    exact = (predict(model, values)[:, :3] ** 2).sum(axis=1)
    expected = np.clip(np.floor(exact / kind.lsb + 0.5), 0, kind.high) * kind.lsb
    check_exact(convert_keras(model, conversion), conversion, values, expected)
    assert (expected == kind.high * kind.lsb).any()


def test_layers_that_the_score_does_not_need_are_dropped(model, tmp_path: Path) -> None:
    conversion = Conversion("lean", tmp_path / "lean", INPUT, score=SumOfSquares(of="mean"))
    graph = convert_keras(model, conversion).graph
    assert not [name for name in graph.graph if name.startswith(("spread", "decoded"))]
    assert list(graph.outputs) == ["score_dot"]


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (SumOfSquares(of="latent"), r"a score must take layers of the model \(.*\), not 'latent'"),
        (Margin(logits="decoded", signal=(1,), background=(1, 2)), r"must be different classes in 0\.\.4"),
        (Distance(left="mean", right="decoded"), "must take tensors of one size, not 'mean' of 3 and 'decoded' of 5"),
        (
            ReconstructionError(decoded="mean", groups=(Reconstructed(words=(0,)),)),
            r"must list different words in 0\.\.4, which layer 'mean' \(3 outputs\) must all have",
        ),
    ],
)
def test_bad_scores_name_what_is_wrong(score: Score, message: str, model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        convert_keras(model, Conversion("bad", tmp_path / "bad", INPUT, score=score))
    assert not (tmp_path / "bad").exists()


def test_a_project_named_like_a_layer_is_refused(model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the project must not be named like a layer of its model \\('words'\\)"):
        convert_keras(model, Conversion("words", tmp_path / "w", INPUT))


def test_a_table_of_too_many_bits_is_refused(model, tmp_path: Path) -> None:
    from trigforge.firmware.scores.nodes import GraphBuilder, Tensor

    wide = Tensor("spread", FixedType(signed=True, width=20, integer=4), 3)
    with pytest.raises(ExactnessError, match="table of layer 'spread' must have at most 14 bits of input"):
        GraphBuilder(None, "score").table(wide, np.exp, UNSIGNED)
