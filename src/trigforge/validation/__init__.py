"""The simulation against public measurements: what `trigforge validate` measures, compares and writes."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np

from trigforge.reuse import interaction_groups
from trigforge.sim.collisions.dataset import Sample
from trigforge.sim.collisions.validation import GeneratorFacts, PileUpPoint
from trigforge.validation.jets import measure_jets
from trigforge.validation.rates import measure_closures, measure_curves, measure_seeds
from trigforge.validation.tables import fill
from trigforge.validation.values import Validation
from trigforge.weighted import effective_events

__all__ = ["Validation", "fill", "measure"]


def measure(
    records: tuple[Sample, Sample, Sample],
    enhanced: ak.Array,
    natural: ak.Array,
    reference: ak.Array,
    generator: GeneratorFacts,
    pileup: Sequence[PileUpPoint],
) -> Validation:
    """All measurements on an enhanced and a natural sample and on one at the pile-up of the public rates.

    `records` are those of the three samples; `generator` and `pileup` are taken as they are.
    """
    weights, groups = np.asarray(enhanced["weight"], dtype=np.float64), interaction_groups(enhanced)
    return Validation(
        enhanced=records[0],
        natural=records[1],
        reference=records[2],
        interactions=len(np.unique(groups)),
        effective_events=effective_events(weights, groups),
        generator=generator,
        pileup=tuple(pileup),
        jets=measure_jets(enhanced),
        curves=measure_curves(enhanced),
        reference_curves=measure_curves(reference),
        seeds=measure_seeds(enhanced, reference),
        closures=measure_closures(enhanced, natural, one_library=_library(records[0]) == _library(records[1])),
    )


def _library(record: Sample) -> tuple[int, ...]:
    """What the library of interactions of a sample depends on."""
    config = record.config
    return config.seed, config.soft_interactions, config.hard_interactions, config.rare_interactions
