"""Scores in the graph: a `Score` becomes hls4ml layers, so that HLS project, csim, program and RTL all have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from trigforge.errors import InputError
from trigforge.firmware.scores.nodes import GraphBuilder, Tensor
from trigforge.firmware.scores.spec import (
    Distance,
    KullbackLeibler,
    Margin,
    Reconstructed,
    ReconstructionError,
    Score,
    SquaresOverVariance,
    SumOfSquares,
    WeightedSum,
)
from trigforge.fixed import FixedType, Overflow, Rounding

BIT = FixedType(signed=False, width=1, integer=1, rounding=Rounding.TRN, overflow=Overflow.SAT)


def add_score(graph: Any, score: Score, output: FixedType | None = None) -> None:
    """Make a score the only output of a converted graph, before its project is written.

    Every step is exact; only `output`, if given, rounds and saturates the result. Layers that the score does not need
    are dropped.
    """
    builder = GraphBuilder(graph, "score")
    result = _build(builder, score)
    builder.finish(result if output is None else builder.cast(result, output))


def _build(builder: GraphBuilder, score: Score) -> Tensor:
    return _RECIPES[type(score)](builder, score)


def _sum_of_squares(builder: GraphBuilder, score: SumOfSquares) -> Tensor:
    return builder.squares(builder.tensor(score.of))


def _squares_over_variance(builder: GraphBuilder, score: SquaresOverVariance) -> Tensor:
    mean, log_variance = builder.tensor(score.mean), builder.tensor(score.log_variance)
    inverse = builder.table(log_variance, lambda x: np.exp(-x), score.table)
    return builder.squares(builder.product(mean, mean), inverse)


def _kullback_leibler(builder: GraphBuilder, score: KullbackLeibler) -> Tensor:
    mean, log_variance = builder.tensor(score.mean), builder.tensor(score.log_variance)
    spread = builder.table(log_variance, lambda x: (np.exp(x) - 1 - x) / 2, score.table)
    terms = builder.joined([builder.product(mean, mean), spread])
    weights = np.array([0.5] * mean.size + [1.0] * spread.size)
    return builder.linear(terms, weights[:, None])


def _reconstruction_error(builder: GraphBuilder, score: ReconstructionError) -> Tensor:
    names = builder.graph.inputs
    if len(names) != 1:
        raise InputError(f"a reconstruction error must have one model input to compare with, not {names}")
    given, decoded = builder.tensor(names[0]), builder.tensor(score.decoded)
    used = [word for group in score.groups for word in group.words]
    if len(set(used)) != len(used) or not set(used) <= set(range(given.size)) or decoded.size != given.size:
        raise InputError(
            f"the groups of a reconstruction error must list different words in 0..{given.size - 1}, which layer "
            f"{score.decoded!r} ({decoded.size} outputs) must all have, not {sorted(used)}"
        )
    return builder.squares(
        builder.joined([_difference(builder, score, group, given, decoded) for group in score.groups])
    )


def _difference(
    builder: GraphBuilder, score: ReconstructionError, group: Reconstructed, given: Tensor, decoded: Tensor
) -> Tensor:
    """`m (x - f(y))` of a group of words."""
    words, outputs, scale = builder.select(given, group.words), builder.select(decoded, group.words), group.tanh_scale
    if scale is not None:
        outputs = builder.table(outputs, lambda y: scale * np.tanh(y), score.table)
    difference = builder.difference(words, outputs)
    if not score.masked:
        return difference
    present = builder.table(words, lambda x: (x != 0).astype(np.float64), BIT)
    return builder.product(difference, present)


def _distance(builder: GraphBuilder, score: Distance) -> Tensor:
    return builder.squares(builder.difference(builder.tensor(score.left), builder.tensor(score.right)))


def _margin(builder: GraphBuilder, score: Margin) -> Tensor:
    logits = builder.tensor(score.logits)
    chosen = (*score.signal, *score.background)
    if len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(logits.size)):
        raise InputError(
            f"signal and background of a margin must be different classes in 0..{logits.size - 1}, not {chosen}"
        )
    return builder.difference(*(_largest(builder, logits, classes) for classes in (score.signal, score.background)))


def _largest(builder: GraphBuilder, logits: Tensor, classes: Sequence[int]) -> Tensor:
    """The largest of some logits, by halves."""
    if len(classes) == 1:
        return builder.select(logits, classes)
    half = len(classes) // 2
    return builder.larger(_largest(builder, logits, classes[:half]), _largest(builder, logits, classes[half:]))


def _weighted_sum(builder: GraphBuilder, score: WeightedSum) -> Tensor:
    terms = builder.joined([_build(builder, term.score) for term in score.terms])
    return builder.linear(terms, np.array([[term.weight] for term in score.terms]))


_RECIPES: Mapping[type, Callable[[GraphBuilder, Any], Tensor]] = MappingProxyType(
    {
        SumOfSquares: _sum_of_squares,
        SquaresOverVariance: _squares_over_variance,
        KullbackLeibler: _kullback_leibler,
        ReconstructionError: _reconstruction_error,
        Distance: _distance,
        Margin: _margin,
        WeightedSum: _weighted_sum,
    }
)
