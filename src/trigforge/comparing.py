"""`compare_on_events`: scores of a model beside simple triggers and an isolation forest, all on the same events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import awkward as ak
import numpy as np

from trigforge.contract import InputContract
from trigforge.fixed import IntArray
from trigforge.models.metrics import (
    Background,
    Comparison,
    IsolationForest,
    Options,
    ScoreArrays,
    ScoreKind,
    Signal,
    baseline_scores,
    compare_scores,
    sculpting_variables,
)
from trigforge.models.metrics.roc import Scores
from trigforge.reuse import interaction_groups
from trigforge.tla.menu import Menu, decide_others
from trigforge.units import DEFAULT_COLLIDING_BUNCHES
from trigforge.weighted import BoolArray, FloatArray

FOREST: Final = "isolation forest"
_BACKGROUND: Final = ""


@dataclass(frozen=True, slots=True)
class Events:
    """Weighted background with weights (n,) that sum to 1, and signals: what scores are compared on."""

    background: ak.Array
    signals: Mapping[str, ak.Array]
    encode: Callable[[InputContract, ak.Array], IntArray] = InputContract.encode
    """Words (n, words) of events."""
    quantities: Callable[[ak.Array], Mapping[str, FloatArray]] = baseline_scores
    """The single quantities (n,) of events that a score must beat."""
    variables: Callable[[ak.Array], Mapping[str, FloatArray]] = sculpting_variables
    """The variables (n,) of background that a score may sculpt."""

    @property
    def weights(self) -> FloatArray:
        """Of the background (n,)."""
        return np.asarray(ak.to_numpy(self.background["weight"]), dtype=np.float64)

    def score(self, kind: ScoreKind, of: Callable[[ak.Array], Scores]) -> ScoreArrays:
        """A score of all events, from a function of events that gives one number (n,) each."""
        return ScoreArrays(kind, of(self.background), {name: of(events) for name, events in self.signals.items()})

    def score_words(self, kind: ScoreKind, contract: InputContract, of: Callable[[IntArray], Scores]) -> ScoreArrays:
        """A score of all events, from a function that is called once, with the words (n, words) of all of them."""
        words = [self.encode(contract, found) for found in (self.background, *self.signals.values())]
        parts = np.split(of(np.concatenate(words)), np.cumsum([len(w) for w in words])[:-1])
        return ScoreArrays(kind, parts[0], dict(zip(self.signals, parts[1:], strict=True)))


def compare_on_events(
    scores: Mapping[str, ScoreArrays],
    subject: str,
    events: Events,
    menu: Menu | None,
    options: Options,
    forest: IsolationForest | None = None,
    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES,
) -> Comparison:
    """Compare a model's `scores`, of which one is the `subject`, with baselines on the same events.

    Pure rates are against the unprescaled seeds of the menu; without one there are none.
    """
    own = scores.get(subject)

    def others(found: ak.Array, own_scores: Scores | None) -> BoolArray | None:
        return None if menu is None else decide_others(menu, found, _integers(own_scores))

    background = Background(
        events.weights,
        interaction_groups(events.background),
        others(events.background, own.background if own else None),
        colliding_bunches,
    )
    signals = {
        name: Signal(
            len(found),
            interaction_groups(found),
            others(found, own.signals.get(name) if own else None),
        )
        for name, found in events.signals.items()
    }
    rows = {**scores, **baselines(events, forest)}
    wanted = options if options.variables else _with_variables(options, events)
    return compare_scores(rows, background, signals, subject, wanted)


def baselines(events: Events, forest: IsolationForest | None = None) -> dict[str, ScoreArrays]:
    """The cuts on single quantities, and the forest's score if there is one."""
    samples = {_BACKGROUND: events.background, **events.signals}
    simple = {name: events.quantities(found) for name, found in samples.items()}
    rows = {
        quantity: ScoreArrays(
            ScoreKind.CUT, simple[_BACKGROUND][quantity], {name: simple[name][quantity] for name in events.signals}
        )
        for quantity in simple[_BACKGROUND]
    }
    if forest is None:
        return rows
    return rows | {FOREST: events.score_words(ScoreKind.FOREST, forest.contract, forest)}


def _with_variables(options: Options, events: Events) -> Options:
    return Options(
        points=options.points,
        variables=events.variables(events.background),
        sculpted_at=options.sculpted_at,
        replicas=options.replicas,
        seed=options.seed,
    )


def _integers(scores: Scores | None) -> IntArray | None:
    """Firmware scores, for seeds of the menu that have an integer threshold."""
    return scores.astype(np.int64) if scores is not None and scores.dtype.kind in "iu" else None
