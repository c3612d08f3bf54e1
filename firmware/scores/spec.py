"""Scores: what a trigger compares with its threshold, as functions of a model's layers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.value import Value

TABLE = FixedType(signed=False, width=12, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)


class SumOfSquares(Value):
    """`Σ µᵢ²` of a layer: the score of AXOL1TL and of the R_z without its variance."""

    kind: Literal["sum_of_squares"] = "sum_of_squares"
    of: str


class SquaresOverVariance(Value):
    """`R_z = Σ µᵢ²/σᵢ²` (arXiv:2108.03986), with `exp(-log σ²)` from a table of type `table`."""

    kind: Literal["squares_over_variance"] = "squares_over_variance"
    mean: str
    log_variance: str
    table: FixedType = TABLE


class KullbackLeibler(Value):
    """`½ Σ (µᵢ² + σᵢ² - 1 - log σᵢ²)`, with `½ (σ² - 1 - log σ²)` from a table of type `table`."""

    kind: Literal["kullback_leibler"] = "kullback_leibler"
    mean: str
    log_variance: str
    table: FixedType = TABLE


class Reconstructed(Value):
    """Words of the input and how the decoder's outputs become them: `y`, or `scale · tanh(y)` in model units."""

    words: tuple[int, ...] = Field(min_length=1)
    tanh_scale: float | None = Field(default=None, gt=0)


class ReconstructionError(Value):
    """`Σ mᵢ (xᵢ - f(yᵢ))²`, words that are 0 masked (mᵢ = 0): the loss of arXiv:2108.03986 without its 1/n.

    `table` is the type of `scale · tanh(y)`.
    """

    kind: Literal["reconstruction_error"] = "reconstruction_error"
    decoded: str
    groups: tuple[Reconstructed, ...] = Field(min_length=1)
    masked: bool = True
    table: FixedType = FixedType(signed=True, width=12, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)


class Distance(Value):
    """`‖left - right‖²` of two layers, such as a decoder's output and the backbone that it reconstructs."""

    kind: Literal["distance"] = "distance"
    left: str
    right: str


class Margin(Value):
    """`max(signal logits) - max(background logits)` of a tagger: monotone in its decision, without a softmax."""

    kind: Literal["margin"] = "margin"
    logits: str
    signal: tuple[int, ...] = Field(min_length=1)
    background: tuple[int, ...] = Field(min_length=1)


class Term(Value):
    """A score and its weight in a sum."""

    weight: float
    score: Annotated[Single, Field(discriminator="kind")]


class WeightedSum(Value):
    """`Σ wₖ sₖ` of other scores."""

    kind: Literal["weighted_sum"] = "weighted_sum"
    terms: tuple[Term, ...] = Field(min_length=1)


Single = SumOfSquares | SquaresOverVariance | KullbackLeibler | ReconstructionError | Distance | Margin
Score = Annotated[Single | WeightedSum, Field(discriminator="kind")]
"""Any score."""

Term.model_rebuild()
WeightedSum.model_rebuild()
