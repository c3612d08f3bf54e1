"""`Project`: a reference project's recipe, targets and verification, as `hls_projects/<name>/project.toml`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from trigforge.firmware.scores.spec import Score
from trigforge.fixed import FixedType
from trigforge.value import Value


class Language(StrEnum):
    """The hardware description languages that a core is written in; VHDL means VHDL-2008."""

    VERILOG = "verilog"
    VHDL = "vhdl"


class Targets(Value):
    """The device and the budget that firmware is built for, and what is assumed about the device's speed."""

    part: str = "xcvu13p-flga2577-2-e"
    clock_ns: float = Field(default=5.0, gt=0, le=25)
    latency_budget_ns: float = Field(default=100.0, gt=0)
    """From an input word at the port to its output word at the port, all registers included."""
    language: Language = Language.VERILOG
    stages: int | None = Field(default=None, ge=1)
    """Logic stages between the input and the output register; default: the fewest that meet clock and budget."""
    ns_per_level: float | None = Field(default=None, gt=0)
    """Delay of a LUT and its net on the part; default: what `trigforge.firmware.pipeline` assumes for its family."""
    clock_uncertainty: float = Field(default=0.1, ge=0, lt=1)
    """Share of the clock period that logic may not use (jitter, skew); the constraints written with the RTL say so."""


class Verification(Value):
    """How many vectors of each kind the certificate compares."""

    physics: int = Field(default=4000, ge=1000)
    random: int = Field(default=1000, ge=1)
    simulator: str = "verilator"
    seed: int = 1


class Precision(Value):
    """Fixed-point types for what a model leaves open (post-training quantisation), in hls4ml's notation."""

    default: str = ""
    """Type of every weight, accumulator and result that is not named below, such as `fixed<16,6,RND,SAT>`."""
    layers: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Types by layer and by variable (`weight`, `bias`, `accum`, `result`, `table` …)."""


class ModelFile(Value):
    """A saved model of any front end, and what it must be told to be converted."""

    file: str
    """`.keras`, `.h5` (QKeras 0.9) or `.onnx` (QONNX, ONNX), relative to the project's folder."""
    input: FixedType | None = None
    """Type of its input values; without one, `contract` says what the words are."""
    contract: str = ""
    """An input contract (JSON), relative to the project's folder."""
    sampling: str = ""
    """The layer of a VAE that samples the latent space; it is replaced by the mean."""
    precision: Precision = Precision()
    score: Score | None = None
    """What becomes the only output; default: the model's own."""
    score_type: FixedType | None = None
    """The score's type, rounding and saturating; default: exact."""
    allow_wrap: bool = False
    """Accept types that wrap for values that the input can reach."""

    @model_validator(mode="after")
    def _words_have_one_meaning(self) -> Self:
        if (self.input is None) == (not self.contract):
            raise ValueError(
                "the model must have either input, a type such as 'fixed<12,4,RND,SAT>', or contract, a file"
            )
        return self


class Project(Value):
    """One firmware project: its name, its model (a recipe to train or a file), its targets and its verification."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
    recipe: str = "vae_l1"
    model: ModelFile | None = None
    """A saved model, converted instead of training the recipe's."""
    targets: Targets = Targets()
    verification: Verification = Verification()

    @property
    def top(self) -> str:
        """Name of the HLS function and of the RTL module; never a keyword of either language."""
        return f"{self.name}_core"

    @model_validator(mode="after")
    def _language_can_be_simulated(self) -> Self:
        vhdl = self.targets.language is Language.VHDL
        if vhdl != (self.verification.simulator == "ghdl"):
            raise ValueError(
                f"language {self.targets.language.value!r} must be verified with "
                f"{'ghdl' if vhdl else 'verilator or icarus'}, not {self.verification.simulator!r}"
            )
        return self


def build_folder(projects: Path, name: str) -> Path:
    """Where a project's generated trees go: `<projects>/<name>/build`."""
    return projects / name / "build"
