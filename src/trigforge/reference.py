"""Golden digests and certificates of reference projects.

`python -m trigforge.reference hls_projects/NAME` writes `golden.json` and `certificate.json`.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.conversion import ConvertedModel, convert_project
from trigforge.errors import CheckError, InputError, TrigforgeError
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import read_pipeline, read_rtl, write_rtl
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Certificate, Simulator, Vectors, find_simulator, make_vectors
from trigforge.value import Value
from trigforge.verification import CERTIFICATE_FILE, REQUIRED, verify

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


def convert_reference(folder: Path, build: Path) -> ConvertedModel:
    """The converted project in `folder`; raises `InputError` or `ExactnessError` as `convert_project` does."""
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


def certify_reference(
    folder: Path, converted: ConvertedModel, build: Path, simulator: Simulator, events: int | None = None
) -> Certificate:
    """The green certificate of a project in `folder`, whose RTL `golden_of` wrote to `build`.

    The RTL is simulated on all vectors, or on about `events` of them. The certificate holds no time, host or path: only
    the versions of the tools depend on the machine. Raises `CheckError` if it is not green.
    """
    design = read_rtl(converted.program, build / "rtl", converted.project.top)
    verified = verify(converted, folder, design, build, simulator, _silent, events)
    verified.require()
    return verified.certificate


def stored_certificate(folder: Path) -> Certificate:
    """The certificate stored in `folder`; `CheckError` if it is not green, or not of what `golden.json` names."""
    known, stored = Golden.load(folder / GOLDEN_FILE), Certificate.load(folder / CERTIFICATE_FILE)
    stored.require_digests({"program": known.program, "contract": known.contract})
    stored.require(*REQUIRED)
    return stored


def regenerate(folder: Path) -> Golden:
    """Write `golden.json` and `certificate.json` of the project in `folder` anew; both or, at an error, neither."""
    with tempfile.TemporaryDirectory() as scratch:
        build = Path(scratch)
        converted = convert_reference(folder, build)
        found = golden_of(converted, build)
        simulator = find_simulator(converted.project.verification.simulator)
        certificate = certify_reference(folder, converted, build, simulator)
    found.save(folder / GOLDEN_FILE)
    certificate.save(folder / CERTIFICATE_FILE)
    return found


def _silent(fraction: float, text: str) -> None:
    """An `Update` for a work that is not watched."""


def _digests(root: Path, paths: list[Path] | tuple[Path, ...]) -> dict[str, str]:
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def _digest_of_words(words: IntArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(words, dtype="<i8").tobytes()).hexdigest()


def main(folders: list[str]) -> int:
    """Regenerate golden digests and certificates of project folders; the exit code."""
    try:
        if not folders:
            raise InputError("a project's folder must be given; python -m trigforge.reference hls_projects/NAME")
        for folder in folders:
            regenerate(Path(folder))
    except TrigforgeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1 if isinstance(error, CheckError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
