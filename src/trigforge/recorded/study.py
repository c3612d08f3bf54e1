"""`Study`: what is compared with what; a chunk of events and what the emulator makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import FixedType, IntArray
from trigforge.recorded.columns import Readings, Recorded, readings
from trigforge.recorded.conditions import condition_names
from trigforge.recorded.faults import WordFault, word_faults
from trigforge.recorded.faults_output import OutputFault, output_faults

Bools = npt.NDArray[np.bool_]
MISMATCH_EVALUATIONS: Final = 64_000_000
"""Re-emulations of mismatching events at most; of larger files every n-th event is taken."""
EQUAL_EVALUATIONS: Final = 6_400_000
"""Re-emulations of equal events at most."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive events and, if there are any, one before and one after them.

    `words` holds all (before + n + after); `recorded` and `places` have one entry for each of the n.
    """

    first: int
    words: IntArray
    before: int
    after: int
    recorded: Mapping[str, ak.Array]
    places: Mapping[str, IntArray]

    @property
    def events(self) -> int:
        """Number of events, those before and after not counted."""
        return len(self.words) - self.before - self.after


@dataclass(frozen=True)
class Study:
    """A program, what was recorded of it, and the questions asked of every chunk.

    `evaluate` maps words int64 (n, words) to the program's outputs (n, outputs); `outputs` are their types. `events` is
    the number of events of the whole input: it decides which of them faults are tested on.
    """

    evaluate: Callable[[IntArray], IntArray]
    outputs: tuple[FixedType, ...]
    contract: InputContract
    recorded: tuple[Recorded, ...]
    thresholds: tuple[int, ...]
    events: int
    examples: int = 100

    def __post_init__(self) -> None:
        for column in self.recorded:
            if column.output >= len(self.outputs):
                raise InputError(
                    f"recorded column {column.label!r} must name one of the program's {len(self.outputs)} outputs, "
                    f"0..{len(self.outputs) - 1}, not {column.output}"
                )
        if len(set(self.thresholds)) != len(self.thresholds):
            raise InputError(f"thresholds must be given once each, not {', '.join(map(str, self.thresholds))}")
        labels = [column.label for column in self.recorded]
        if not labels or len(set(labels)) != len(labels):
            raise InputError(f"recorded must name at least one column and each once, not {labels}")

    @cached_property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the conditions, in order."""
        return condition_names(self.contract, self.outputs)

    @cached_property
    def faults(self) -> tuple[WordFault | OutputFault, ...]:
        """All hypotheses, in order."""
        return (*output_faults(self.outputs), *word_faults(self.contract))

    @cached_property
    def limits(self) -> tuple[IntArray, IntArray]:
        """The contract's smallest and largest words."""
        return self.contract.limits()

    def kind(self, column: Recorded) -> FixedType:
        """The type of the output that a column holds."""
        return self.outputs[column.output]

    def view(self, outputs: IntArray) -> IntArray:
        """What the columns (n, columns) would hold for outputs (n, outputs)."""
        columns = (
            outputs[:, c.output] if c.threshold is None else (outputs[:, c.output] >= c.threshold).astype(np.int64)
            for c in self.recorded
        )  # fmt: skip
        return np.stack(list(columns), axis=1)

    @property
    def only_bits(self) -> bool:
        """Whether no score is compared, but decisions alone."""
        return all(column.threshold is not None for column in self.recorded)

    def distance(self, outputs: IntArray) -> IntArray:
        """The score less the threshold (n,) that is next to it, of all columns of bits."""
        gaps = np.stack([outputs[:, c.output] - c.threshold for c in self.recorded if c.threshold is not None], axis=1)
        nearest = np.abs(gaps).argmin(axis=1)
        return np.asarray(np.take_along_axis(gaps, nearest[:, None], axis=1)[:, 0])

    def stride(self, evaluations: int) -> int:
        """Every how many events a fault is tested, so that all are evaluated at most so often."""
        return max(1, -(-self.events * len(self.faults) // evaluations))


@dataclass(frozen=True, slots=True)
class Compared:
    """A chunk emulated: inputs inside their ranges, and recorded and emulated columns (n, columns)."""

    chunk: Chunk
    words: IntArray
    """With the events before and after, clipped into their ranges."""
    inside: Bools
    outputs: IntArray
    recorded: IntArray
    emulated: IntArray
    comparable: Bools
    read: tuple[Readings, ...]

    @property
    def differ(self) -> Bools:
        """Where a column differs (n, columns)."""
        return np.asarray(self.comparable & (self.recorded != self.emulated))

    @property
    def compared(self) -> Bools:
        """The events of which at least one column is compared."""
        return np.asarray(self.comparable.any(axis=1))

    @property
    def mismatch(self) -> Bools:
        """The events of which at least one column differs."""
        return np.asarray(self.differ.any(axis=1))

    @property
    def entries(self) -> IntArray:
        """Their places in the whole input."""
        return np.arange(self.chunk.first, self.chunk.first + self.chunk.events)


def emulate(study: Study, chunk: Chunk) -> Compared:
    """Evaluate the program on a chunk and read what was recorded."""
    low, high = study.limits
    core = slice(chunk.before, chunk.before + chunk.events)
    fits = (chunk.words[core] >= low) & (chunk.words[core] <= high)
    words: IntArray = np.clip(chunk.words, low, high)
    read = tuple(readings(c, chunk.recorded[c.name], study.kind(c)) for c in study.recorded)
    outputs = study.evaluate(words[core])
    return Compared(
        chunk=chunk,
        words=words,
        inside=np.asarray(fits.all(axis=1)),
        outputs=outputs,
        recorded=np.stack([r.words for r in read], axis=1),
        emulated=study.view(outputs),
        comparable=np.stack([r.usable & fits.all(axis=1) for r in read], axis=1),
        read=read,
    )
