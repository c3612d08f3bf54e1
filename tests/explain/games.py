"""Contracts, ordered words and scores whose explanations are known."""

from __future__ import annotations

import numpy as np

from trigforge.contract import Collection, InputContract, kinematics
from trigforge.explain.objects import Layout
from trigforge.fixed import IntArray

CALO = {"pt_bits": 10, "eta_max": 100, "eta_bits": 8, "eta_lsb": 0.0435, "phi_steps": 144}


def contract(jets: int = 4) -> InputContract:
    """MET, two muons and some jets."""
    return InputContract(
        name="game",
        collections=(
            Collection(name="L1MET", count=1, fields=kinematics(**{**CALO, "eta_max": 0})),
            Collection(name="L1Mu", count=2, fields=kinematics(**CALO)),
            Collection(name="L1Jet", count=jets, fields=kinematics(**CALO)),
        ),
    )


def events(used: InputContract, count: int, seed: int = 1, absent: float = 0.3) -> IntArray:
    """Words of events whose objects are hardest first, some of them absent."""
    rng, layout = np.random.default_rng(seed), Layout.of(used)
    low, high = used.limits()
    words = rng.integers(low, high + 1, (count, used.words))
    words[(rng.random((count, len(layout.names))) < absent)[:, layout.of_word]] = 0
    return layout.in_order(words).astype(np.int64)


def linear(used: InputContract, seed: int = 2):
    """A score that is linear in the words, the same coefficients for all ranks of a collection: order is no matter."""
    rng, parts = np.random.default_rng(seed), []
    for c in used.collections:
        parts += [rng.integers(-9, 10, len(c.fields))] * c.count
    factors = np.concatenate(parts)
    return factors, lambda words: words.astype(np.int64) @ factors + 7


def entangled(words: IntArray) -> IntArray:
    """A score that depends on ranks and on products of words, saturated like firmware."""
    w = words.astype(np.int64)
    ranks = np.arange(1, w.shape[1] + 1)
    return np.minimum(np.abs((w * ranks).sum(axis=1)) + (w[:, 0] * w[:, 9]) // 16 + (w[:, 3] ^ w[:, 12]), 40_000)
