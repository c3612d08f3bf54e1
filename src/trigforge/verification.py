"""A converted project proved equal at every level, framework = csim = program = emulator = RTL, and its certificate."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge.conversion import ConversionReport, ConvertedModel, conversion_vectors, examine
from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.sim.cosim import Certificate, LevelResult, Simulator, compare
from trigforge.sim.cosim.certify import Subject, certify, native_emulator
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
    certificate: Certificate
    budget_ns: float

    def require(self) -> None:
        """Raise `CheckError` that names the first difference, word and layer, or a latency above the budget."""
        try:
            self.certificate.require(*REQUIRED)
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
    """Compare all levels of the project in `folder`, converted into `build`, and of its RTL.

    Software is compared on all of the conversion's vectors, the RTL on all or on about `events` of them.
    """
    project, program, vectors = converted.project, converted.program, conversion_vectors(converted)
    update(0.3, f"framework, csim and program on {len(vectors)} vectors")
    report = examine(converted)
    frozen = _frozen_level(program, folder / FRAMEWORK_FILE)
    update(0.5, "emulator")
    emulated = native_emulator(program, build)(vectors.words)
    levels = (*frozen, *report.levels, compare("program_vs_emulator", program(vectors.words), emulated, vectors.kinds))
    update(0.6, f"RTL in {simulator.label}")
    subject = Subject(
        name=project.name,
        program=program,
        design=design,
        clock_ns=project.targets.clock_ns,
        digests={"contract": converted.contract.digest, "model": _model_digest(converted, folder)},
        tools=program.provenance.tools,
    )
    certificate, _ = certify(subject, levels, vectors, simulator, build / "sim" / simulator.name.value, events)
    return Verified(report, certificate, project.targets.latency_budget_ns)


def _model_digest(converted: ConvertedModel, folder: Path) -> str:
    """SHA-256 of the model file."""
    assert converted.project.model is not None
    return hashlib.sha256((folder / converted.project.model.file).read_bytes()).hexdigest()


def _frozen_level(program: IntegerProgram, path: Path) -> tuple[LevelResult, ...]:
    """The framework's frozen outputs against the program, if the project has any."""
    if not path.is_file():
        return ()
    words, outputs = _frozen_arrays(path)
    events = words.shape[:1]
    fit = words.shape == (*events, len(program.inputs)) and outputs.shape == (*events, len(program.outputs))
    if not fit or not words.size or words.dtype.kind not in "iu" or outputs.dtype.kind not in "fiu":
        raise InputError(
            f"{path} must hold integer words (n, {len(program.inputs)}) and real outputs (n, {len(program.outputs)}), "
            f"not {words.dtype} {words.shape} and {outputs.dtype} {outputs.shape}; freeze them anew"
        )
    try:
        found = program.to_float(program(words))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    own = words_of(program, outputs.astype(np.float64), str(path))
    kinds = np.full(len(own), "frozen")
    return (compare("framework_vs_program", own, words_of(program, found, "program"), kinds),)


def _frozen_arrays(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    try:
        with np.load(path) as file:
            return file["words"], file["outputs"]
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} must hold the arrays 'words' and 'outputs' of the framework, but {error}; freeze them anew"
        ) from None
