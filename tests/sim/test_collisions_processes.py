"""The process table."""

from __future__ import annotations

import pytest

from trigforge.errors import InputError
from trigforge.sim.collisions.processes import HARD, JOIN_PT_HAT_GEV, PRIMARIES, RARE, SIGNALS, SOFT, Role, primary


def test_names_are_unique_and_roles_fit() -> None:
    assert len({p.name for p in (SOFT, HARD, *RARE, *SIGNALS)}) == 2 + len(RARE) + len(SIGNALS)
    assert (SOFT.role, HARD.role) == (Role.SOFT, Role.HARD)
    assert {p.role for p in RARE} == {Role.RARE}
    assert {p.role for p in SIGNALS} == {Role.SIGNAL}
    assert SOFT.name not in PRIMARIES


def test_the_hard_sample_starts_at_the_join() -> None:
    assert f"PhaseSpace:pTHatMin = {JOIN_PT_HAT_GEV}" in HARD.commands
    assert "Beams:eCM = 13600.0" in HARD.commands


def test_processes_are_found_by_name() -> None:
    assert primary("ttbar").title == "top quark pairs"
    with pytest.raises(
        InputError, match=r"^process must be one of qcd, w, z, ttbar, photon, a_to_4l, .*, not 'higgs'$"
    ):
        primary("higgs")
