"""`trigforge verify PROJECT`: the certificate of a small project, every way in which it is red, and wrong input."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from trigforge.cli import run_command
from trigforge.cli_prove import PROOFS_FILE, prove_project
from trigforge.cli_replay import replay_file
from trigforge.conversion import ConvertedModel, convert_project
from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import write_rtl
from trigforge.sim.cosim import Certificate, find_simulator
from trigforge.sim.cosim.certify import native_emulator
from trigforge.sim.formal import Proofs, Verdict
from trigforge.verification import CERTIFICATE_FILE, FRAMEWORK_FILE, Verified, verify

FROZEN = Path(__file__).parent / "qkeras_zoo" / "frozen" / "frozen.h5"
PROJECT = """
name = "small"
[model]
file = "{file}"
input = "{kind}"
[verification]
random = 200
simulator = "icarus"
"""
LEVELS = ["framework_vs_program", "csim_vs_program", "program_vs_emulator", "program_vs_rtl"]


@dataclass(frozen=True, slots=True)
class Small:
    """A project with QKeras's own outputs, converted, and where."""

    folder: Path
    build: Path
    converted: ConvertedModel

    def verify(self, events: int | None = None) -> Verified:
        design = write_rtl(self.converted.program, self.converted.project.targets, self.build / "rtl", "small_core")
        return verify(self.converted, self.folder, design, self.build, find_simulator("icarus"), quietly, events)


def quietly(fraction: float, text: str) -> None:
    assert 0 <= fraction <= 1


def make_project(folder: Path) -> Path:
    with np.load(FROZEN.with_suffix(".npz")) as file:
        frozen = dict(file)
    shutil.copy(FROZEN, folder)
    (folder / "project.toml").write_text(PROJECT.format(file=FROZEN.name, kind=frozen["kind"]))
    freeze(folder, frozen["mantissas"], frozen["outputs"])
    return folder


def freeze(folder: Path, words: np.ndarray, outputs: np.ndarray) -> None:
    np.savez(folder / FRAMEWORK_FILE, words=words, outputs=outputs)


def only_line(text: str) -> str:
    """What a refused command said: one line."""
    (line,) = [line for line in text.splitlines() if line.startswith("trigforge: ")]
    assert "Traceback" not in text
    return line


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder, build = make_project(tmp_path_factory.mktemp("small")), tmp_path_factory.mktemp("build")
    return Small(folder, build, convert_project(Project.load(folder / "project.toml"), folder, build))


def test_all_levels_agree(small: Small) -> None:
    verified = small.verify()
    verified.require()
    certificate = verified.certificate
    assert [level.name for level in certificate.levels] == LEVELS
    assert certificate.mismatches() == dict.fromkeys(LEVELS, 0)
    outputs = len(small.converted.program.outputs)
    assert [level.words for level in certificate.levels[1:]] == 3 * [certificate.events * outputs]
    assert certificate.digests["program"] == small.converted.program.digest
    assert certificate.digests["contract"] == small.converted.contract.digest
    assert certificate.tools["simulator"].startswith("Icarus Verilog ")
    assert certificate.vectors.keys() >= {"object", "constrained"}
    assert certificate.coverage["output"]["hit"] > 0
    assert certificate.coverage["input"]["open"] == 0


def test_the_whole_core_of_a_small_project_is_asked_for(small: Small, tmp_path: Path) -> None:
    """Proved or, on a slow machine, not decided; never refuted."""
    prove_project(small.folder, tmp_path / "out", tmp_path, 60.0, core=True, as_json=False)
    verdicts = {theorem.name: theorem.verdict for theorem in Proofs.load(tmp_path / "out" / PROOFS_FILE).theorems}
    assert verdicts["normaliser"] is Verdict.PROVED
    assert verdicts["core"] is not Verdict.REFUTED


def test_a_simulator_may_get_fewer_vectors_and_the_certificate_says_so(small: Small) -> None:
    certificate = small.verify(events=40).certificate
    software, rtl = certificate.levels[-2:]
    assert software.vectors == certificate.vectors
    assert rtl.vectors.keys() == certificate.vectors.keys()
    assert sum(rtl.vectors.values()) * len(small.converted.program.outputs) == rtl.words < software.words
    assert 30 <= sum(rtl.vectors.values()) <= 50


def test_one_changed_shift_in_the_rtl_is_found(small: Small) -> None:
    """The RTL on disk is changed after it was written, as a user's editor would."""
    targets = small.converted.project.targets
    design = write_rtl(small.converted.program, targets, small.build / "changed", "small_core")
    source = next(s for s in reversed(design.sources) if re.search(r"shift_adder #\(((?:-?\d+,){6})", s.read_text()))
    pattern = re.compile(r"(shift_adder #\((?:-?\d+,){6})(-?\d+),")
    text = source.read_text()
    last = list(pattern.finditer(text))[-1]
    source.write_text(text[: last.start(2)] + str(int(last.group(2)) ^ 1) + text[last.end(2) :])
    changed = verify(small.converted, small.folder, design, small.build, find_simulator("icarus"), quietly, events=40)
    assert changed.certificate.mismatches() | {"program_vs_rtl": 0} == dict.fromkeys(LEVELS, 0)
    (file,) = small.build.glob("failure-*.json")
    with pytest.raises(
        CheckError,
        match=rf"program_vs_rtl must agree on every word, but \d+ of \d+ differ; first at .*: trigforge replay {file}",
    ):
        changed.require()
    assert len(changed.certified.failure.words) == 1
    with pytest.raises(
        CheckError, match=r"the RTL of 'small' must give -?\d+ on output \d, but it gave -?\d+; bit \d+ is"
    ):
        replay_file(file, None, None, as_json=False)


def test_one_wrong_word_of_the_framework_is_found(small: Small, tmp_path: Path) -> None:
    make_project(tmp_path)
    with np.load(tmp_path / FRAMEWORK_FILE) as file:
        words, outputs = file["words"], file["outputs"]
    outputs[7, 0] += small.converted.program.outputs[0].lsb
    freeze(tmp_path, words, outputs)
    other = Small(tmp_path, small.build, small.converted).verify(events=10)
    assert other.certificate.mismatches() == dict.fromkeys(LEVELS, 0) | {"framework_vs_program": 1}
    with pytest.raises(CheckError, match=r"framework_vs_program must agree .* first at event 7 \(frozen\), output 0"):
        other.require()


WORDS, OUTPUTS = np.zeros((5, 8), np.int16), np.zeros((5, 3))
BAD_FILES = {
    "words of other width": ({"words": WORDS[:, :3], "outputs": OUTPUTS}, r"not int16 \(5, 3\) and float64 \(5, 3\)"),
    "words that are real": (
        {"words": WORDS + 0.5, "outputs": OUTPUTS},
        r"must hold integer words \(n, 8\) and real ou",
    ),
    "fewer outputs": (
        {"words": WORDS, "outputs": OUTPUTS[:4]},
        r"not int16 \(5, 8\) and float64 \(4, 3\); freeze them",
    ),
    "flat outputs": (
        {"words": WORDS, "outputs": OUTPUTS[:, 0]},
        r"real outputs \(n, 3\), not int16 \(5, 8\) and float",
    ),
    "no axes": ({"words": WORDS[0, 0], "outputs": OUTPUTS[0, 0]}, r"not int16 \(\) and float64 \(\)"),
    "no events": ({"words": WORDS[:0], "outputs": OUTPUTS[:0]}, r"not int16 \(0, 8\)"),
    "a word out of range": (
        {"words": WORDS + 5000, "outputs": OUTPUTS},
        r"framework\.npz: word 0 must be in .* not 5000",
    ),
    "other arrays": (
        {"other": WORDS},
        r"framework\.npz must hold the arrays 'words' and 'outputs' of the framework, but",
    ),
    "no archive": (
        b"not an archive",
        r"framework\.npz must hold the arrays 'words' and 'outputs' of the framework, but",
    ),
    "an empty file": (b"", r"framework\.npz must hold the arrays 'words' and 'outputs' of the framework, but"),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_frozen_outputs_that_are_none_are_refused(small: Small, tmp_path: Path, content, message: str) -> None:
    if isinstance(content, bytes):
        (tmp_path / FRAMEWORK_FILE).write_bytes(content)
    else:
        np.savez(tmp_path / FRAMEWORK_FILE, **content)
    with pytest.raises(InputError, match=message):
        Small(tmp_path, small.build, small.converted).verify(events=10)


def test_a_latency_above_the_budget_fails(small: Small) -> None:
    verified = small.verify(events=10)
    tight = Verified(verified.report, verified.certified, verified.certificate.latency_ns - 1)
    with pytest.raises(CheckError, match=r"the latency of 'small' must be at most"):
        tight.require()


def test_the_command_writes_the_certificate_and_refuses_a_stored_one_of_something_else(tmp_path: Path, capsys) -> None:
    (tmp_path / "small").mkdir()
    folder, out = make_project(tmp_path / "small"), tmp_path / "out"
    asked = ["verify", str(folder), "--out", str(out), "--events", "20", "--json"]
    assert run_command(asked) == 0
    said = json.loads(capsys.readouterr().out)
    certificate = Certificate.load(out / CERTIFICATE_FILE)
    assert said.items() >= certificate.model_dump(mode="json").items()
    assert said["ok"] is True
    assert said["divergence"] is None
    assert json.loads((out / "conversion.json").read_text())["program"] == certificate.digests["program"]
    other = certificate.model_copy(update={"digests": {**certificate.digests, "model": 64 * "0"}})
    other.save(folder / CERTIFICATE_FILE)
    assert run_command(asked) == 1
    line = only_line(capsys.readouterr().err)
    assert re.search(r"the certificate of 'small' must be of the model \w{12}, but it is of 000000000000", line)
    assert Certificate.load(out / CERTIFICATE_FILE) == certificate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("{dir}/none",),
            "PROJECT must be the folder of a project.toml, but {dir}/none does not exist; {dir} holds recipe, small",
        ),
        (("{dir}",), "PROJECT must be the folder of a project.toml, but {dir} has none"),
        (("{dir}/small/project.toml",), "PROJECT must be the folder of a project.toml that names its model file, not"),
        (("{dir}/run",), "PROJECT must be the folder of a project.toml; verify the run with --out {dir}/run"),
        (
            ("{dir}/recipe",),
            "project 'recipe' must name a model file to be converted alone; its recipe 'vae_small_l1' is",
        ),
        (
            ("{dir}/small", "--simulator", "ghdl"),
            "--simulator must read verilog, as verilator or icarus does, not 'ghdl'",
        ),
        (("{dir}/small", "--simulator", "questa"), "'questa' is not one of 'verilator', 'icarus', 'ghdl'"),
        (("{dir}/small", "--events", "0"), "0 is not in the range x>=1"),
        (("{dir}/small", "--recipe", "vae_l1"), "--config, --samples, --generate and --recipe must be given without"),
        (("{dir}/small", "--out", "{dir}/run"), "--out must not be the folder of a run, whose certificate is another"),
        (("{dir}/small", "--out", "{dir}/small/project.toml"), "must be writable: File exists; choose another --out"),
        (("--simulator", "icarus"), "--simulator and --events must be given with PROJECT"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, capsys, arguments: tuple[str, ...], message: str) -> None:
    for name in ("small", "run", "recipe"):
        (tmp_path / name).mkdir()
    make_project(tmp_path / "small")
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "recipe" / "project.toml").write_text('name = "recipe"\n')
    asked = [a.format(dir=tmp_path) for a in arguments]
    if "--out" not in asked:
        asked += ["--out", str(tmp_path / "out")]
    assert run_command(["verify", *asked, "--projects", str(tmp_path)]) == 2
    assert message.format(dir=tmp_path) in only_line(capsys.readouterr().err)
    assert not (tmp_path / "out" / CERTIFICATE_FILE).exists()


def test_an_emulator_that_is_no_native_code_is_not_certified(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(small.build))
    with pytest.raises(MissingToolError, match=r"^g\+\+ must be on PATH to verify the emulator, but it was not found"):
        native_emulator(small.converted.program, small.build)


def test_a_missing_simulator_is_said_before_the_work(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_command(["verify", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "Icarus Verilog must be installed (11.0 or newer), but none was found" in only_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()
