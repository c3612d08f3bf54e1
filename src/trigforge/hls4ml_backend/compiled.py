"""`Compiled`: a project's emulator behind hls4ml's `predict`, compared with csim when it is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.emulator import Emulator, compile_emulator
from trigforge.hls4ml_backend.check import check_csim, check_emulator
from trigforge.hls4ml_backend.csim import compile_library, load_csim
from trigforge.hls4ml_backend.files import Project, load_project
from trigforge.hls4ml_backend.interface import Interface, Prediction, real_type
from trigforge.hls4ml_backend.stimuli import make_stimuli


@dataclass(frozen=True, slots=True)
class Compiled:
    """What hls4ml's `predict` calls."""

    interface: Interface
    emulator: Emulator
    library: Path
    """What hls4ml loads: csim, or the emulator if csim was not asked for."""

    def __call__(self, x: Any) -> Prediction:
        """hls4ml's prediction for its input."""
        outputs = self.emulator(self.interface.words(x))
        return self.interface.prediction(outputs, self.emulator.program, real_type(x))


def compile_project(project: Project, model: Any) -> Compiled:
    """The compiled emulator of a project, equal to hls4ml's csim on the asked number of vectors, or `CheckError`."""
    emulator = compile_emulator(project.program, project.own)
    if emulator.library is None:
        raise MissingToolError("g++ must be on PATH to compile a library for hls4ml; install it with 'apt install g++'")
    asked = project.interface.settings.check_vectors
    if not asked:
        return Compiled(project.interface, emulator, Path(emulator.library._name))
    compile_library(project)
    stimuli = make_stimuli(project, asked)
    check_emulator(project, emulator, stimuli)
    check_csim(project, load_csim(project), stimuli, model)
    return Compiled(project.interface, emulator, project.library)


def compiled_of(model: Any) -> Compiled:
    """The compiled project of a model; `InputError` if it was not compiled."""
    compiled: Compiled | None = getattr(model, "trigforge", None)
    if compiled is None:
        raise InputError("the model must be compiled before it predicts; call compile()")
    return compiled


def written_project(model: Any) -> Project:
    """The project that a model wrote last, written now if another model or none wrote its folder."""
    folder = Path(model.config.get_output_dir())
    try:
        project = load_project(folder)
        if project.interface.stamp == str(model.config.config.get("Stamp", "")):
            return project
    except InputError:
        if not hasattr(model, "graph"):
            raise
    model.write()
    return load_project(folder)
