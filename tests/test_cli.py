"""The command line end to end on a small run, and what it says to a hostile and to a tired user."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trigforge.models.metrics import ScoreKind
from trigforge.models.trained import TrainingRecord
from trigforge.results import Performance

RECIPE = """
name = "small"
[architecture]
kind = "vae"
hidden = [6]
latent = 2
kl_weight = 0.05
[training]
epochs = 4
batch = 256
[quantisation]
weight_bits = 4
activation_fraction = 2
"""

CONFIG = """
[collisions]
soft_interactions = 600
hard_interactions = 4000
rare_interactions = 40
pileup = 8.0
[[collisions.samples]]
name = "zero_bias"
events = 8000
content = "level1"
[[collisions.samples]]
name = "enhanced_bias"
events = 16000
[[collisions.samples]]
name = "a_to_4l"
events = 600
interactions = 60
content = "level1"
[[collisions.samples]]
name = "lq_to_btau"
events = 600
interactions = 60
content = "level1"
[project]
name = "small"
recipe = "{recipe}"
[project.verification]
physics = 1000
random = 200
[rates]
target_rate_khz = 300.0
"""

KEYS = {
    "events": {"zero_bias", "enhanced_bias", "a_to_4l", "lq_to_btau"},
    "model": {"name", "auc", "tpr_at_fpr", "parameters", "ebops"},
    "exactness": {"events", "trainer_vs_csim", "csim_vs_program", "program_vs_emulator", "program_vs_rtl"},
    "firmware": {"clock_ns", "latency_clocks", "latency_ns", "ii", "lut", "ff", "dsp", "bram", "estimator"},
    "threshold": {"score", "rate_khz", "rate_err_khz", "pure_rate_khz"},
    "streams": {"main", "tla"},
    "calibration": {"closure_max", "residual_max"},
    "search": {"function", "chi2", "ndf", "max_local_significance"},
    "wall_seconds": {"events", "model", "program", "rtl", "verify", "estimate", "thresholds"},
}


def trigforge(*arguments: str, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trigforge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, preexec_fn=limit, check=False)


def only_line(result: subprocess.CompletedProcess[str]) -> str:
    """The message of a refused command: exactly one line on stderr, no traceback, nothing on stdout."""
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("trigforge: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    return lines[0]


class Workshop:
    """A finished small run and the arguments that name it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "small.toml").write_text(RECIPE)
        (folder / "run.toml").write_text(CONFIG.format(recipe=folder / "small.toml"))
        self.where = ("--out", str(folder / "run"), "--projects", str(folder / "projects"))
        self.config = ("--config", str(folder / "run.toml"))
        self.rtl = folder / "projects/small/build/rtl/src"


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    made = Workshop(tmp_path_factory.mktemp("workshop"))
    result = trigforge("run", *made.where, *made.config, "--json")
    assert result.returncode == 0, result.stderr
    made.summary = json.loads(result.stdout)
    return made


def test_a_run_leaves_every_key_of_the_summary(workshop: Workshop) -> None:
    written = json.loads((workshop.folder / "run/summary.json").read_text())
    assert written == workshop.summary
    assert {key: set(written[key]) >= names for key, names in KEYS.items()} == dict.fromkeys(KEYS, True)
    assert [written["exactness"][k] for k in sorted(KEYS["exactness"] - {"events"})] == [0, 0, 0, 0]
    assert written["exactness"]["events"] >= 1200
    assert written["firmware"]["ii"] == 1
    assert 0 < written["threshold"]["rate_khz"] <= 300


def test_signals_choose_the_epoch_of_the_model_and_of_its_twin(workshop: Workshop) -> None:
    for folder in ("run/model", "run/model/float"):
        record = TrainingRecord.load(workshop.folder / folder / "training.json")
        merits = [epoch.merit for epoch in record.epochs]
        assert None not in merits
        assert merits[record.chosen] == max(merits)


def test_a_run_leaves_a_report_and_an_hls_project(workshop: Workshop) -> None:
    page = (workshop.folder / "run/report.html").read_text()
    assert "<html" in page
    assert (workshop.folder / "projects/small/build/hls/firmware/small_core.cpp").is_file()


def test_a_run_compares_firmware_trainer_and_baselines_on_the_same_events(workshop: Workshop) -> None:
    comparison = Performance.load(workshop.folder / "run/model/performance.json").comparison
    kinds = [row.kind for row in comparison.rows]
    own = [ScoreKind.FIRMWARE, ScoreKind.QUANTISED, ScoreKind.FLOAT]
    assert kinds == [*own, *[ScoreKind.CUT] * 5, ScoreKind.FOREST]
    trainer = comparison.rows[1]
    assert [trainer.area_lead[name].value for name in ("a_to_4l", "lq_to_btau")] == [0, 0]
    leads = [e.lead for p in trainer.points for gains in p.signals.values() for e in gains.values()]
    assert leads
    assert all(lead is not None and lead.value == 0 for lead in leads)


def test_the_next_run_keeps_every_stage(workshop: Workshop) -> None:
    result = trigforge("run", *workshop.where)
    assert result.returncode == 0
    assert len(re.findall(r"^\w+ +kept  ", result.stderr, re.MULTILINE)) == 14


def test_convert_says_what_every_type_of_the_run_loses(workshop: Workshop) -> None:
    result = trigforge("convert", *workshop.where, "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["conversion"] == json.loads((workshop.folder / "run/firmware/conversion.json").read_text())
    assert {width["place"] for width in said["conversion"]["widths"]} >= {"accumulator", "result"}
    assert all(level["mismatches"] == 0 for level in said["conversion"]["levels"])
    assert said["conversion"]["program"][:12] in said["stages"]["program"]["text"]


def test_one_changed_bit_in_the_rtl_fails_verification_and_is_named(workshop: Workshop) -> None:
    """The bench can fail: one bit of one constant or shift of the generated Verilog is flipped."""
    source, original, mutant = mutate(workshop.rtl)
    try:
        source.write_text(mutant)
        result = trigforge("verify", *workshop.where)
    finally:
        source.write_text(original)
    assert result.returncode == 1
    message = only_line(result)
    assert re.search(
        r"program_vs_rtl must agree on every word, but \d+ of \d+ differ; first at event \d+ \(\w+\)", message
    )
    again = trigforge("verify", *workshop.where, "--json")
    assert again.returncode == 0
    assert "0 of" in json.loads(again.stdout)["stages"]["verify"]["text"]


def mutate(folder: Path) -> tuple[Path, str, str]:
    """A source, its text, and the text with the shift of its last two-term adder off by one bit."""
    for source in sorted(folder.glob("*_logic*.v"), reverse=True):
        text = source.read_text()
        found = list(re.finditer(r"shift_adder #\(((?:-?\d+,){6})(-?\d+),", text))
        if found:
            last = found[-1]
            shift = int(last.group(2)) ^ 1
            return source, text, text[: last.start(2)] + str(shift) + text[last.end(2) :]
    raise AssertionError(f"no adder in {folder}")


def test_emulate_scores_a_file_of_events(workshop: Workshop) -> None:
    run, scores = workshop.folder / "run", workshop.folder / "scores.npy"
    program, events = run / "firmware/program.json.gz", run / "events/a_to_4l"
    result = trigforge("emulate", str(program), str(events), str(scores), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["events"] == 600
    assert scores.stat().st_size > 600 * 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--recipe", "nonesuch"), "recipe must be a TOML or Python file or one of "),
        (("run", "--config", "{dir}/bad.toml"), "bad.toml: unknown key 'collision'; known keys here: collisions, proj"),
        (
            ("run", "--recipe", "{dir}/bad.toml"),
            "bad.toml: key 'name' is missing; key 'architecture' is missing; unknown key 'coll",
        ),
        (("run", "--out", "{dir}/bad.toml/run"), "must be writable: Not a directory; choose another --out"),
        (("run", "--bogus"), "No such option"),
        (("generate",), "generate must be given either the NAME of a sample or a file with --config"),
        (
            ("generate", "higgs", "--out", "{dir}/s"),
            "sample must be one of zero_bias, enhanced_bias, qcd",
        ),
        (("generate", "qcd", "--pileup", "300", "--out", "{dir}/s"), "pileup = 300.0: input should be less than or eq"),
        (
            ("generate", "qcd", "--constituents", "3", "--out", "{dir}/s"),
            "--constituents and --hdf5 must come with jet_tagg",
        ),
        (("generate", "top_tagging", "--pileup", "3", "--out", "{dir}/s"), "must not come with top_tagging: its jets"),
        (("import", "{dir}/bad.toml", "--out", "{dir}/s"), "bad.toml"),
        (("import", "{dir}/none.root", "--out", "{dir}/s"), "none.root"),
        (
            ("run", "--samples", "{dir}"),
            "must be zero_bias, enhanced_bias and at least one signal, not none",
        ),
        (("run", "--samples", "x", "--generate"), "--samples and --generate must not both be given"),
        (("emulate", "{dir}/bad.toml", "x", "y"), "bad.toml must be a program that trigforge saved"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "bad.toml").write_text("[collision]\nseed = 1\n")
    named = [a.format(dir=tmp_path) for a in arguments]
    if "--out" not in named and named[0] == "run":
        named += ["--out", str(tmp_path / "run"), "--projects", str(tmp_path / "projects")]
    result = trigforge(*named)
    assert result.returncode == 2
    assert message in only_line(result)


def test_a_model_file_that_is_none_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(workshop.folder / "run", run)
    (run / "model/model.keras").write_text("not a model")
    (run / "firmware/program.json.gz").unlink()
    result = trigforge("convert", "--out", str(run), "--projects", str(tmp_path / "projects"))
    assert result.returncode == 2
    assert re.search(
        r"model.keras must be the file that training.json names, but its digest differs", only_line(result)
    )


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(workshop: Workshop, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(workshop.folder / "run", run)
    (run / "tla/tla.root").unlink()

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))

    where = ("--out", str(run), "--projects", str(workshop.folder / "projects"))
    result = trigforge("tla", *where, limit=small_files)
    assert result.returncode == 2
    assert re.search(r"cannot write .*: File too large; free some space, finished stages are kept", only_line(result))
    assert not (run / "tla/tla.root").exists()
    assert trigforge("tla", *where).returncode == 0


def test_ctrl_c_keeps_finished_stages(workshop: Workshop, tmp_path: Path) -> None:
    """Interrupted in training, after the events are made: 130, one line, and the next run keeps the events."""
    run = tmp_path / "run"
    shutil.copytree(workshop.folder / "run" / "events", run / "events")
    shutil.copytree(workshop.folder / "run" / "stages", run / "stages")
    recipe = tmp_path / "long.toml"
    recipe.write_text(RECIPE.replace("epochs = 4", "epochs = 4000"))
    where = ("--out", str(run), "--projects", str(tmp_path / "projects"))
    command = [sys.executable, "-m", "trigforge", "build", *where, *workshop.config, "--recipe", str(recipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "config" in process.stderr.readline()
        assert "kept" in process.stderr.readline()
        time.sleep(12)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "trigforge: interrupted; finished stages are kept" in errors
    assert "Traceback" not in errors
    assert not (run / "model").exists() or not (run / "model/training.json").exists()


def test_generate_makes_a_sample_and_keeps_it(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "samples"))
    made = trigforge("generate", "a_to_4l", "--events", "30", "--pileup", "0", "--jobs", "1", *out, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["a_to_4l"]["events"] == 30
    part = tmp_path / "samples/a_to_4l/part-00000.parquet"
    before = part.stat().st_mtime_ns
    again = trigforge("generate", "a_to_4l", "-n", "30", "--pileup", "0", *out)
    assert again.returncode == 0
    assert "a_to_4l: 30 events, sum of weights 1 ± 0.18," in again.stderr
    assert part.stat().st_mtime_ns == before
    other = trigforge("generate", "a_to_4l", "-n", "31", "--pileup", "0", *out)
    assert other.returncode == 2
    assert "a_to_4l must be empty or hold the same sample, but it was made with other settings" in only_line(other)


def test_labelled_jets_are_exported_in_the_public_layout(tmp_path: Path) -> None:
    file = tmp_path / "jets.h5"
    arguments = ("-n", "10", "-j", "1", "--out", str(tmp_path / "samples"), "--hdf5", str(file))
    made = trigforge("generate", "top_tagging", *arguments)
    assert made.returncode == 0, made.stderr
    read = trigforge("import", str(file), "--out", str(tmp_path / "back"), "--json")
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout) | {"events": 10, "format": "top-tagging"} == json.loads(read.stdout)


def test_import_reads_a_file_of_another_format(public_data: Path, tmp_path: Path) -> None:
    source = public_data / "nano_tt_v15.root"
    made = trigforge("import", str(source), "--out", str(tmp_path / "tt"), "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) | {"events": 200, "format": "nanoaod"} == json.loads(made.stdout)


def test_doctor_finds_everything_that_a_run_needs() -> None:
    result = trigforge("doctor", "--json")
    assert result.returncode == 0, result.stdout
    found = {f["name"]: f["found"] for f in json.loads(result.stdout)["findings"]}
    assert found["verilator"]
    assert found["yosys"]


def test_doctor_names_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trigforge", "doctor"]
    environment = {**os.environ, "PATH": str(tmp_path)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert result.returncode == 1
    assert "missing for 'trigforge run': g++, make, perl, verilator" in result.stderr


def test_version() -> None:
    assert trigforge("--version").stdout.startswith("trigforge 0.")
