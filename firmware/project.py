"""`Project`: a reference project's recipe, targets, trigger and verification: `hls_projects/<name>/project.toml`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator

from trigforge.errors import InputError
from trigforge.filling import LHC_ORBIT, FillingScheme, find_filling
from trigforge.firmware.scores.spec import Score
from trigforge.fixed import MAX_WIDTH, FixedType
from trigforge.value import Value

BX_NS: Final = 25.0
"""Time between bunch crossings, nominally."""
_BX_TOLERANCE: Final = 1e-3
_TdataBits = Annotated[int, Field(ge=8, le=4096, multiple_of=8)]


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


class Trigger(Value):
    """The trigger around the core: which of the program's outputs are scores, and how many algorithms compare each."""

    scores: tuple[int, ...] = ()
    """Indices of the output words that are scores; default: all."""
    algorithms: tuple[int, ...] = Field(default=(1,), min_length=1)
    """Number of algorithms on each score, or one number for all."""
    orbit: int = Field(default=LHC_ORBIT, ge=2, le=1 << 16)
    """Bunch crossings an orbit."""
    filling: str = "nominal"
    """Crossings that collide in verification: `nominal`, `bcms`, `all`, `single`, or a formula of their notation."""

    @field_validator("scores")
    @classmethod
    def _scores_are_distinct(cls, scores: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(scores)) != len(scores) or any(score < 0 for score in scores):
            raise ValueError(f"scores must be distinct indices of outputs, not {list(scores)}")
        return scores

    @model_validator(mode="after")
    def _numbers_agree(self) -> Self:
        if any(number < 1 for number in self.algorithms):
            raise ValueError(f"algorithms must be at least 1 for every score, not {list(self.algorithms)}")
        if self.scores and len(self.algorithms) not in {1, len(self.scores)}:
            raise ValueError(
                f"algorithms must be one number or one for each of {len(self.scores)} scores, "
                f"not {list(self.algorithms)}"
            )
        if self.scheme.crossings != self.orbit:
            raise ValueError(f"filling must have the orbit's {self.orbit} crossings, not {self.scheme.crossings}")
        return self

    @property
    def scheme(self) -> FillingScheme:
        """The filling scheme."""
        return find_filling(self.filling)

    def compares(self, outputs: int) -> tuple[int, ...]:
        """The output word that every algorithm compares, for a program with so many; `InputError` if they disagree."""
        scores = self.scores or tuple(range(outputs))
        if max(scores) >= outputs:
            raise InputError(f"scores must be 0..{outputs - 1}, outputs of the program, not {list(scores)}")
        if len(self.algorithms) not in {1, len(scores)}:
            raise InputError(
                f"algorithms must be one number or one for each of {len(scores)} scores, not {list(self.algorithms)}"
            )
        numbers = self.algorithms if len(self.algorithms) == len(scores) else self.algorithms * len(scores)
        return tuple(score for score, number in zip(scores, numbers, strict=True) for _ in range(number))


class LinkShape(Value):
    """Serial links of one direction, and where words are on them."""

    links: int | None = Field(default=None, ge=1, le=512)
    """Default: as many as the words need."""
    width: int = Field(default=64, ge=1, le=64)
    """Bits a frame."""
    align: int = Field(default=1, ge=1, le=64)
    """Every word begins at a multiple of so many bits of its frame."""
    places: tuple[tuple[int, int, int], ...] = ()
    """Link, frame and lowest bit of every word; default: in their order, a word that does not fit begins a frame."""

    @model_validator(mode="after")
    def _words_have_one_place(self) -> Self:
        if self.places and self.align != 1:
            raise ValueError(f"align must be left out where places say where words are, not {self.align}")
        return self


class Links(Value):
    """The links of a trigger, a frame a clock: those that bring its words, and those that take its results."""

    receives: LinkShape = LinkShape()
    sends: LinkShape = LinkShape()


class Axis(Value):
    """The AXI4-Streams of a core: one of its words, one of its results."""

    data_bits: tuple[_TdataBits, _TdataBits] = (64, 64)
    """Bits of TDATA, words' and results'."""
    lane_bits: int | None = Field(default=None, ge=1, le=MAX_WIDTH)
    """Every word begins a lane of so many bits, its sign extended; default: words follow each other bit by bit."""
    depth: int | None = Field(default=None, ge=1, le=4096)
    """Events that wait for a receiver that is not ready; default: as many as an event a clock needs."""


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
    recipe: str = "vae_small_l1"
    model: ModelFile | None = None
    """A saved model, converted instead of training the recipe's."""
    targets: Targets = Targets()
    trigger: Trigger | None = None
    """The trigger that is written and verified with the core; default: none."""
    links: Links | None = Field(default=None, exclude_if=lambda links: links is None)
    """Serial links of the trigger, written and verified around it; default: none."""
    axis: Axis | None = Field(default=None, exclude_if=lambda axis: axis is None)
    """AXI4-Streams around the core, written and verified with it, whether or not there is a trigger; default: none."""
    verification: Verification = Verification()

    @property
    def top(self) -> str:
        """Name of the HLS function and of the RTL module; never a keyword of either language."""
        return f"{self.name}_core"

    @property
    def clocks_per_bx(self) -> int:
        """Clock periods a bunch crossing of 25 ns; `InputError` if they are no integer, to a thousandth."""
        clocks = round(BX_NS / self.targets.clock_ns)
        if abs(clocks * self.targets.clock_ns - BX_NS) > _BX_TOLERANCE * BX_NS:
            fewer = int(BX_NS / self.targets.clock_ns)
            low, high = BX_NS / (fewer + 1), BX_NS / fewer
            raise InputError(
                f"clock_ns of a trigger must be {BX_NS:g} ns over an integer (a multiple of 40 MHz), such as {low:.5g} "
                f"or {high:.5g}, not {self.targets.clock_ns:g}; change it or leave [trigger] out"
            )
        return clocks

    @model_validator(mode="after")
    def _clock_fits_the_crossings(self) -> Self:
        if self.trigger is not None:
            _ = self.clocks_per_bx
        return self

    @model_validator(mode="after")
    def _links_have_a_trigger(self) -> Self:
        if self.links is not None and self.trigger is None:
            raise ValueError(
                "[links] must stand beside [trigger], the words and results of which they carry, but there is none; "
                "add [trigger], or take [axis] for a core alone"
            )
        return self

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
