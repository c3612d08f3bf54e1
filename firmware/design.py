"""`RtlDesign`: a pipeline's sources, its two packed ports and its latency; what is synthesised and simulated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.fixed import MAX_WIDTH, IntArray

Bits = npt.NDArray[np.bytes_]
"""One string of '0' and '1' (from a simulator also 'X' and 'Z') an event, most significant bit first."""

_ZERO = ord("0")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a packed port in two's complement; a word of width 0 has no wires and reads as 0."""

    width: int
    signed: bool

    def __post_init__(self) -> None:
        if not 0 <= self.width <= MAX_WIDTH:
            raise InputError(f"the width of a word must be 0..{MAX_WIDTH} bits, not {self.width!r}")

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value."""
        if not self.width:
            return 0, 0
        return (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1) if self.signed else (0, (1 << self.width) - 1)


@dataclass(frozen=True, slots=True)
class Port:
    """A packed port: its words side by side, the first in the least significant bits."""

    name: str
    words: tuple[Word, ...]

    @property
    def bits(self) -> int:
        """Width of the port."""
        return sum(word.width for word in self.words)

    def pack(self, values: IntArray) -> Bits:
        """Bit strings (n,) of words (n, words); a value that its word cannot hold raises `InputError`."""
        if values.ndim != 2 or values.shape[1] != len(self.words) or values.dtype != np.int64:
            raise InputError(
                f"words for {self.name} must be int64 of shape (n, {len(self.words)}), "
                f"not {values.dtype} of shape {values.shape}"
            )
        self._check_range(values)
        columns = [((values[:, i, None] >> np.arange(w.width)) & 1) for i, w in enumerate(self.words) if w.width]
        digits = np.concatenate(columns, axis=1)[:, ::-1].astype(np.uint8) + np.uint8(_ZERO)
        return np.ascontiguousarray(digits).view(f"S{self.bits}")[:, 0]

    def unpack(self, bits: Bits) -> IntArray:
        """Words (n, words) of bit strings (n,) of this port's width that hold only '0' and '1'."""
        digits = self.digits(bits)[:, ::-1].astype(np.int64) - _ZERO
        values = np.zeros((len(bits), len(self.words)), dtype=np.int64)
        start = 0
        for i, word in enumerate(self.words):
            if not word.width:
                continue
            weights = np.int64(1) << np.arange(word.width, dtype=np.int64)
            if word.signed:
                weights[-1] = -weights[-1]
            values[:, i] = digits[:, start : start + word.width] @ weights
            start += word.width
        return values

    def digits(self, bits: Bits) -> npt.NDArray[np.uint8]:
        """The characters (n, bits) of bit strings (n,)."""
        return np.ascontiguousarray(bits.astype(f"S{self.bits}")).view(np.uint8).reshape(len(bits), self.bits)

    def locate(self, position: int) -> tuple[int, int]:
        """The word and the bit in it (0 = least significant) at a bit position of the port."""
        for i, word in enumerate(self.words):
            if position < word.width:
                return i, position
            position -= word.width
        raise InputError(f"a bit position of {self.name} must be below {self.bits}")

    def _check_range(self, values: IntArray) -> None:
        low, high = np.array([w.limits for w in self.words], dtype=np.int64).T
        wired = np.array([w.width > 0 for w in self.words])
        bad = ((values < low) | (values > high)) & wired
        if bad.any():
            event, word = (int(k) for k in np.argwhere(bad)[0])
            raise InputError(
                f"word {word} of event {event} must be {low[word]}..{high[word]} to fit {self.name}, "
                f"not {int(values[event, word])}"
            )


@dataclass(frozen=True, slots=True)
class RtlDesign:
    """A pipeline that takes one event a clock: `latency_clocks` registers lie between input and output port."""

    sources: tuple[Path, ...]
    top: str
    clock: str
    inputs: Port
    outputs: Port
    latency_clocks: int

    def __post_init__(self) -> None:
        if not self.sources:
            raise InputError(f"the design {self.top!r} must have at least one source file")
        if self.latency_clocks < 1:
            raise InputError(f"latency_clocks of {self.top!r} must be at least 1, not {self.latency_clocks!r}")
        for port in (self.inputs, self.outputs):
            if not port.bits:
                raise InputError(f"the port {port.name!r} of {self.top!r} must have at least one bit")

    @property
    def digest(self) -> str:
        """SHA-256 of top, ports and the sources' names and contents, in hexadecimal."""
        ports = [(p.name, [(w.width, w.signed) for w in p.words]) for p in (self.inputs, self.outputs)]
        total = hashlib.sha256(repr((self.top, self.clock, ports)).encode())
        for source in self.sources:
            try:
                content = source.read_bytes()
            except OSError as error:
                raise InputError(f"the source {source} of {self.top!r} cannot be read: {error.strerror}") from None
            total.update(f"\0{source.name}\0{len(content)}\0".encode() + content)
        return total.hexdigest()
