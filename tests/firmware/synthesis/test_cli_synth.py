"""`trigforge synth PROJECT`: every number with the tool that said it, and nothing made twice."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.random_programs import random_program
from trigforge.cli_synth import cells, kept_rtl, synth_alone
from trigforge.config import STORED
from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.pipeline import REGISTER_NS
from trigforge.firmware.project import Language, Project, Targets
from trigforge.firmware.rtl import read_pipeline
from trigforge.firmware.synthesis import nextpnr_command, nextpnr_version, yosys_version
from trigforge.firmware.synthesis.compare import Row, vivado_row
from trigforge.firmware.vendor.reports import Utilisation, VivadoReport

FROZEN = Path(__file__).parents[2] / "qkeras_zoo" / "frozen" / "frozen.h5"
ECP5 = "synth_ecp5 -nodsp"
PROJECT = """
name = "small"
[model]
file = "{file}"
input = "{kind}"
[targets]
part = "LFE5U-25F-6BG256C"
clock_ns = 12.5
ns_per_level = 1.2
latency_budget_ns = 400.0
[trigger]
[verification]
simulator = "icarus"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    shutil.copy(FROZEN, folder)
    with np.load(FROZEN.with_suffix(".npz")) as frozen:
        (folder / "project.toml").write_text(PROJECT.format(file=FROZEN.name, kind=frozen["kind"]))
    return folder


def run(project: Path, out: Path, capsys: pytest.CaptureFixture[str], family: str | None = None) -> dict[str, object]:
    synth_alone(project, out, project, family, 1, as_json=True)
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def refuse(*_: object) -> str:
    raise AssertionError("something was made again")


def test_every_row_names_its_tool_and_a_second_call_makes_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        nextpnr_command()
    except MissingToolError as error:
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(str(error))
    found = run(project, tmp_path / "out", capsys)
    alkaid, model, core, trigger, placed = found["rows"]
    pipeline = read_pipeline(tmp_path / "out" / "rtl")
    assert alkaid["tool"].startswith("alkaid 0.")
    assert alkaid["lut"] == round(pipeline.cost)
    assert (model["tool"], model["ff"], model["lut"]) == ("trigforge pipeline model", pipeline.register_bits, None)
    assert model["period_ns"] == round(REGISTER_NS + pipeline.levels * 1.2, 3)
    assert (core["subject"], core["tool"], core["dsp"], core["bram"]) == ("core", f"{yosys_version()} {ECP5}", 0, 0)
    assert 0 < core["ff"] <= pipeline.register_bits
    assert 1 < core["levels"] <= math.ceil(pipeline.levels)
    assert trigger["subject"] == "core in its trigger"
    assert trigger["lut"] > core["lut"]
    assert trigger["ff"] > core["ff"] + 100
    assert placed["stage"] == "place and route"
    assert placed["ff"] == core["ff"]
    assert placed["lut"] >= core["lut"] + 2 * core["carry"]
    assert nextpnr_version() in placed["tool"]
    assert found["latency_ns"] == pipeline.latency_clocks * 12.5
    assert "-nodsp" in found["multipliers"]
    for module in ("yosys", "nextpnr"):
        monkeypatch.setattr(f"trigforge.firmware.synthesis.{module}.run_tool", refuse)
    for name in ("convert_project", "write_rtl"):
        monkeypatch.setattr(f"trigforge.cli_synth.{name}", refuse)
    assert run(project, tmp_path / "out", capsys) == found
    synth_alone(project, tmp_path / "out", project, None, 1, as_json=False)
    said = capsys.readouterr().out
    assert all(row["tool"] in said for row in (alkaid, model, core, trigger, placed))
    assert "0 DSP because multipliers are mapped to logic (-nodsp)" in said
    (project / "project.toml").write_text((project / "project.toml").read_text() + "seed = 2\n")
    with pytest.raises(AssertionError, match="something was made again"):
        synth_alone(project, tmp_path / "out", project, None, 1, as_json=False)


def test_rtl_of_other_targets_is_written_anew(tmp_path: Path) -> None:
    program, project = random_program(5), Project(name="dut")
    design, pipeline = kept_rtl(project, program, tmp_path)
    written = design.sources[-1].stat().st_mtime_ns
    assert kept_rtl(project, program, tmp_path)[0].sources[-1].stat().st_mtime_ns == written
    slower = project.model_copy(update={"targets": Targets(clock_ns=25.0)})
    assert kept_rtl(slower, program, tmp_path)[1].latency_clocks < pipeline.latency_clocks
    assert read_pipeline(tmp_path / "rtl") != pipeline
    language = project.model_copy(update={"targets": Targets(clock_ns=25.0, language=Language.VHDL)})
    assert {source.suffix for source in kept_rtl(language, program, tmp_path)[0].sources} == {".vhd"}


def test_the_folder_of_a_run_is_refused(project: Path, tmp_path: Path) -> None:
    (tmp_path / STORED).write_text("{}")
    with pytest.raises(InputError, match="--out must not be the folder of a run, whose program is another"):
        synth_alone(project, tmp_path, project, None, 1, as_json=False)


def test_what_a_tool_does_not_say_is_a_dash() -> None:
    row = Row(subject="core", stage="mapping", tool="x", lut=0, ff=12, levels=3.5)
    assert cells(row) == ["core", "mapping", "0", "12", "-", "-", "-", "3.5", "-"]


def test_a_row_of_vivado_has_its_achieved_period() -> None:
    used = Utilisation(lut=4, ff=5, dsp=0, bram18=1, uram=0, estimator="Vivado 2024.1 place and route")
    report = VivadoReport(
        design="dut", device="xcvu13p", clock_ns=5.0, wns_ns=-0.25, tns_ns=-1.0, failing_endpoints=3, endpoints=9,
        whs_ns=0.1, used=used,
    )  # fmt: skip
    row = vivado_row(report)
    assert (row.tool, row.lut, row.bram) == ("Vivado 2024.1 place and route, out of context", 4, 1)
    assert (row.period_ns, row.note) == (5.25, "3 endpoints fail")
