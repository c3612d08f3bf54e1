"""Events that bring a node towards a region: bred, best ones first, from known events and from relaxed optima."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from trigforge.fixed import IntArray

Distance = Callable[[IntArray], IntArray]
"""Events (n, words) -> how far (n,) they are from what is wanted; 0 there."""

CHILDREN: Final = 3072
PARENTS: Final = 256
GENERATIONS: Final = 400
PATIENCE: Final = 50
"""Generations without progress after which a climb is given up."""


def climb(
    distance: Distance,
    limits: tuple[IntArray, IntArray],
    words: IntArray,
    start: IntArray,
    seed: Sequence[int],
) -> IntArray:
    """The nearest events (n, all words), nearest first, within `limits` (each (all words,)).

    Only `words` (indices) are changed; the climb begins at the best of the events `start` (n, all words) and of random
    ones made of them.
    """
    generator = np.random.default_rng(seed)
    low, high = limits
    scattered = start[generator.integers(0, len(start), CHILDREN)]
    chosen = np.zeros(scattered.shape, dtype=bool)
    chosen[:, words] = generator.random((CHILDREN, len(words))) < generator.random((CHILDREN, 1))
    events = np.concatenate([start, np.where(chosen, _anywhere(low, high, scattered, generator), scattered)])
    best, stale = None, 0
    for _ in range(GENERATIONS):
        far = distance(events)
        order = np.lexsort((generator.random(len(events)), far))[:PARENTS]
        parents, nearest = events[order], int(far[order[0]])
        best, stale = (nearest, 0) if best is None or nearest < best else (best, stale + 1)
        if not nearest or stale > PATIENCE:
            break
        events = np.unique(np.concatenate([parents, _children(parents, low, high, words, generator)]), axis=0)
    return parents


def _children(
    parents: IntArray, low: IntArray, high: IntArray, words: IntArray, generator: np.random.Generator
) -> IntArray:
    """Events of which many have some words of another parent, and all have one to four words that are moved."""
    own, other = (parents[generator.integers(0, len(parents), CHILDREN)] for _ in range(2))
    share = np.where(generator.random((CHILDREN, 1)) < 0.5, 0.3, 0.0)
    rows = np.where(generator.random(own.shape) < share, other, own)
    moved = np.zeros(rows.shape, dtype=bool)
    count = generator.integers(1, 5, (CHILDREN, 1))
    moved[:, words] = generator.random((CHILDREN, len(words))) * len(words) < count
    reach = np.exp2(generator.random(rows.shape) * np.log2(np.maximum(high - low, 2))).astype(np.int64)
    steps = np.clip(rows + generator.choice([-1, 1], rows.shape) * reach, low, high)
    near = generator.random(rows.shape) < 2 / 3
    return np.where(moved, np.where(near, steps, _anywhere(low, high, rows, generator)), rows)


def _anywhere(low: IntArray, high: IntArray, rows: IntArray, generator: np.random.Generator) -> IntArray:
    """Words anywhere or, half of them, at an end."""
    ends = np.where(generator.random(rows.shape) < 0.5, low, high)
    return np.where(generator.random(rows.shape) < 0.5, ends, generator.integers(low, high, rows.shape, endpoint=True))
