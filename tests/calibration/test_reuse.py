"""Crossings that share an interaction are found, and count once in errors."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from toy_events import toy_events

from trigforge.calibration.reuse import interaction_groups
from trigforge.calibration.thresholds import threshold_for
from trigforge.calibration.weighted import effective_events, measure_rate, squared_sum
from trigforge.tla.spectrum import fill_spectrum


def mirrored(events: ak.Array, turn: float) -> ak.Array:
    """The same interactions, turned in phi and mirrored in eta."""
    jets = events["GenJet"]
    jets = ak.with_field(ak.with_field(jets, -jets["eta"], "eta"), jets["phi"] + turn, "phi")
    return ak.with_field(events, jets, "GenJet")


def test_turned_and_mirrored_copies_are_one_group() -> None:
    events = toy_events(500)
    groups = interaction_groups(ak.concatenate([events, mirrored(events, 0.5), mirrored(events, 1.0)]))
    assert len(np.unique(groups)) == 500
    np.testing.assert_array_equal(groups[:500], groups[500:1000])
    np.testing.assert_array_equal(groups[:500], groups[1000:])


def test_the_order_of_jets_does_not_matter() -> None:
    events = toy_events(50)
    events = events[ak.num(events["GenJet"]) == 3]
    events = ak.with_field(events, events["GenJet"][:, 1:], "GenJet")
    backwards = ak.with_field(events, events["GenJet"][:, ::-1], "GenJet")
    assert len(np.unique(interaction_groups(ak.concatenate([events, backwards])))) == len(events) > 10


def test_events_without_true_jets_are_groups_of_their_own() -> None:
    events = toy_events(20)
    bare = ak.with_field(events, events["GenJet"][:, :0], "GenJet")
    assert len(np.unique(interaction_groups(bare))) == 20
    assert len(np.unique(interaction_groups(ak.concatenate([events, bare])))) == 40
    assert len(np.unique(interaction_groups(events[["weight", "rho"]]))) == 20


def test_copies_add_rate_but_no_precision() -> None:
    rng = np.random.default_rng(1)
    weights, accepted = rng.exponential(1, 400), rng.random(400) < 0.3
    weights /= weights.sum()
    groups = np.tile(np.arange(400), 5)
    once = measure_rate(weights, accepted, 2544)
    copied = measure_rate(np.tile(weights / 5, 5), np.tile(accepted, 5), 2544, groups)
    assert (copied.hz, copied.error_hz) == pytest.approx((once.hz, once.error_hz))
    assert copied.effective_events == pytest.approx(once.effective_events)
    assert effective_events(np.tile(weights, 5)) > 4.9 * effective_events(weights)


def test_thresholds_and_spectra_know_of_groups() -> None:
    rng = np.random.default_rng(2)
    scores, groups = rng.integers(0, 40, 600), rng.integers(0, 60, 600)
    weights = rng.exponential(1, 600)
    weights /= weights.sum()
    row = threshold_for(scores, weights, 5e3, groups=groups, others=scores % 2 == 0)
    above = scores >= row.threshold
    hz = row.rate_khz / weights[above].sum()
    assert row.rate_err_khz == pytest.approx(hz * np.sqrt(squared_sum(weights * above, groups)))
    pure = above & (scores % 2 == 1)
    assert row.pure_rate_err_khz == pytest.approx(hz * np.sqrt(squared_sum(weights * pure, groups)))
    spectrum = fill_spectrum(scores + 0.5, weights, (0.0, 10.0, 40.0), groups)
    for i, inside in enumerate((scores < 10, scores >= 10)):
        assert spectrum.contents[i] == pytest.approx(weights[inside].sum())
        assert spectrum.errors[i] == pytest.approx(np.sqrt(squared_sum(weights * inside, groups)))
