"""A small random network as RTL, with its reference in plain numpy, for the tests of everything that simulates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from alkaid.codegen.rtl import RTLModel
from alkaid.trace import FVArray, trace

from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Vectors, make_vectors

TOP = "dense"


@dataclass(frozen=True, slots=True)
class Dense:
    """Two dense layers of integer weights with a ReLU between: the reference in plain numpy, and its RTL."""

    first: IntArray
    bias: IntArray
    second: IntArray
    zeros: IntArray
    """Number of low bits of every output that are always zero; the RTL leaves them out."""
    design: RtlDesign

    def __call__(self, words: IntArray) -> IntArray:
        outputs: IntArray = np.maximum(words @ self.first + self.bias, 0) @ self.second
        assert not (outputs & ((1 << self.zeros) - 1)).any()
        return outputs >> self.zeros

    def vectors(self, random: int) -> Vectors:
        low, high = np.array([w.limits for w in self.design.inputs.words]).T
        return make_vectors(low, high, random=random, saturating=20, seed=5)


def dense(seed: int, folder: Path) -> Dense:
    """A random network of 5 inputs, 4 hidden units and 3 outputs."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(-31, 32, (5, 4)), rng.integers(-31, 32, (4, 3))
    bias = rng.integers(-63, 64, 4) * 2 + 1
    signed, integer = rng.integers(0, 2, 5), rng.integers(3, 8, 5)
    inputs = FVArray.from_kif(signed, integer, np.zeros(5, dtype=int))
    program = trace(inputs, (inputs @ first + bias).relu() @ second)
    model = RTLModel(program, folder, TOP, flavor="verilog", latency_cutoff=5, clock_period=5, print_latency=False)
    model.write()
    design = RtlDesign(
        sources=tuple(sorted(p for p in (folder / "src").rglob("*.v") if p.stem != f"{TOP}_wrapper")),
        top=TOP,
        clock="clk",
        inputs=Port("model_inp", words_of(program.inp_kifs)),
        outputs=Port("model_out", words_of(program.out_kifs)),
        latency_clocks=round(model.latency) + 1,
    )
    return Dense(first, bias, second, -program.out_kifs[2].astype(np.int64), design)


def words_of(kifs: IntArray) -> tuple[Word, ...]:
    return tuple(Word(int(k + i + f), bool(k)) for k, i, f in kifs.T)


def mutated(design: RtlDesign, folder: Path, stem: str, pattern: str, replacement: str) -> RtlDesign:
    """The design with the first match of `pattern` in one of its sources replaced."""
    folder.mkdir()
    sources = []
    for source in design.sources:
        text = source.read_text()
        if source.stem == stem:
            text, count = re.subn(pattern, replacement, text, count=1, flags=re.DOTALL)
            assert count == 1
        (folder / source.name).write_text(text)
        sources.append(folder / source.name)
    return replace(design, sources=tuple(sources))
