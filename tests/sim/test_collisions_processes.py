"""The process table."""

from __future__ import annotations

import pytest

from trigforge.errors import InputError
from trigforge.sim.collisions.processes import HARD, JOIN_PT_HAT_GEV, SIGNALS, SOFT, Role, signal


def test_names_are_unique_and_roles_fit() -> None:
    assert len({p.name for p in (SOFT, HARD, *SIGNALS)}) == 2 + len(SIGNALS)
    assert (SOFT.role, HARD.role) == (Role.SOFT, Role.HARD)
    assert all(p.role is Role.SIGNAL for p in SIGNALS)


def test_the_hard_sample_starts_at_the_join() -> None:
    assert f"PhaseSpace:pTHatMin = {JOIN_PT_HAT_GEV}" in HARD.commands
    assert "Beams:eCM = 13600.0" in HARD.commands


def test_signals_are_found_by_name() -> None:
    assert signal("ttbar").title == "top quark pairs"
    with pytest.raises(InputError, match=r"^signal must be one of a_to_4l, lq_to_btau, .*, not 'higgs'$"):
        signal("higgs")
