"""`Project`: a reference project's recipe, targets and verification, as `hls_projects/<name>/project.toml`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from trigforge.value import Value


class Targets(Value):
    """The device and the budget that firmware is built for."""

    part: str = "xcvu13p-flga2577-2-e"
    clock_ns: float = Field(default=5.0, gt=0, le=25)
    logic_per_stage: float = Field(default=5.0, gt=0)
    """Adder depth between two registers, in the RTL engine's delay units."""
    latency_budget_ns: float = Field(default=100.0, gt=0)


class Verification(Value):
    """How many vectors of each kind the certificate compares."""

    physics: int = Field(default=4000, ge=1000)
    random: int = Field(default=1000, ge=1)
    simulator: str = "verilator"
    seed: int = 1


class Project(Value):
    """One firmware project: its name, the recipe of its model, its targets and its verification."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    recipe: str = "vae_l1"
    targets: Targets = Targets()
    verification: Verification = Verification()

    @property
    def top(self) -> str:
        """Name of the HLS function and of the RTL module; never a keyword of either language."""
        return f"{self.name}_core"


def build_folder(projects: Path, name: str) -> Path:
    """Where a project's generated trees go: `<projects>/<name>/build`."""
    return projects / name / "build"
