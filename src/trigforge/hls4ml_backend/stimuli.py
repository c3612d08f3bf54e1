"""Real inputs for comparing csim, program, emulator and RTL, and the words that they become."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.hls4ml_backend.files import Project
from trigforge.hls4ml_backend.interface import InputTensor
from trigforge.hls4ml_backend.reals import mantissas
from trigforge.sim.cosim import Vectors

Reals = npt.NDArray[np.float64]

SEED = 1
TEST_BENCH = "tb_data/tb_input_features.dat"
"""Where hls4ml puts the `input_data_tb` of a conversion."""


@dataclass(frozen=True, slots=True)
class Stimuli:
    """Inputs (n, words) as csim takes them, side by side, and as words with the kind of every event."""

    reals: Reals
    vectors: Vectors


def make_stimuli(project: Project, events: int) -> Stimuli:
    """The test bench's inputs if the conversion was given any, and about `events` made ones, reproducible.

    Random: uniform in the types. Saturating: every word extreme. Corner: all low, all high, all zero, alternating.
    Single: one word uniform, the rest 0. Real: off the grid and beyond the range of the types, but whole
    numbers for `ap_int`, whose header prints a warning for every other number.
    """
    inputs = project.interface.inputs
    low, high, lsb = (np.concatenate(column) for column in zip(*map(_limits, inputs), strict=True))
    rng = np.random.default_rng(SEED)
    width, share = len(low), max(events // 8, 1)
    odd = np.arange(width) % 2 == 1
    single = np.zeros((share, width), dtype=np.int64)
    chosen = rng.integers(0, width, share)
    single[np.arange(share), chosen] = rng.integers(low[chosen], high[chosen], endpoint=True)
    scale = rng.choice([0.01, 0.3, 3], (2 * share, 1))
    parts = {
        "random": rng.integers(low, high, (4 * share, width), endpoint=True) * lsb,
        "saturating": np.where(rng.integers(0, 2, (share, width)) == 1, high, low) * lsb,
        "corner": np.array([low, high, 0 * low, np.where(odd, high, low), np.where(odd, low, high)]) * lsb,
        "single": np.clip(single, low, high) * lsb,
        "real": on_ap_int(rng.normal(0, 1, (2 * share, width)) * (high * lsb) * scale, inputs),
        "physics": read_test_bench(project),
    }
    reals = np.concatenate(list(parts.values()))
    kinds = np.concatenate([np.full(len(part), kind) for kind, part in parts.items()])
    return Stimuli(reals, Vectors(to_words(reals, inputs), kinds))


def to_words(reals: Reals, inputs: tuple[InputTensor, ...]) -> IntArray:
    """Words (n, words) of real inputs side by side."""
    edges = np.cumsum([tensor.size for tensor in inputs])[:-1]
    parts = [mantissas(p, t.kind, ap_int=t.ap_int) for p, t in zip(np.split(reals, edges, axis=1), inputs, strict=True)]
    return np.concatenate(parts, axis=1).astype(np.int64)


def on_ap_int(reals: Reals, inputs: tuple[InputTensor, ...]) -> Reals:
    """The same numbers, rounded where the input is an `ap_int`."""
    whole = np.concatenate([np.full(tensor.size, tensor.ap_int) for tensor in inputs])
    return np.where(whole, np.rint(reals), reals)


def read_test_bench(project: Project) -> Reals:
    """The inputs (n, words) of the conversion's `input_data_tb`, if it had any; as float32, as hls4ml reads them."""
    path, width = project.folder / TEST_BENCH, sum(tensor.size for tensor in project.interface.inputs)
    if not path.is_file() or not path.read_text(encoding="utf-8").strip():
        return np.zeros((0, width))
    try:
        values = np.loadtxt(path, dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise InputError(f"{path} must hold numbers, as many on every line: {error}") from None
    if values.shape[1] != width:
        raise InputError(f"{path} must have {width} numbers a line, the model's inputs, not {values.shape[1]}")
    return values.astype(np.float64)


def _limits(tensor: InputTensor) -> tuple[IntArray, IntArray, Reals]:
    """Smallest and largest mantissa and value of the least significant bit of every word."""
    kind = tensor.kind
    low, high = (np.full(tensor.size, limit, dtype=np.int64) for limit in (kind.low, kind.high))
    return low, high, np.full(tensor.size, kind.lsb)
