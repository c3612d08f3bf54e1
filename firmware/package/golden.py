"""Golden vectors of a package: what the integer program gives for words and for physical values, as checked text."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray

Values = npt.NDArray[np.float64]

EVENTS = 256
"""Events of physical values."""
TURNS = 40
"""How many times its range a physical value may be."""
HUGE = 1e15


def golden_words(program: IntegerProgram, words: IntArray) -> str:
    """The scores of words (n, inputs)."""
    scores = program(words)
    lines = (f"{_row(x)}  {_row(y)}" for x, y in zip(words, scores, strict=True))
    return _checked("words", lines, len(words), words.shape[1], scores.shape[1])


def golden_values(program: IntegerProgram, contract: InputContract, seed: int = 1) -> str:
    """Words and scores of physical values: inside and outside their ranges, half-way between words, and zero."""
    values = physical_values(contract, EVENTS, seed)
    words = contract.encode(as_events(contract, values))
    scores = program(words)
    rows = zip(values, words, scores, strict=True)
    lines = (f"{' '.join(float(v).hex() for v in value)}  {_row(x)}  {_row(y)}" for value, x, y in rows)
    return _checked("values", lines, len(values), words.shape[1], scores.shape[1])


def physical_values(contract: InputContract, events: int, seed: int) -> Values:
    """Physical values (events, words): each is some number of steps, drawn in one of eight ways."""
    random = np.random.default_rng(seed)
    low, high = (limit.astype(np.float64) for limit in contract.limits())
    shape, span = (events, contract.words), high - low + 1
    ways = [
        random.uniform(low, high, shape),
        random.integers(low.astype(np.int64) - 2, high.astype(np.int64) + 3, shape) + 0.5,
        random.uniform(low - TURNS * span, high + TURNS * span, shape),
        random.exponential(np.maximum(span / 16, 1), shape),
        np.where(random.integers(0, 2, shape) == 1, low, high),
        random.choice([0.0, -0.0, 0.5, -0.5, 5e-324, -1e-9, HUGE, -HUGE], shape),
        np.zeros(shape),
        np.nextafter(np.floor(random.uniform(low, high, shape)) + 0.5, random.choice([-1e9, 1e9], shape)),
    ]
    steps = np.choose(random.integers(0, len(ways), shape), ways)
    values: Values = steps * np.array([f.lsb for f in contract.fields])
    return values


def as_events(contract: InputContract, values: Values) -> ak.Array:
    """Events whose objects, all present, have these values (n, words)."""
    columns, start = {}, 0
    for c in contract.collections:
        block = values[:, start : start + c.width].reshape(len(values), c.count, len(c.fields))
        start += c.width
        fields = {f.name: block[:, 0, i] if c.count == 1 else block[:, :, i] for i, f in enumerate(c.fields)}
        columns[c.name] = ak.zip(fields)
    return ak.Array(columns)


def _checked(kind: str, lines: Iterable[str], events: int, inputs: int, outputs: int) -> str:
    body = "".join(f"{line}\n" for line in lines)
    return f"trigforge-golden-{kind} 1 {zlib.crc32(body.encode()):08x} {events} {inputs} {outputs}\n{body}"


def _row(numbers: IntArray) -> str:
    return " ".join(map(str, numbers.tolist()))
