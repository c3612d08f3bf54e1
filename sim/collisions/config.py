"""What is simulated: samples by name, the pile-up under them and the library behind it."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from trigforge.sim.collisions.overlay import DEFAULT_PULSES, Pulse
from trigforge.sim.collisions.processes import PRIMARIES, primary
from trigforge.sim.collisions.revision import source_digest
from trigforge.value import Value

ZERO_BIAS: Final = "zero_bias"
ENHANCED_BIAS: Final = "enhanced_bias"
TITLES: Final = {
    ZERO_BIAS: "zero bias: crossings as nature makes them",
    ENHANCED_BIAS: "enhanced bias: zero bias with more hard, electroweak and top interactions, weighted back",
}


class Content(StrEnum):
    """What is kept of an event: Level-1 objects, or also jets at HLT, offline and particle level."""

    LEVEL1 = "level1"
    JETS = "jets"


class SampleConfig(Value):
    """One sample: `zero_bias`, `enhanced_bias`, or crossings that all hold an interaction of the process `name`.

    A process generates `interactions` of them and uses them in turn (0: as many as `events`). `regions` adds the 252
    calorimeter regions, kept in steps of `region_step` counts of 0.5 GeV (`level1.coarse`). With a `density`, of the
    `events` crossings that are made only about so many are kept in every factor e of rate (`thinning`).
    """

    name: str
    events: int = Field(ge=1)
    interactions: int = Field(default=0, ge=0)
    content: Content = Content.JETS
    regions: bool = False
    region_step: int = Field(default=1, ge=1, le=64)
    density: int = Field(default=0, ge=0)

    @field_validator("name")
    @classmethod
    def _name_is_known(cls, name: str) -> str:
        known = (*TITLES, *PRIMARIES)
        if name not in known:
            raise ValueError(f"sample must be one of {', '.join(known)}, not {name!r}")
        return name

    @field_validator("region_step")
    @classmethod
    def _step_drops_bits(cls, step: int) -> int:
        if step & (step - 1):
            raise ValueError(f"region_step must be a power of two, not {step}")
        return step

    @property
    def is_background(self) -> bool:
        """Whether Σ weight estimates one crossing."""
        return self.name in TITLES

    @property
    def title(self) -> str:
        """One line on the sample."""
        return TITLES.get(self.name) or primary(self.name).title

    @property
    def primaries(self) -> int:
        """Interactions to generate for a process."""
        return 0 if self.is_background else self.interactions or self.events


DEFAULT_SAMPLES: Final = (
    SampleConfig(name=ZERO_BIAS, events=100_000, content=Content.LEVEL1),
    SampleConfig(name=ENHANCED_BIAS, events=400_000, density=1_300),
    *(
        SampleConfig(name=name, events=4_000, content=Content.LEVEL1)
        for name in ("a_to_4l", "lq_to_btau", "h_to_tautau", "hplus_to_taunu")
    ),
)
"""What a run needs: zero bias to train on, enhanced bias to measure rates with, and signals."""


class CollisionConfig(Value):
    """A data set: samples over one library of interactions.

    `pileup` is the mean number of inelastic interactions in a crossing, in this one and in those whose `pulses` reach
    into it. Crossings whose hardest Level-1 jet is below `hlt_seed_gev` get no HLT and offline jets, and of those
    jets only what has `jet_pt_min_gev` of pt - ρ·area is kept. `jobs` = 0 takes all cores; results do not depend on
    it.
    """

    samples: tuple[SampleConfig, ...] = Field(default=DEFAULT_SAMPLES, min_length=1)
    pileup: float = Field(default=60.0, ge=0, le=200)
    soft_interactions: int = Field(default=16_000, ge=1)
    hard_interactions: int = Field(default=16_000, ge=1)
    rare_interactions: int = Field(default=1_000, ge=1)
    pulses: tuple[Pulse, ...] = DEFAULT_PULSES
    hlt_seed_gev: float = Field(default=30.0, ge=0)
    jet_pt_min_gev: float = Field(default=10.0, ge=10)
    seed: int = Field(default=1, ge=0)
    jobs: int = Field(default=0, ge=0)

    @field_validator("samples")
    @classmethod
    def _samples_are_different(cls, samples: tuple[SampleConfig, ...]) -> tuple[SampleConfig, ...]:
        names = [sample.name for sample in samples]
        if len(set(names)) != len(names):
            raise ValueError(f"samples must have different names, not {', '.join(names)}")
        return samples

    @model_validator(mode="after")
    def _zero_bias_has_pile_up(self) -> Self:
        if self.pileup == 0 and any(sample.is_background for sample in self.samples):
            raise ValueError("pileup must be above 0 for zero_bias and enhanced_bias, which consist of it")
        return self

    def key(self, sample: SampleConfig) -> str:
        """A digest of all that decides a sample, the code included."""
        alone: CollisionConfig = self.model_copy(update={"samples": (sample,), "jobs": 0})
        return hashlib.sha256(f"{source_digest()} {alone.digest}".encode()).hexdigest()
