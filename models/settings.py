"""What every training is told, whatever the network: epochs, bit widths and their price, pruning, decorrelation."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from trigforge.fixed import Rounding
from trigforge.value import Value


class Arithmetic(StrEnum):
    """Which layers a network is built from."""

    LEARNT = "learnt"
    """HGQ2: training learns a width for every weight and activation (arXiv:2405.00645)."""
    FIXED = "fixed"
    """The QKeras API: one width for all weights and one for all activations, as in arXiv:2006.10159."""
    FLOAT = "float"
    """Keras's own layers in single precision: the network that the others are compared with; no firmware."""
    BREVITAS = "brevitas"
    """Brevitas on PyTorch: widths fixed likewise, for networks of dense layers."""


class Quantisation(Value):
    """Bit widths at the start, and the pressure on them; with learnt widths the training changes every one.

    EBOPs (effective bit operations, arXiv:2405.00645) are the cost term, weighted with `beta`: it rises log-linearly
    from `beta_start` to `beta_end` over the epochs after `warmup` (a fraction of all epochs), or, where the training
    is given a number of LUTs, a PID controller sets it after the warm-up.
    """

    arithmetic: Arithmetic = Arithmetic.LEARNT
    weight_bits: int = Field(default=6, ge=1, le=16)
    weight_integer: int = Field(default=2, ge=0, le=8)
    activation_fraction: int = Field(default=4, ge=0, le=12)
    activation_integer: int = Field(default=4, ge=1, le=12)
    activation_rounding: Rounding = Rounding.RND
    """`TRN` rounds down, which needs no adder."""
    beta_start: float = Field(default=1e-7, gt=0)
    beta_end: float = Field(default=1e-5, gt=0)
    warmup: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _rounding_is_known(self) -> Quantisation:
        if self.activation_rounding not in (Rounding.RND, Rounding.TRN, Rounding.RND_CONV):
            raise ValueError(f"activation_rounding must be RND, RND_CONV or TRN, not {self.activation_rounding.value}")
        return self

    @model_validator(mode="after")
    def _brevitas_has_it(self) -> Quantisation:
        if self.arithmetic is not Arithmetic.BREVITAS:
            return self
        if self.activation_rounding is Rounding.RND:
            raise ValueError("activation_rounding must be RND_CONV or TRN with arithmetic brevitas, which has no RND")
        if self.weight_bits == 1:
            raise ValueError("weight_bits must be at least 2 with arithmetic brevitas, not 1: a sign and one more")
        return self


class Pruning(Value):
    """Weights of a neuron that are not 0 in the end: the depth of its adder tree.

    Every neuron keeps its `fan_in` largest weights; how many falls from all to `fan_in` along a cubic curve between
    the fractions `begin` and `end` of the epochs (arXiv:1710.01878).
    """

    fan_in: int | None = Field(default=None, ge=1)
    begin: float = Field(default=0.0, ge=0, le=1)
    end: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _curve_goes_forward(self) -> Pruning:
        if self.end < self.begin:
            raise ValueError(f"end must not be before begin, {self.begin:g}, but is {self.end:g}")
        return self

    def kept(self, inputs: int, done: float) -> int:
        """Weights a neuron of so many inputs keeps when a fraction `done` of the training is over."""
        if self.fan_in is None or self.fan_in >= inputs or done < self.begin:
            return inputs
        share = 1.0 if self.end == self.begin else min(1.0, (done - self.begin) / (self.end - self.begin))
        return round(self.fan_in + (inputs - self.fan_in) * (1.0 - share) ** 3)


class Decorrelation(Value):
    """A penalty on what the score knows of a quantity: its distance correlation, weighted (arXiv:2001.05310)."""

    against: str = ""
    """A quantity of the training events, such as `nPU`; empty for none."""
    weight: float = Field(default=1.0, gt=0)


class Kind(StrEnum):
    """Events of which shape a network reads."""

    LEVEL1 = "level1"
    """57 words of the Level-1 objects of a crossing; background is zero bias."""
    REGIONS = "regions"
    """252 energies of the calorimeter regions of a crossing; background is zero bias."""
    JET_BOXES = "jet_boxes"
    """25 shares of a jet's pt in nested boxes; background are jets of some classes, signal those of others."""


class Data(Value):
    """What a recipe is trained on: background only.

    `background` and `signals` are classes of labelled jets, several as one signal joined by `+`, and must not be given
    for crossings, whose samples say what they are.
    """

    kind: Kind = Kind.LEVEL1
    background: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _classes_belong_to_jets(self) -> Data:
        jets = self.kind is Kind.JET_BOXES
        if jets != bool(self.background) or jets != bool(self.signals):
            raise ValueError("background and signals must name classes of jets for jet_boxes, and only there")
        if both := set(self.background) & {name for signal in self.signals for name in signal.split("+")}:
            raise ValueError(f"classes of jets must not be background and signal at once: {', '.join(sorted(both))}")
        return self


class Choice(StrEnum):
    """Which epoch becomes the model."""

    MERIT = "merit"
    """That of highest merit, which signals judge."""
    LAST = "last"
    """The last one: no signal is looked at."""


class Training(Value):
    """How long, how fast, on what share of the events; the seed fixes weights, order, augmentation and sampling."""

    epochs: int = Field(default=60, ge=1)
    batch: int = Field(default=2048, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    choice: Choice = Choice.MERIT
    imitate: bool = False
    """Whether the quantised network starts as its floating-point twin and learns the twin's output."""
    seed: int = Field(default=1, ge=0)
