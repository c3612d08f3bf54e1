"""`RunConfig`: what one `trigforge run` does, as a TOML file; every key has a default."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field

from trigforge.firmware.project import Project
from trigforge.models.recipe import find_recipe, shipped_recipes
from trigforge.sim.collisions.simulate import CollisionConfig
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, ORBIT_BUNCHES
from trigforge.value import Value

STORED: Final = "run.json"
"""Where a run keeps its configuration."""


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


def choose_config(out: Path, given: Path | None, recipe: str | None, projects: Path) -> tuple[RunConfig, str]:
    """The configuration of a run, and where it comes from.

    That is the `given` file, else what the run in `out` was made with, else the defaults with the project's own
    `project.toml`; `recipe` replaces the project's. Files that it names become absolute, since it is stored.
    """
    stored = out / STORED
    source = given or (stored if stored.is_file() else None)
    config, origin = (RunConfig.load(source), str(source)) if source else (RunConfig(), "defaults")
    project, rates = config.project, config.rates
    project_file = projects / project.name / "project.toml"
    if source is None and project_file.is_file():
        project, origin = Project.load(project_file), f"defaults, {project_file}"
    asked = recipe or project.recipe
    find_recipe(asked)
    if asked not in shipped_recipes():
        asked = str(Path(asked).resolve())
    menu = str(Path(rates.menu).resolve()) if rates.menu else ""
    chosen = {"project": project.model_copy(update={"recipe": asked}), "rates": rates.model_copy(update={"menu": menu})}
    return config.model_copy(update=chosen), origin
