"""Mutants proved equivalent: by the stages from the faulty one on, for all that these can be given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trigforge.firmware.design import RtlDesign
from trigforge.fixed import IntArray
from trigforge.sim.bounds.prover import BY
from trigforge.sim.formal import Counterexample, Proof, prove_equal
from trigforge.sim.mutation.flat import FlatCore, Limits
from trigforge.sim.mutation.schemata import Fault, mutate
from trigforge.sim.mutation.stages import part_of
from trigforge.sim.mutation.windows import Window

Part = tuple[int, int]
"""First and last stage of what is compared; (0, number of stages) is the core with its registers."""


@dataclass(frozen=True, slots=True)
class Equivalent:
    """What is proved, for which inputs, by what."""

    statement: str


@dataclass(frozen=True, slots=True, eq=False)
class Different:
    """Events (n, words), one a clock, on which the mutant differs."""

    words: IntArray


def seek_proof(
    design: RtlDesign,
    flat: FlatCore,
    fault: Fault,
    parts: Sequence[Part],
    inputs: Limits,
    folder: Path,
    timeout_s: float,
) -> Equivalent | Different | None:
    """A proof that a core with a fault computes the same for all words within `inputs`, or events that show otherwise.

    The parts are tried in turn, each for `timeout_s` at most: their input is taken to be any combination of the values
    that exact intervals allow, so that a difference means nothing unless it is one of the whole core. None if neither
    was found.
    """
    mutant = mutate(design, fault, folder / "mutant")
    for first, last in parts:
        limits = flat.limits[first] if first else inputs
        name = f"stages {first} to {last}"
        if (first, last) == (0, len(flat.starts)):
            pair, name = (design, mutant), "the whole core with its registers"
        else:
            place = folder / f"{first}_{last}"
            gold, gate = place / "gold", place / "gate"
            pair = part_of(design, flat, first, last, gold), part_of(mutant, flat, first, last, gate)
        result = prove_equal(*pair, folder / f"proof_{first}_{last}", timeout_s, limits)
        if isinstance(result, Proof):
            given = "words within the contract's limits" if not first else "inputs within their exact intervals"
            return Equivalent(f"{name} equal for all {given} ({result.method}, {result.seconds:.1f} s)")
        if isinstance(result, Counterexample) and not first and last >= len(flat.starts) - 1:
            return Different(result.words)
    return None


def seek_local_proof(
    design: RtlDesign, flat: FlatCore, fault: Fault, windows: Iterable[Window], folder: Path, timeout_s: float
) -> Equivalent | None:
    """A proof that a fault changes nothing, whatever the free signals of a window are within their intervals.

    The windows are tried in turn, each for `timeout_s` at most; that a window differs says nothing about the core.
    """
    mutant = mutate(design, fault, folder / "mutant")
    for number, window in enumerate(windows):
        place = folder / f"window_{number}"
        pair = window.design(design, flat, place / "gold"), window.design(mutant, flat, place / "gate")
        result = prove_equal(*pair, place / "proof", timeout_s, (*flat.limits[window.stage], *window.limits))
        if isinstance(result, Proof):
            free = ", ".join(
                f"{signal} in {low}..{high}" for signal, (low, high) in zip(window.signals, window.limits, strict=True)
            )
            stages = (
                f"stage {window.stage}" if window.stage == window.last else f"stages {window.stage} to {window.last}"
            )
            return Equivalent(f"{stages} equal for all {free}, {BY} ({result.method}, {result.seconds:.1f} s)")
    return None


def near_parts(fault: Fault, stages: int) -> tuple[Part, ...]:
    """The faulty stage alone, and all from it on; none for a fault of a register."""
    place = fault.stage.split()
    if place[0] != "stage":
        return ()
    own, end = int(place[1]), stages - 1
    return tuple(dict.fromkeys([(own, own), (own, end)]))


def far_parts(fault: Fault, stages: int) -> tuple[Part, ...]:
    """All stages from earlier ones on up to all of them; for a fault of a register the core with its registers."""
    place = fault.stage.split()
    if place[0] != "stage":
        return ((0, stages),)
    own, end = int(place[1]), stages - 1
    return tuple((k, end) for k in dict.fromkeys((own - 1, own // 2, 0)) if 0 <= k < own)
