"""A converted project proved equal at every level, framework = csim = program = emulator = RTL, and its certificate."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge.conversion import PROGRAM_FILE, ConversionReport, ConvertedModel, conversion_vectors, examine
from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl import write_tops
from trigforge.fixed import IntArray
from trigforge.hardware import Certified, Hardware, certify_hardware, cover, required_levels
from trigforge.sim.cosim import Certificate, LevelResult, Simulator, Vectors, compare
from trigforge.sim.cosim.certify import Subject, native_emulator
from trigforge.sim.coverage import Bins
from trigforge.ui import Update
from trigforge.words import words_of

CERTIFICATE_FILE: Final = "certificate.json"
FRAMEWORK_FILE: Final = "framework.npz"
"""Words and the framework's own outputs for them, frozen by whoever trained the model in another environment."""
REQUIRED: Final = ("csim_vs_program", "program_vs_emulator", "program_vs_rtl")
"""Levels that every project has; one that compares the framework is there if its outputs are."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: framework, csim and program layer by layer in the report, all levels in the certificate."""

    report: ConversionReport
    certified: Certified
    budget_ns: float
    required: tuple[str, ...] = REQUIRED
    """Levels that the certificate must hold."""

    @property
    def certificate(self) -> Certificate:
        """All levels, and what was measured."""
        return self.certified.certificate

    def require(self) -> None:
        """Raise `CheckError` that names the first difference, word and layer, or a latency above the budget."""
        try:
            self.certified.require(*self.required)
        except CheckError as error:
            if self.report.ok:
                raise
            raise CheckError(f"{error}; first layer that differs: {self.report.divergence or 'none'}") from None
        require_agreement(self.report)
        self.certificate.require_latency(self.budget_ns)


def require_agreement(report: ConversionReport) -> None:
    """Raise `CheckError` that names the first layer in which framework, csim and program differ."""
    if not report.ok:
        raise CheckError(f"every level must agree on every word, but they differ first in {report.divergence}")


def verify(
    converted: ConvertedModel,
    folder: Path,
    design: RtlDesign,
    build: Path,
    simulator: Simulator,
    update: Update,
    events: int | None = None,
) -> Verified:
    """Compare all levels of the project in `folder`, converted into `build`, of its RTL and of what is around it.

    What the project has around its core is written to folders of `build` first. Software is compared on all of the
    conversion's vectors, the RTL on all or on about `events` of them.
    """
    project, program = converted.project, converted.program
    tops = write_tops(project, program, design, build)
    update(0.25, "coverage")
    vectors, bins = project_vectors(converted, folder, build)
    update(0.3, f"framework, csim and program on {len(vectors)} vectors")
    report = examine(converted, vectors)
    frozen = _frozen_level(program, folder)
    update(0.5, "emulator")
    emulated = native_emulator(program, build)(vectors.words)
    levels = (*frozen, *report.levels, compare("program_vs_emulator", program(vectors.words), emulated, vectors.kinds))
    subject = Subject(
        name=project.name,
        program=program,
        design=design,
        clock_ns=project.targets.clock_ns,
        digests={"contract": converted.contract.digest, "model": _model_digest(converted, folder)},
        tools=program.provenance.tools,
    )
    hardware = Hardware(subject, project, tops, build / PROGRAM_FILE, build, build)
    certified = certify_hardware(hardware, levels, vectors, bins, simulator, _last(update, 0.6), events)
    return Verified(report, certified, project.targets.latency_budget_ns, required_levels(project, REQUIRED))


def _last(update: Update, start: float) -> Update:
    """Progress of a part that goes on from `start` to the end."""
    return lambda share, text: update(start + (1 - start) * share, text)


def _model_digest(converted: ConvertedModel, folder: Path) -> str:
    """SHA-256 of the model file."""
    assert converted.project.model is not None
    return hashlib.sha256((folder / converted.project.model.file).read_bytes()).hexdigest()


def project_vectors(converted: ConvertedModel, folder: Path, cache: Path) -> tuple[Vectors, Bins]:
    """The events on which a project is verified, and the bins that they are to cover.

    They are those of every conversion, those that the project in `folder` has frozen with its framework's outputs, and
    those that are found for bins still open; the search compiles code into `cache`.
    """
    vectors, frozen = conversion_vectors(converted), _frozen(converted.program, folder)
    if frozen is not None:
        vectors = vectors.extended("frozen", frozen[0])
    return cover(converted.program, converted.contract, vectors, converted.project.verification.seed, cache)


def _frozen_level(program: IntegerProgram, folder: Path) -> tuple[LevelResult, ...]:
    """The framework's frozen outputs against the program, if the project has any."""
    frozen = _frozen(program, folder)
    if frozen is None:
        return ()
    words, outputs = frozen
    name = str(folder / FRAMEWORK_FILE)
    own = words_of(program, outputs, name)
    found = words_of(program, program.to_float(program(words)), "program")
    return (compare("framework_vs_program", own, found, np.full(len(own), "frozen")),)


def _frozen(program: IntegerProgram, folder: Path) -> tuple[IntArray, npt.NDArray[np.float64]] | None:
    """Words that the program takes, and the framework's outputs for them, if the project has any."""
    path = folder / FRAMEWORK_FILE
    if not path.is_file():
        return None
    words, outputs = _frozen_arrays(path)
    events = words.shape[:1]
    fit = words.shape == (*events, len(program.inputs)) and outputs.shape == (*events, len(program.outputs))
    if not fit or not words.size or words.dtype.kind not in "iu" or outputs.dtype.kind not in "fiu":
        raise InputError(
            f"{path} must hold integer words (n, {len(program.inputs)}) and real outputs (n, {len(program.outputs)}), "
            f"not {words.dtype} {words.shape} and {outputs.dtype} {outputs.shape}; freeze them anew"
        )
    try:
        program(words.astype(np.int64))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return words.astype(np.int64), outputs.astype(np.float64)


def _frozen_arrays(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    try:
        with np.load(path) as file:
            return file["words"], file["outputs"]
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} must hold the arrays 'words' and 'outputs' of the framework, but {error}; freeze them anew"
        ) from None
