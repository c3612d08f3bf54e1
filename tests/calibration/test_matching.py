"""Matching of true and trigger jets in hand-made events."""

from __future__ import annotations

import awkward as ak
import numpy as np

from trigforge.calibration.matching import match_jets


def jet(pt: float, eta: float, phi: float) -> dict[str, float]:
    return {"pt": pt, "eta": eta, "phi": phi, "mass": 1.0, "area": 0.5}


def crossing(gen: list[dict[str, float]], hlt: list[dict[str, float]]) -> ak.Array:
    columns = {"GenJet": [[jet(200, 4, 0)], gen], "HLTJet": [[jet(199, 4, 0)], hlt]}
    return ak.Array({**columns, "rho": [10.0, 20.0], "weight": [0.5, 0.25]})[1:]


def test_the_nearest_jet_is_matched_across_the_phi_boundary() -> None:
    hlt = [jet(90, 1.0, -3.1), jet(25, 1.2, 3.1)]
    pairs = match_jets(crossing([jet(100, 1.0, 3.14)], hlt))
    assert (pairs.pt[0], pairs.eta[0], pairs.rho[0], pairs.weight[0], pairs.area[0]) == (
        90,
        1.0,
        20,
        0.25,
        0.5,
    )
    assert pairs.matched.tolist() == [True]


def test_a_jet_without_partner_is_kept_as_unmatched() -> None:
    pairs = match_jets(crossing([jet(100, 0, 0)], [jet(90, 0, 0.3)]))
    assert pairs.matched.tolist() == [False]
    assert np.isnan(pairs.pt[0])
    assert match_jets(crossing([jet(100, 0, 0)], [])).matched.tolist() == [False]


def test_a_true_jet_with_a_hard_neighbour_is_dropped_and_its_soft_neighbour_too() -> None:
    assert len(match_jets(crossing([jet(100, 0, 0), jet(20, 0.5, 0)], [jet(90, 0, 0)]))) == 0
    assert match_jets(crossing([jet(100, 0, 0), jet(9, 0.5, 0)], [jet(90, 0, 0)])).pt_true.tolist() == [100]


def test_a_trigger_jet_with_a_hard_neighbour_is_dropped() -> None:
    assert len(match_jets(crossing([jet(100, 0, 0)], [jet(60, 0, 0), jet(30, 0.4, 0)]))) == 0
    assert len(match_jets(crossing([jet(100, 0, 0)], [jet(60, 0, 0), jet(15, 0.4, 0)]))) == 1


def test_jets_carry_the_group_of_their_crossing() -> None:
    one = crossing([jet(100, 1, 0), jet(90, -1, 3)], [jet(90, 1, 0), jet(80, -1, 3)])
    events = ak.with_field(ak.concatenate([one] * 4), np.array([5, -1, 5, -1], dtype=np.int32), "interaction")
    pairs = match_jets(events)
    assert pairs.event.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    first, second, third, fourth = pairs.group.reshape(4, 2).tolist()
    assert first == third
    assert len({*first, *second, *fourth}) == 3
    assert pairs[pairs.pt_true == 90].group.tolist() == pairs[pairs.pt_true == 100].group.tolist()
    assert len(np.unique(match_jets(ak.without_field(events, "interaction")).group)) == 4
