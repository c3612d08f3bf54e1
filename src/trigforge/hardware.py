"""The hardware's part of a certificate: coverage, the core's RTL, its first failure, and what is around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trigforge.contract import InputContract
from trigforge.errors import CheckError
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import Tops, TriggerTop
from trigforge.firmware.rtl.project_tops import AXIS, LINKS, TRIGGER
from trigforge.sim.bounds.decide import Limits
from trigforge.sim.cosim import Certificate, CosimResult, LevelResult, Simulator, Vectors
from trigforge.sim.cosim.certificate import AXIS_LEVEL, LINKS_LEVEL, TRIGGER_LEVEL
from trigforge.sim.cosim.certify import (
    Subject,
    TopSubject,
    TriggerSubject,
    certify,
    certify_axis,
    certify_links,
    certify_trigger,
    trigger_simulator,
)
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
    tops: Tops
    """What is around the core, as it lies in folders of `build`."""
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
    """Simulate the core on all of `vectors` or about `events` of them, and what the project has around it.

    The certificate may be red: `Certified.require` says so.
    """
    subject, folder = hardware.subject, hardware.build / "sim" / simulator.name.value
    streamed = vectors if events is None else vectors.thinned(events)
    update(0.0, f"RTL in {simulator.label}")
    certificate, rtl = certify(subject, software, vectors, simulator, folder, events, bins)
    failure = _first_failure(hardware, certificate, streamed, simulator)
    certificate = _certify_tops(hardware, certificate, vectors, simulator, folder, update, events)
    return Certified(certificate, rtl, failure)


def _certify_tops(
    hardware: Hardware,
    certificate: Certificate,
    vectors: Vectors,
    simulator: Simulator,
    folder: Path,
    update: Update,
    events: int | None,
) -> Certificate:
    """The certificate with the levels of what is around the core."""
    tops, build, program, project = hardware.tops, hardware.build, hardware.subject.program, hardware.project
    if tops.trigger is not None:
        update(0.6, f"trigger in {trigger_simulator(simulator).label}")
        of = trigger_subject(project, tops.trigger, program, build / TRIGGER)
        certificate, _ = certify_trigger(certificate, of, vectors, simulator, folder, events)
    if tops.links is not None and project.trigger is not None:
        update(0.75, f"links in {trigger_simulator(simulator).label}")
        around = TopSubject(tops.links, tops.links.sources_in(build / LINKS), program, project.verification.seed)
        certificate = certify_links(certificate, around, project.trigger.scheme, vectors, simulator, folder, events)
    if tops.axis is not None:
        update(0.9, f"streams in {trigger_simulator(simulator).label}")
        streams = TopSubject(tops.axis, tops.axis.sources_in(build / AXIS), program, project.verification.seed)
        certificate = certify_axis(certificate, streams, vectors, simulator, folder, events)
    return certificate


def required_levels(project: Project, levels: tuple[str, ...]) -> tuple[str, ...]:
    """`levels`, and those of what the project has around its core."""
    around = {TRIGGER_LEVEL: project.trigger, LINKS_LEVEL: project.links, AXIS_LEVEL: project.axis}
    return (*levels, *(level for level, asked in around.items() if asked is not None))


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
