"""Outlier exposure without any signal (arXiv:1812.04606): crossings made unusual, and symmetries that leave them usual.

Images are region energies in integer counts, shape (n, φ, η); φ is cyclic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from trigforge.fixed import IntArray

SPOTS: Final = 6
"""Most deposits that are put on a crossing."""
SPOT_COUNTS: Final = (16.0, 1000.0)
"""Least and largest deposit, drawn evenly in its logarithm."""
SCALE: Final = 4.0
"""Largest factor of a scaled window."""


def turned(images: IntArray, rng: np.random.Generator) -> IntArray:
    """Every image turned by a random number of regions in φ and, half of the time, mirrored in η."""
    n, around, _ = _sizes(images)
    rows = (np.arange(around) + rng.integers(0, around, n)[:, None]) % around
    rolled = images[np.arange(n)[:, None], rows]
    mirrored = rng.random(n) < 0.5
    found: IntArray = np.where(mirrored[:, None, None], rolled[:, :, ::-1], rolled)
    return found


def overlaid(images: IntArray, rng: np.random.Generator) -> IntArray:
    """Two crossings added up, the second one turned: twice the pile-up."""
    return images + turned(images[rng.permutation(len(images))], rng)


def scaled(images: IntArray, rng: np.random.Generator) -> IntArray:
    """The energies in a random window of at least 2×2 regions times 1 … `SCALE`, even in its logarithm."""
    n, around, across = _sizes(images)
    rows = _within(around, rng.integers(0, around, n), rng.integers(2, around + 1, n))
    columns = _within(across, rng.integers(0, across, n), rng.integers(2, across + 1, n))
    factor = np.exp(rng.uniform(0.0, math.log(SCALE), n))[:, None, None]
    window = rows[:, :, None] & columns[:, None, :]
    return np.where(window, np.rint(images * factor), images).astype(np.int64)


def permuted(images: IntArray, rng: np.random.Generator) -> IntArray:
    """The same energies in other places."""
    flat = images.reshape(len(images), images.shape[1] * images.shape[2])
    order = np.argsort(rng.random(flat.shape), axis=1)
    return np.take_along_axis(flat, order, axis=1).reshape(images.shape)


def heated(images: IntArray, rng: np.random.Generator) -> IntArray:
    """1 … `SPOTS` deposits more, each shared at random by a region and its neighbours in φ and η."""
    n, around, across = _sizes(images)
    spots, made = rng.integers(1, SPOTS + 1, n), images.copy()
    for spot in range(SPOTS):
        energy = np.exp(rng.uniform(math.log(SPOT_COUNTS[0]), math.log(SPOT_COUNTS[1]), n)) * (spot < spots)
        row, column = rng.integers(0, around, n), rng.integers(0, across, n)
        along, beside = rng.random(n) ** 2, rng.random(n) ** 2
        for step, share in ((0, 1 - along), (1, along)):
            for side, part in ((0, 1 - beside), (1, beside)):
                place = (np.arange(n), (row + step) % around, np.minimum(column + side, across - 1))
                np.add.at(made, place, np.rint(energy * share * part).astype(np.int64))
    return made


Make = Callable[[IntArray, np.random.Generator], IntArray]

KINDS: Final[tuple[tuple[Make, float], ...]] = ((overlaid, 0.15), (scaled, 0.25), (permuted, 0.1), (heated, 0.5))
"""What outliers are made by, and the share of each."""


def outliers(images: IntArray, high: int, rng: np.random.Generator) -> IntArray:
    """An outlier of every image, up to `high` counts a region: consecutive parts by the shares of `KINDS`."""
    ends = np.rint(np.cumsum([share for _, share in KINDS]) * len(images)).astype(np.int64)
    parts = np.split(images, ends[:-1])
    made = [make(part, rng) for (make, _), part in zip(KINDS, parts, strict=True)]
    return np.minimum(np.concatenate(made), high)


def _sizes(images: IntArray) -> tuple[int, int, int]:
    return len(images), int(images.shape[1]), int(images.shape[2])


def _within(size: int, first: IntArray, length: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether places 0 … size - 1, cyclic, are among the `length` from `first` on: (n, size)."""
    return (np.arange(size) - first[:, None]) % size < length[:, None]
