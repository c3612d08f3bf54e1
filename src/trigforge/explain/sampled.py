"""Shapley values by random orders of the players, each with its reverse (antithetic), and their standard errors.

In an order every player is worth what the score changes by when it joins those before it, so that the sum over players
telescopes: it is score less baseline in every order, and exactly so on average. Players of a unit follow one another
(Owen 1977): the words of an object then share what the object is worth. Orders are drawn as in arXiv:2104.12199.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trigforge.explain.objects import BoolArray, Layout, Score, scores_of
from trigforge.fixed import IntArray
from trigforge.weighted import FloatArray

MOST_WORDS = 1 << 22
"""Words of the events that are evaluated at a time."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One event: sums of changes over all orders (players,), the number of orders, standard errors of the means."""

    sums: IntArray
    orders: int
    errors: FloatArray
    baseline_sum: int
    """Of the scores at the beginning of every order."""


@dataclass(frozen=True, slots=True)
class Players:
    """`words[j]` are the words (n, words) that belong to player j; `units[j]` numbers the unit it joins with."""

    words: BoolArray
    units: IntArray


def sample_event(
    score: Score, layout: Layout, event: IntArray, others: IntArray, players: Players, seed: tuple[int, ...]
) -> Sampled:
    """Contributions to the score of one event (words,), a pair of orders for each event of `others` (pairs, words)."""
    rng, pairs, count = np.random.default_rng(seed), len(others), len(players.units)
    changes, begins = np.empty((pairs, count), dtype=np.int64), 0
    step = max(1, MOST_WORDS // (2 * (count + 1) * len(event)))
    owners = np.where(players.words.any(axis=0), players.words.argmax(axis=0), count)
    for start in range(0, pairs, step):
        block = others[start : start + step]
        orders = _orders(players.units, len(block), rng)
        values = _scores_along(score, layout, event, np.repeat(block, 2, axis=0), orders, owners)
        joined = np.empty_like(orders)
        np.put_along_axis(joined, orders, np.diff(values, axis=1), axis=1)
        changes[start : start + step] = joined.reshape(-1, 2, count).sum(axis=1)
        begins += int(values[:, 0].sum())
    errors = changes.std(axis=0, ddof=1) / 2 / np.sqrt(pairs)
    return Sampled(changes.sum(axis=0), 2 * pairs, errors, begins)


def _orders(units: IntArray, pairs: int, rng: np.random.Generator) -> IntArray:
    """Random orders (2 · pairs, players) in which units stay together, each followed by its reverse."""
    among_units = rng.permuted(np.tile(np.arange(units.max() + 1), (pairs, 1)), axis=1)
    keys = among_units[:, units] + rng.random((pairs, len(units)))
    forward = np.argsort(keys, axis=1)
    return np.stack([forward, forward[:, ::-1]], axis=1).reshape(2 * pairs, len(units))


def _scores_along(
    score: Score, layout: Layout, event: IntArray, others: IntArray, orders: IntArray, owners: IntArray
) -> IntArray:
    """Scores (orders, players + 1) of every order, before the first player and after each."""
    lines, count = orders.shape
    places = np.empty((lines, count + 1), dtype=np.int16)
    np.put_along_axis(places, orders, np.arange(count, dtype=np.int16)[None], axis=1)
    places[:, count] = count
    keep = places[:, None, owners] < np.arange(count + 1, dtype=np.int16)[:, None]
    built = layout.mixed(keep.reshape(-1, len(event)), event, np.repeat(others, count + 1, axis=0))
    return scores_of(score, built).reshape(lines, count + 1)
