"""The hardware's part of a certificate: coverage of the vectors, the core's RTL, its first failure, and the trigger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trigforge.contract import InputContract
from trigforge.errors import CheckError
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import TriggerTop
from trigforge.sim.bounds.decide import Limits
from trigforge.sim.cosim import Certificate, CosimResult, LevelResult, Simulator, Vectors
from trigforge.sim.cosim.certificate import TRIGGER_LEVEL
from trigforge.sim.cosim.certify import Subject, TriggerSubject, certify, certify_trigger, trigger_simulator
from trigforge.sim.cosim.replay import Failure, Suspect, rtl_folder, save_first_failure
from trigforge.sim.coverage import Bins, bins_of, close, settle
from trigforge.ui import Update

QUESTION: Final = Limits(branches=40, seconds=30.0)
"""Of each bin that a search leaves open."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What is certified, and where it is."""

    subject: Subject
    project: Project
    trigger: TriggerTop | None
    """As it lies in `build/trigger`."""
    program_file: Path
    build: Path
    """Simulations are compiled in `build/sim`."""
    folder: Path
    """A failure is saved there."""


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate, how the core behaved in time, and its first failure, made small, if there is one that repeats."""

    certificate: Certificate
    rtl: CosimResult
    failure: Failure | None

    def require(self, *levels: str) -> None:
        """Raise `CheckError` for the first difference, with the command that shows it, or for a missing level."""
        try:
            self.certificate.require(*levels)
        except CheckError as error:
            if self.failure is None:
                raise
            raise CheckError(f"{error}; see it with: {self.failure.command}") from None


def cover(
    program: IntegerProgram, contract: InputContract, vectors: Vectors, seed: int, cache: Path
) -> tuple[Vectors, Bins]:
    """`vectors` with events for coverage bins that they leave open, and all bins, some proved impossible."""
    bins = bins_of(program, *contract.limits())
    searched = vectors.extended("directed", close(bins, vectors.words, seed, cache=cache))
    settled = settle(bins, searched.words, seed, QUESTION, cache)
    return searched.extended("directed", settled.events), settled.bins


def certify_hardware(
    hardware: Hardware,
    software: Iterable[LevelResult],
    vectors: Vectors,
    bins: Bins,
    simulator: Simulator,
    update: Update,
    events: int | None = None,
) -> Certified:
    """Simulate the core on all of `vectors` or about `events` of them, and the project's trigger if it has one.

    The certificate may be red: `Certified.require` says so.
    """
    subject, folder = hardware.subject, hardware.build / "sim" / simulator.name.value
    streamed = vectors if events is None else vectors.thinned(events)
    update(0.0, f"RTL in {simulator.label}")
    certificate, rtl = certify(subject, software, vectors, simulator, folder, events, bins)
    failure = _first_failure(hardware, certificate, streamed, simulator)
    if hardware.trigger is not None:
        update(0.6, f"trigger in {trigger_simulator(simulator).label}")
        of = trigger_subject(hardware.project, hardware.trigger, subject.program, hardware.build / "trigger")
        certificate, _ = certify_trigger(certificate, of, vectors, simulator, folder, events)
    return Certified(certificate, rtl, failure)


def required_levels(project: Project, levels: tuple[str, ...]) -> tuple[str, ...]:
    """`levels`, and the trigger's if the project has one."""
    return levels if project.trigger is None else (*levels, TRIGGER_LEVEL)


def _first_failure(
    hardware: Hardware, certificate: Certificate, streamed: Vectors, simulator: Simulator
) -> Failure | None:
    """The first event whose RTL differs from the program, made small and saved."""
    level = next(level for level in certificate.levels if level.name == "program_vs_rtl")
    if level.ok:
        return None
    subject = hardware.subject
    suspect = Suspect(
        name=subject.name,
        program=subject.program,
        design=subject.design,
        program_file=hardware.program_file,
        rtl=rtl_folder(subject.design),
        build_dir=hardware.build / "sim" / simulator.name.value,
        simulator=simulator,
        clock_ns=subject.clock_ns,
    )
    return save_first_failure(suspect, streamed.words, level, hardware.folder)


def trigger_subject(project: Project, trigger: TriggerTop, program: IntegerProgram, folder: Path) -> TriggerSubject:
    """What is certified of a project's trigger in `folder`."""
    assert project.trigger is not None
    seed = project.verification.seed
    return TriggerSubject(trigger, trigger.sources_in(folder), program, project.trigger.scheme, seed)
