"""The towers of crossings: those of their interactions added up, with tails of other crossings, noise and thresholds.

The pulse of a calorimeter is longer than the 25 ns between crossings; the trigger's filters take most of the tail
away. What is left of another crossing's energy is a `Pulse`.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from trigforge.sim.collisions.detector import N_ETA, N_PHI
from trigforge.sim.collisions.interactions import FloatArray, Interactions
from trigforge.sim.collisions.mixing import Crossings, Uses
from trigforge.value import Value

EM_NOISE_GEV: Final = 0.15
HAD_NOISE_GEV: Final = 0.20
EM_SUPPRESSION_GEV: Final = 0.50
HAD_SUPPRESSION_GEV: Final = 0.75
"""Noise of a lit tower and the transverse energy below which its compartment reads zero.

Assumed: a Level-1 word of 0.5 GeV is kept in the electromagnetic calorimeter and dropped in the hadronic one (0.75 GeV
rounds to the next), so that at a mean pile-up of 60 a fifth of the central towers are lit. The thresholds are more
than three standard deviations of the noise, so empty towers, which get none, stay empty."""
NOISE_TABLE: Final = 1 << 16


class Pulse(Value):
    """The fraction of the energies of the crossing at `offset` (in crossings) that is added to this one's."""

    offset: int
    em: float
    had: float


DEFAULT_PULSES: Final = (
    Pulse(offset=-1, em=0.05, had=0.10),
    Pulse(offset=1, em=0.02, had=0.05),
)
"""Assumed, not measured at a detector: the order of what is left after the filters of a trigger's front end."""


def overlay(
    crossings: Crossings, library: Interactions, pulses: tuple[Pulse, ...], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Electromagnetic and hadronic transverse energies of all towers in GeV, float32 of shape (n, 114, 72)."""
    shape = (len(crossings), N_ETA, N_PHI)
    em, had = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for uses, pulse in zip((crossings.now, *crossings.spill), (None, *pulses), strict=True):
        scales = np.array([1.0, 1.0] if pulse is None else [pulse.em, pulse.had], np.float32)
        _add(*_places(uses), library.tower_start, library.tower, library.em, library.had, scales, em, had)
    table = rng.standard_normal(NOISE_TABLE).astype(np.float32)
    _suppress(em, table, rng.integers(0, NOISE_TABLE, len(em)), EM_NOISE_GEV, EM_SUPPRESSION_GEV)
    _suppress(had, table, rng.integers(0, NOISE_TABLE, len(em)), HAD_NOISE_GEV, HAD_SUPPRESSION_GEV)
    return em, had


def overlay_neutral(uses: Uses, library: Interactions) -> FloatArray:
    """Transverse energies of the particles that offline reconstruction sees in calorimeters only, as `overlay`."""
    total = np.zeros((len(uses.start) - 1, N_ETA, N_PHI), np.float32)
    _add_one(*_places(uses), library.tower_start, library.tower, library.neutral, total)
    return total


def _places(uses: Uses) -> tuple[Any, Any, Any, Any]:
    return uses.start, uses.index, uses.turn, uses.mirror


# The kernels are numba's and untyped.
kernel: Any = numba.njit(cache=True, nogil=True)


@kernel
def _place(cell, turn, mirror):  # type: ignore[no-untyped-def]
    """Row and column of a tower of a turned and mirrored interaction."""
    eta, phi = cell // N_PHI, cell % N_PHI + turn
    return N_ETA - 1 - eta if mirror else eta, phi - N_PHI if phi >= N_PHI else phi


@kernel
def _add(start, index, turn, mirror, tower_start, tower, em, had, scales, out_em, out_had):  # type: ignore[no-untyped-def]
    for crossing in range(len(start) - 1):
        for use in range(start[crossing], start[crossing + 1]):
            for t in range(tower_start[index[use]], tower_start[index[use] + 1]):
                eta, phi = _place(np.int64(tower[t]), np.int64(turn[use]), mirror[use])
                out_em[crossing, eta, phi] += scales[0] * em[t]
                out_had[crossing, eta, phi] += scales[1] * had[t]


@kernel
def _add_one(start, index, turn, mirror, tower_start, tower, energy, out):  # type: ignore[no-untyped-def]
    for crossing in range(len(start) - 1):
        for use in range(start[crossing], start[crossing + 1]):
            for t in range(tower_start[index[use]], tower_start[index[use] + 1]):
                eta, phi = _place(np.int64(tower[t]), np.int64(turn[use]), mirror[use])
                out[crossing, eta, phi] += energy[t]


@kernel
def _suppress(towers, table, first, noise, threshold):  # type: ignore[no-untyped-def]
    """Add noise to lit towers, then zero those below the threshold."""
    for crossing in range(len(towers)):
        place = first[crossing]
        for eta in range(N_ETA):
            for phi in range(N_PHI):
                value = towers[crossing, eta, phi]
                if value != 0:
                    value += noise * table[place % NOISE_TABLE]
                    towers[crossing, eta, phi] = value if value >= threshold else 0
                place += 1
