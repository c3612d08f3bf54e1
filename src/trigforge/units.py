"""Constants of the LHC and of the Level-1 trigger scales, with their units in their names."""

from __future__ import annotations

from typing import Final

from .errors import InputError

BUNCH_SPACING_NS: Final = 25.0
ORBIT_BUNCHES: Final = 3564
"""Bunch places in one LHC orbit."""

ORBIT_HZ: Final = 11245.5
"""Revolution frequency of the LHC: 40.0790 MHz / 3564."""

DEFAULT_COLLIDING_BUNCHES: Final = 2544
SQRT_S_GEV: Final = 13600.0

PT_LSB_GEV: Final = 0.5
CALO_ETA_LSB: Final = 0.087 / 2
CALO_PHI_STEPS: Final = 144
MUON_ETA_LSB: Final = 0.010875
MUON_PHI_STEPS: Final = 576


def crossing_rate_hz(colliding_bunches: int) -> float:
    """Rate of bunch crossings with colliding bunches, n_b · f_rev, in Hz (28.61 MHz for 2544 bunches)."""
    if not 0 < colliding_bunches <= ORBIT_BUNCHES:
        raise InputError(f"colliding_bunches must be in 1..{ORBIT_BUNCHES}, not {colliding_bunches!r}")
    return colliding_bunches * ORBIT_HZ
