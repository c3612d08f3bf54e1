"""Golden digests of reference projects; `python -m trigforge.reference hls_projects/NAME` writes `golden.json`."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.conversion import ConvertedModel, convert_project
from trigforge.errors import InputError, TrigforgeError
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import read_pipeline, write_rtl
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Vectors, make_vectors
from trigforge.value import Value

PROJECT_FILE: Final = "project.toml"
GOLDEN_FILE: Final = "golden.json"
HLS_SOURCES: Final = ("firmware/*.h", "firmware/*.cpp", "firmware/weights/*.h", "*.cpp", "*.tcl")
"""Without what hls4ml copies as it is (`nnet_utils`, `ap_types`) and what holds its random stamp (`build_lib.sh`,
`hls4ml_config.yml`)."""


class Golden(Value):
    """What a reference project becomes, to the last bit, on every machine."""

    name: str
    framework: str
    contract: str
    program: str
    """Digest of the integer program."""
    operations: int
    outputs: tuple[str, ...]
    vectors: dict[str, int]
    words: str
    """SHA-256 of the program's outputs on the verification vectors: little-endian int64, row by row."""
    latency_clocks: int
    hls: dict[str, str]
    """SHA-256 of every HLS source, by its path in the HLS project."""
    rtl: dict[str, str]
    """SHA-256 of every RTL source, by its path in the design's folder."""


def golden(folder: Path, build: Path) -> Golden:
    """Convert the project in `folder`, write its HLS project and its RTL to `build` and digest all of it.

    Raises `InputError` or `ExactnessError` as `convert_project` does.
    """
    return golden_of(convert_reference(folder, build), build)


def convert_reference(folder: Path, build: Path) -> ConvertedModel:
    """The converted project in `folder`."""
    return convert_project(Project.load(folder / PROJECT_FILE), folder, build)


def golden_of(converted: ConvertedModel, build: Path) -> Golden:
    """The digests of a project that was converted into `build`; its RTL is written to `build/rtl`."""
    project, program, vectors = converted.project, converted.program, reference_vectors(converted)
    design = write_rtl(program, project.targets, build / "rtl", project.top)
    return Golden(
        name=project.name,
        framework=converted.source.framework,
        contract=converted.contract.digest,
        program=program.digest,
        operations=len(program.circuit.nodes),
        outputs=tuple(str(kind) for kind in program.outputs),
        vectors=vectors.counts(),
        words=_digest_of_words(program(vectors.words)),
        latency_clocks=read_pipeline(build / "rtl").latency_clocks,
        hls=_digests(build / "hls", [path for pattern in HLS_SOURCES for path in (build / "hls").glob(pattern)]),
        rtl=_digests(build / "rtl", design.sources),
    )


def reference_vectors(converted: ConvertedModel) -> Vectors:
    """The project's verification vectors without physics: random, corner, walking and saturating ones."""
    asked = converted.project.verification
    limits = converted.contract.limits()
    return make_vectors(*limits, random=asked.random, saturating=asked.random // 4, seed=asked.seed)


def regenerate(folder: Path) -> Golden:
    """Write `golden.json` of the project in `folder` anew."""
    with tempfile.TemporaryDirectory() as build:
        found = golden(folder, Path(build))
    found.save(folder / GOLDEN_FILE)
    return found


def _digests(root: Path, paths: list[Path] | tuple[Path, ...]) -> dict[str, str]:
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def _digest_of_words(words: IntArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(words, dtype="<i8").tobytes()).hexdigest()


def main(folders: list[str]) -> int:
    """Regenerate the golden digests of project folders; the exit code."""
    try:
        if not folders:
            raise InputError("a project's folder must be given; python -m trigforge.reference hls_projects/NAME")
        for folder in folders:
            regenerate(Path(folder))
    except TrigforgeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
