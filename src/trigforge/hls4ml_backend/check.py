"""The promise of every conversion: csim, program and emulator agree word for word, or the first layer is named."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import CheckError
from trigforge.firmware.divergence import first_divergence, program_layers
from trigforge.firmware.emulator import Emulator
from trigforge.firmware.hls import Csim
from trigforge.fixed import IntArray
from trigforge.hls4ml_backend.csim import Reals, trace_csim
from trigforge.hls4ml_backend.files import Project, lower_graph
from trigforge.hls4ml_backend.interface import to_reals
from trigforge.hls4ml_backend.stimuli import Stimuli
from trigforge.sim.cosim import LevelResult, compare


def check_csim(project: Project, csim: Csim, stimuli: Stimuli, model: Any = None) -> LevelResult:
    """Compare csim with the program in double precision on real inputs; `CheckError` at the first difference.

    It names the first layer that differs if `model` is the graph that the project was written from.
    """
    found = csim(stimuli.reals)
    expected = to_reals(project.program(stimuli.vectors.words), project.program, np.float64)
    differ = found != expected
    if differ.any():
        event, output = (int(k) for k in np.argwhere(differ)[0])
        raise CheckError(
            f"hls4ml's csim and the program must agree on every word, but {int(differ.sum())} of {differ.size} differ; "
            f"first at event {event} ({stimuli.vectors.kinds[event]}), {_output(project, output)}: csim "
            f"{found[event, output]!r}, program {expected[event, output]!r}"
            + first_layer(model, stimuli.reals[event : event + 1], stimuli.vectors.words[event : event + 1])
        )
    return LevelResult(name="csim_vs_program", words=differ.size, mismatches=0)


def check_emulator(project: Project, emulator: Emulator, stimuli: Stimuli) -> LevelResult:
    """Compare program and emulator; `CheckError` at the first difference."""
    words, kinds = stimuli.vectors.words, stimuli.vectors.kinds
    level = compare("program_vs_emulator", project.program(words), emulator(words), kinds)
    level.require()
    return level


def first_layer(model: Any, reals: Reals, words: IntArray) -> str:
    """Which layer differs first at one event, as the end of a message; nothing for a model linked from its folder."""
    if not hasattr(model, "graph"):
        return ""
    lowering, _ = lower_graph(model)
    csim = {name: values[None] for name, values in trace_csim(model, reals).items()}
    found = first_divergence(csim, program_layers(lowering, words), lowering.layers)
    return f"; first in {found}" if found else "; no layer that hls4ml traces differs"


def _output(project: Project, index: int) -> str:
    """Output `index` of all outputs side by side, by name."""
    for tensor in project.interface.outputs:
        if index < tensor.size:
            return f"output {tensor.name!r}[{index}]"
        index -= tensor.size
    raise AssertionError("an output index lies in one of the outputs")
