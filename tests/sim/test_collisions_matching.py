"""True jets of reconstructed jets, against a slow and obvious search."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.testing import assert_array_equal

from trigforge.sim.collisions.matching import match_jets


def jets(*events: list[tuple[float, float, float]]) -> ak.Array:
    counts = [len(event) for event in events]
    flat = np.array([jet for event in events for jet in event], float).reshape(-1, 3)
    return ak.unflatten(ak.zip({name: flat[:, i] for i, name in enumerate(("pt", "eta", "phi"))}), counts)


def slow(found: list[dict[str, float]], true: list[dict[str, float]]) -> list[int]:
    claims: dict[int, list[int]] = {}
    for i, jet in enumerate(found):
        distances = [np.hypot(jet["eta"] - t["eta"], np.angle(np.exp(1j * (jet["phi"] - t["phi"])))) for t in true]
        if distances and min(distances) < 0.4:
            claims.setdefault(int(np.argmin(distances)), []).append(i)
    match = [-1] * len(found)
    for gen, claimants in claims.items():
        match[max(claimants, key=lambda i: found[i]["pt"])] = gen
    return match


def test_the_nearest_true_jet_is_taken_across_the_seam_and_each_once() -> None:
    found = jets([(50, 0.0, 3.1), (40, 0.1, -3.1), (30, 2.0, 0.0)], [], [(20, 1.0, 1.0)], [(20, 1.0, 1.0)])
    true = jets([(45, 0.0, -3.1), (44, 0.3, 3.0)], [(10, 0.0, 0.0)], [], [(20, 1.0, 1.41)])
    match = match_jets(found, true)
    assert match.to_list() == [[0, -1, -1], [], [-1], [-1]]
    assert ak.flatten(match).type.content.primitive == "int16"


def test_the_hardest_claimant_wins_whatever_the_order() -> None:
    true = jets([(100, 0.0, 0.0)])
    assert match_jets(jets([(10, 0.1, 0), (30, 0.3, 0), (20, 0, 0)]), true).to_list() == [[-1, 0, -1]]


def test_random_jets_agree_with_the_slow_search() -> None:
    rng = np.random.default_rng(1)

    def some(most: int) -> ak.Array:
        counts = rng.integers(0, most, 200)
        flat = {"pt": rng.exponential(30, counts.sum()), "eta": rng.uniform(-1, 1, counts.sum())}
        return ak.unflatten(ak.zip({**flat, "phi": rng.uniform(-np.pi, np.pi, counts.sum())}), counts)

    found, true = some(30), some(25)
    expected = [slow(a, b) for a, b in zip(found.to_list(), true.to_list(), strict=True)]
    match = match_jets(found, true)
    assert match.to_list() == expected
    assert_array_equal(ak.num(match), ak.num(found))
    assert 0.2 < np.mean(ak.to_numpy(ak.flatten(match)) >= 0) < 0.9
