"""Small programs on contract words, and what is done with their packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
from alkaid.trace import FVArray

from trigforge.contract import Collection, Field, InputContract, kinematics
from trigforge.firmware.package import Package
from trigforge.firmware.program import IntegerProgram, Provenance, trace_program
from trigforge.fixed import FixedType, IntArray

CALO = {"pt_bits": 10, "eta_max": 100, "eta_bits": 8, "eta_lsb": 0.0435, "phi_steps": 144}


def toy_contract() -> InputContract:
    """MET, three jets, and a count without a unit whose range does not hold 0."""
    count = Field(name="n", unit="", lsb=1.0, bits=6, signed=False, low=3, high=40)
    return InputContract(
        name="toy",
        collections=(
            Collection(name="L1MET", count=1, fields=kinematics(**{**CALO, "eta_max": 0})),
            Collection(name="L1Jet", count=3, fields=kinematics(**CALO)),
            Collection(name="Extra", count=1, fields=(count,)),
        ),
    )


def toy_program(contract: InputContract, seed: int, widths: tuple[int, ...] = (8, 3)) -> IntegerProgram:
    """A random network with saturating ReLUs; the last layer's sum of squares is the last output."""
    rng = np.random.default_rng(seed)
    types = tuple(FixedType(signed=f.signed, width=f.bits, integer=f.bits) for f in contract.fields)
    k = np.array([t.signed for t in types]).astype(int)
    words = x = FVArray.from_kif(k, np.array([t.width for t in types]) - k, np.zeros(len(types), dtype=int))
    for layer, width in enumerate(widths):
        kernel = rng.integers(-9, 10, (len(x), width)) / 16.0
        x = x @ kernel + rng.integers(-40, 41, width) / 4.0
        x = x.quantize(1, 9, 2, "SAT", "RND_CONV") if layer == len(widths) - 1 else x.relu().quantize(0, 9, 2, "SAT")
    outputs = [*np.asarray(x), sum(v * v for v in np.asarray(x))]
    program = trace_program(words, FVArray(np.array(outputs)), types)
    return IntegerProgram(program.comb, program.inputs, Provenance(contract_digest=contract.digest))


def toy_words(contract: InputContract, events: int, seed: int) -> IntArray:
    """Words over the whole range and near zero."""
    rng = np.random.default_rng(seed)
    low, high = contract.limits()
    wide = rng.integers(low, high + 1, (events, contract.words))
    scale = 2.0 ** rng.uniform(0, 9, (events, 1))
    near = np.clip(np.rint(rng.normal(0, 1, wide.shape) * scale), low, high).astype(np.int64)
    return np.where(rng.integers(0, 2, (events, 1)) == 1, wide, near)


def toy_package(name: str, seed: int) -> Package:
    contract = toy_contract()
    return Package(name, toy_program(contract, seed), contract, toy_words(contract, 500, seed))


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CXXFLAGS": "-O1", "CFLAGS": "-O1", "MAKEFLAGS": ""}
    command = ["make", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)


def made(folder: Path, *arguments: str) -> None:
    result = make(folder, *arguments)
    assert result.returncode == 0, result.stderr


def fails(folder: Path, *arguments: str) -> str:
    """What a failing make said."""
    result = make(folder, *arguments)
    assert result.returncode != 0
    return result.stdout + result.stderr


def exported(library: Path) -> list[str]:
    listed = subprocess.run(["nm", "-D", "--defined-only", str(library)], check=True, capture_output=True, text=True)
    return sorted(line.split()[2] for line in listed.stdout.splitlines())
