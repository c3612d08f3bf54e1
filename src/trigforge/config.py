"""`RunConfig`: what one `trigforge run` does, as a TOML file; every key has a default."""

from __future__ import annotations

from pydantic import Field

from trigforge.firmware.project import Project
from trigforge.sim.collisions.simulate import CollisionConfig
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, ORBIT_BUNCHES
from trigforge.value import Value


class RateConfig(Value):
    """Where the trigger runs: the machine, the menu and the rate that the anomaly seed may take."""

    target_rate_khz: float = Field(default=10.0, gt=0)
    colliding_bunches: int = Field(default=DEFAULT_COLLIDING_BUNCHES, ge=1, le=ORBIT_BUNCHES)
    menu: str = ""
    """A menu file; empty for the shipped one."""
    score_fpr: float = Field(default=1e-3, gt=0, lt=1)
    """Background efficiency at which signal efficiencies are quoted."""


class RunConfig(Value):
    """Collisions, firmware project and rates of a run."""

    collisions: CollisionConfig = CollisionConfig()
    project: Project = Project(name="vae_l1")
    rates: RateConfig = RateConfig()
