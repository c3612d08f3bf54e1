"""Conversion of the reference projects: seconds and LUTs against alkaid alone and hls4ml alone, in one run.

    python tests/benchmarks/conversion.py [PROJECT ...]

For every project: hls4ml alone converts the model and compiles its csim; trigforge does that and lowers the graph;
alkaid alone traces the Keras model (HGQ2 only). Medians of three runs. LUTs: Yosys for the RTL of trigforge's program,
alkaid's own estimate for both programs.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from trigforge.contract import InputContract
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.files import convert_file
from trigforge.firmware.frontends.keras3_inference import load_keras
from trigforge.firmware.hls import compile_csim, tensor_sizes
from trigforge.firmware.lowering import lower
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import write_rtl
from trigforge.firmware.synthesis import estimate

PROJECTS = Path(__file__).parents[2] / "hls_projects"
RUNS = 3


def timed(task: Callable[[], Any]) -> tuple[float, Any]:
    """The median seconds of a task, and its last result."""
    seconds = []
    for _ in range(RUNS):
        start = time.monotonic()
        result = task()
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds), result


def alkaid_alone(path: Path, sampling: str, contract: InputContract) -> Any:
    """alkaid's own trace of a Keras model behind the contract's model input type."""
    from alkaid.converter import trace_model
    from alkaid.trace import FVArray, HWConfig, trace

    kind, ones = contract.model_input, np.ones(contract.words, dtype=int)
    inputs = FVArray.from_kif(ones * kind.signed, ones * (kind.integer - kind.signed), ones * kind.fraction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = load_keras(path, sampling)
        _, outputs = trace_model(model, HWConfig(1, 1, -1), {"hard_dc": 2}, inputs=inputs)
    return trace(inputs, outputs)


def measure(folder: Path, scratch: Path) -> str:
    """One row of the table."""
    project = Project.load(folder / "project.toml")
    model = project.model
    if model is None:
        return f"| {project.name} | no model file | | | | | | |"
    path = folder / model.file
    known = InputContract.load(folder / model.contract) if model.contract else None
    kind = known.model_input if known is not None else model.input
    assert kind is not None
    conversion = Conversion(
        name=project.top,
        folder=scratch / project.name,
        input_type=kind,
        targets=project.targets,
        precision=model.precision,
        score=model.score,
        score_type=model.score_type,
    )

    def hls4ml_alone() -> Any:
        source = convert_file(path, conversion, model.sampling)
        compile_csim(source.graph)
        return source

    seconds_hls4ml, source = timed(hls4ml_alone)
    contract = known or InputContract.of_type(project.name, sum(tensor_sizes(source.graph)[0]), kind)
    seconds_lowering, lowering = timed(lambda: lower(source.graph, contract))
    program = lowering.program
    design = write_rtl(program, project.targets, scratch / project.name / "rtl", project.top)
    mapped = estimate(design, scratch / project.name / "yosys")
    alone = "– | –"
    if path.suffix == ".keras" and model.score is None:
        try:
            seconds, comb = timed(lambda: alkaid_alone(path, model.sampling, contract))
            alone = f"{seconds:.1f} | {comb.cost:.0f}"
        except Exception as error:
            sys.stderr.write(f"alkaid alone on {project.name}: {type(error).__name__}: {error}\n")
            alone = f"fails: {type(error).__name__} | –"
    return (
        f"| {project.name} | {len(program.circuit.nodes)} | {seconds_hls4ml:.1f} | {seconds_lowering:.1f} | {alone} | "
        f"{program.comb.cost:.0f} | {mapped.lut} |"
    )


HEAD = (
    "| project | operations | hls4ml with csim s | + lowering s | alkaid s | alkaid LUT (its estimate) | "
    "trigforge LUT (alkaid's estimate, normaliser included) | trigforge LUT (Yosys) |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def main(names: list[str]) -> None:
    """Print the table."""
    sys.stdout.write(HEAD)
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sorted(p.parent for p in PROJECTS.glob("*/project.toml")):
            if not names or folder.name in names:
                sys.stdout.write(measure(folder, Path(scratch)) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
