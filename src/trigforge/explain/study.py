"""`study`: explain some events of every sample, and the most anomalous ones of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.explain.contributions import Contributions
from trigforge.explain.explaining import explain_objects, explain_words
from trigforge.explain.objects import Layout, Score, scores_of
from trigforge.explain.summary import Explanations, Group, Kind, ShownEvent, importance
from trigforge.fixed import IntArray
from trigforge.weighted import FloatArray


@dataclass(frozen=True, slots=True)
class SampleWords:
    """The contract words (n, words) and the weights (n,) of a sample's events."""

    name: str
    kind: Kind
    words: IntArray
    weights: FloatArray


@dataclass(frozen=True, slots=True)
class Subject:
    """What is explained: output word number `output` of a program, and its threshold if there is one."""

    score: Score
    contract: InputContract
    program_digest: str
    output: int = 0
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """How many events of each group are explained by objects and of these by words, and how many of a sample shown."""

    events: int = 1000
    by_word: int = 200
    shown_background: int = 2
    shown_sample: int = 1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class ExplainedGroup:
    """The explained events of a group: their numbers in the sample, how often each was drawn, what was found.

    `rows` are those of them that were explained by words too.
    """

    sample: str
    kind: Kind
    events: IntArray
    copies: IntArray
    objects: Contributions
    without: IntArray
    rows: IntArray
    by_word: Contributions


def study(
    subject: Subject,
    samples: Sequence[SampleWords],
    background: IntArray,
    effort: Effort,
    update: Callable[[float, str], None],
) -> tuple[Explanations, tuple[ExplainedGroup, ...]]:
    """Explain events of the samples, drawn by their weights, and those of each background above the threshold.

    `background` (m, words) are the events whose words replace those of an explained one.
    """
    if not samples or not all(len(s.words) for s in samples):
        raise InputError("every sample to explain must have events")
    scores = [_scores(subject, sample) for sample in samples]
    drawn, groups = list(_draw(subject, samples, scores, effort.events)), []
    for i, (sample, kind, events, copies) in enumerate(drawn):
        update(0.9 * i / len(drawn), sample.name)
        rows = spread(len(events), effort.by_word)
        found = explain_objects(subject.score, subject.contract, sample.words[events], effort.seed)
        words = explain_words(subject.score, subject.contract, sample.words[events[rows]], background, effort.seed)
        groups.append(ExplainedGroup(sample.name, kind, events, copies, *found, rows, words))
    update(0.9, "the most anomalous")
    pairs = zip(samples, scores, strict=True)
    shown = tuple(chain.from_iterable(_show(subject, sample, values, effort) for sample, values in pairs))
    by_word = groups[0].by_word
    explanations = Explanations(
        program_digest=subject.program_digest,
        contract=subject.contract,
        output=subject.output,
        threshold=subject.threshold,
        empty_score=int(groups[0].objects.baseline),
        typical_score=float(by_word.baseline),
        background_events=len(background),
        orders=int(by_word.denominators[0]),
        groups=tuple(_summary(group) for group in groups),
        shown=shown,
    )
    return explanations, tuple(groups)


def draw(weights: FloatArray, count: int) -> tuple[IntArray, IntArray]:
    """`count` events drawn at even steps of their summed weights: their numbers, and how often each came.

    Fewer events than that are all taken where their weights are equal.
    """
    if len(weights) <= count and np.ptp(weights) == 0:
        return np.arange(len(weights)), np.ones(len(weights), dtype=np.int64)
    summed = np.cumsum(weights)
    steps = (np.arange(count) + 0.5) / count * summed[-1]
    events, copies = np.unique(np.searchsorted(summed, steps, "right").clip(max=len(weights) - 1), return_counts=True)
    return events, copies


def _scores(subject: Subject, sample: SampleWords) -> IntArray:
    """The scores of a sample whose objects are in order; else `InputError` naming sample and event."""
    try:
        return scores_of(subject.score, Layout.of(subject.contract).check(sample.words))
    except InputError as error:
        raise InputError(f"{sample.name}: {error}") from None


def _draw(
    subject: Subject, samples: Sequence[SampleWords], scores: Sequence[IntArray], count: int
) -> Iterator[tuple[SampleWords, Kind, IntArray, IntArray]]:
    """The groups: a sample, what its events are, their numbers and how often each was drawn."""
    for sample, values in zip(samples, scores, strict=True):
        yield (sample, sample.kind, *draw(sample.weights, count))
        if subject.threshold is None or sample.kind is not Kind.BACKGROUND:
            continue
        above = np.flatnonzero((values >= subject.threshold) & (sample.weights > 0))
        if len(above):
            events, copies = draw(sample.weights[above], count)
            yield sample, Kind.ACCEPTED, above[events], copies


def _summary(group: ExplainedGroup) -> Group:
    return Group(
        sample=group.sample,
        kind=group.kind,
        events=len(group.events),
        events_by_word=len(group.rows),
        mean_score=float(np.average(group.objects.scores, weights=group.copies)),
        objects=importance(group.objects, group.copies),
        words=importance(group.by_word, group.copies[group.rows]),
    )


def _show(subject: Subject, sample: SampleWords, scores: IntArray, effort: Effort) -> Iterator[ShownEvent]:
    """The events of a sample with the highest scores, and of a background the one in the middle of what is accepted.

    Of equal scores the first, and no two events of the same words.
    """
    wanted = effort.shown_background if sample.kind is Kind.BACKGROUND else effort.shown_sample
    highest = np.argsort(-scores, kind="stable")[: 4 * wanted]
    _, first = np.unique(sample.words[highest], axis=0, return_index=True)
    chosen = [(int(event), sample.kind) for event in highest[np.sort(first)][:wanted]]
    if subject.threshold is not None and sample.kind is Kind.BACKGROUND and wanted:
        above = np.flatnonzero(scores >= subject.threshold)
        above = above[np.argsort(scores[above], kind="stable")]
        summed = np.cumsum(sample.weights[above])
        chosen += [(int(above[np.searchsorted(summed, summed[-1] / 2)]), Kind.ACCEPTED)] if len(above) else []
    events = np.array([event for event, _ in chosen], dtype=np.int64)
    found, without = explain_objects(subject.score, subject.contract, sample.words[events], effort.seed)
    for i, (event, kind) in enumerate(chosen):
        yield ShownEvent(
            sample=sample.name,
            kind=kind,
            event=event,
            score=int(found.scores[i]),
            words=tuple(sample.words[event].tolist()),
            contributions=tuple(found.values[i].tolist()),
            without=tuple(without[i].tolist()),
        )


def spread(events: int, count: int) -> IntArray:
    """Numbers of `count` of so many events, or all, evenly spaced."""
    return np.unique(np.linspace(0, events - 1, min(count, events)).round().astype(np.int64))
