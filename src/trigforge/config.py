"""`RunConfig`: what one `trigforge run` does, as a TOML file; every key has a default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from trigforge.errors import InputError
from trigforge.firmware.project import Project
from trigforge.models.recipe import Recipe, find_recipe, shipped_recipes
from trigforge.models.settings import Kind
from trigforge.sim.collisions.config import CollisionConfig
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
    compared_rate_khz: float = Field(default=1.0, gt=0)
    """Total and pure rate at which the score is compared with simpler triggers."""


class RunConfig(Value):
    """Events, firmware project and rates of a run."""

    samples: str = ""
    """A folder of samples from `trigforge generate`; empty for those that trigforge brings along."""
    collisions: CollisionConfig | None = None
    """What to simulate instead."""
    project: Project = Project(name="vae_small_l1")
    rates: RateConfig = RateConfig()

    @model_validator(mode="after")
    def _events_have_one_origin(self) -> Self:
        if self.samples and self.collisions is not None:
            raise ValueError("samples and collisions must not both be given: events are read or simulated")
        return self


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user said on the command line."""

    config: Path | None = None
    recipe: str | None = None
    samples: Path | None = None
    generate: bool = False


def choose_config(out: Path, choices: Choices, projects: Path) -> tuple[RunConfig, str]:
    """The configuration of a run, and where it comes from.

    That is the chosen file, else what the run in `out` was made with, else the defaults with the project's own
    `project.toml`; the other choices replace its keys. Files that it names become absolute, since it is stored.
    """
    stored = out / STORED
    source = choices.config or (stored if stored.is_file() else None)
    config, origin = (RunConfig.load(source), str(source)) if source else (RunConfig(), "defaults")
    project, rates = config.project, config.rates
    project_file = projects / project.name / "project.toml"
    if source is None and project_file.is_file():
        project, origin = Project.load(project_file), f"defaults, {project_file}"
    asked = choices.recipe or project.recipe
    _require_level1_score(find_recipe(asked))
    if asked not in shipped_recipes():
        asked = str(Path(asked).resolve())
    menu = str(Path(rates.menu).resolve()) if rates.menu else ""
    samples, collisions = _origin_of_events(config, choices)
    chosen = {
        "samples": samples,
        "collisions": collisions,
        "project": project.model_copy(update={"recipe": asked}),
        "rates": rates.model_copy(update={"menu": menu}),
    }
    return config.model_copy(update=chosen), origin


def _require_level1_score(recipe: Recipe) -> None:
    if recipe.data.kind is not Kind.LEVEL1 or not recipe.architecture.scores:
        raise InputError(
            f"a run's recipe must make a score of Level-1 words, but {recipe.name} does not; "
            f"'trigforge train {recipe.name}' trains it by itself"
        )


def _origin_of_events(config: RunConfig, choices: Choices) -> tuple[str, CollisionConfig | None]:
    """The folder of samples, or what to simulate."""
    if choices.samples is not None and choices.generate:
        raise InputError("--samples and --generate must not both be given: events are read or simulated")
    if choices.samples is not None:
        return str(choices.samples.resolve()), None
    if choices.generate:
        return "", config.collisions or CollisionConfig()
    return str(Path(config.samples).resolve()) if config.samples else "", config.collisions
