"""`[links]` and `[axis]` of a project: what they may say, what is written, and their levels of the certificate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge import stages_firmware
from trigforge.cli import run_command
from trigforge.cli_synth import AROUND, blocks_around
from trigforge.cli_verify import describe
from trigforge.config import RunConfig
from trigforge.conversion import ConvertedModel, convert_project
from trigforge.errors import CheckError, InputError
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import Tops, read_tops, write_rtl, write_tops
from trigforge.firmware.rtl.axis import AxisTop
from trigforge.firmware.rtl.links_top import LinksTop
from trigforge.firmware.rtl.project_axis import AxisRecord
from trigforge.firmware.rtl.project_links import LinksRecord
from trigforge.firmware.rtl.project_tops import AXIS, LINKS, TRIGGER, record_file
from trigforge.firmware.synthesis.families import Family
from trigforge.firmware.synthesis.yosys import map_block
from trigforge.pipeline import Run
from trigforge.sim.cosim import Certificate, find_simulator
from trigforge.sim.cosim.certificate import AXIS_LEVEL, LINKS_LEVEL, TRIGGER_LEVEL, Timing
from trigforge.verification import CERTIFICATE_FILE, REQUIRED, verify

from .test_project_trigger import SHORT, project_of
from .test_verification import only_line, quietly

BOTH = SHORT + "[links]\nreceives = { width = 16, align = 8 }\nsends = { width = 32 }\n[axis]\ndata_bits = [32, 16]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@pytest.fixture(scope="module")
def small(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ConvertedModel:
    return convert_project(project_of(folder, BOTH), folder, tmp_path_factory.mktemp("build"))


def written(small: ConvertedModel, folder: Path, **changes: object) -> Tops:
    """What is written around the small core if the project is changed."""
    project = Project.parse(small.project.model_dump() | changes, "the project")
    core = write_rtl(small.program, project.targets, folder / "rtl", project.top)
    return write_tops(project, small.program, core, folder)


def test_the_defaults_are_frames_of_64_bits_and_nothing_unless_asked_for(tmp_path: Path) -> None:
    project = project_of(tmp_path, SHORT + "[links]\n[axis]\n")
    assert project.links is not None
    assert project.axis is not None
    assert (project.links.receives.width, project.links.receives.links, project.links.sends.align) == (64, None, 1)
    assert (project.axis.data_bits, project.axis.lane_bits, project.axis.depth) == ((64, 64), None, None)
    alone = Project.parse({"name": "core_alone"}, "x")
    assert alone.model_dump().keys().isdisjoint({"links", "axis"})


REFUSED = {
    "links without a trigger": (
        "[links]\n",
        r"\[links\] must stand beside \[trigger\], the words and results of which they carry, but there is none; add",
    ),
    "a key": ("[links]\nwidth = 8\n[trigger]\n", "unknown key 'links.width'; known keys here: receives, sends"),
    "a key of links": (
        "[links.sends]\nlanes = 8\n[trigger]\n",
        "unknown key 'links.sends.lanes'; known keys here: align, links, places, width",
    ),
    "a frame": ("[trigger]\n[links.receives]\nwidth = 65\n", "links.receives.width = 65: input should be less than or"),
    "align and places": (
        "[trigger]\n[links.receives]\nalign = 8\nplaces = [[0, 0, 0]]\n",
        "links.receives: align must be left out where places say where words are, not 8",
    ),
    "a place": ("[trigger]\n[links.receives]\nplaces = [[0, 0]]\n", r"key 'links\.receives\.places\.0\.2' is missing"),
    "bits of a beat": ("[axis]\ndata_bits = [12, 64]\n", r"axis\.data_bits\.0 = 12: input should be a multiple of 8"),
    "a beat": ("[axis]\ndata_bits = [64, 8192]\n", r"axis\.data_bits\.1 = 8192: input should be less than or equal to"),
    "a queue": ("[axis]\ndepth = 0\n", r"axis\.depth = 0: input should be greater than or equal to 1"),
}


@pytest.mark.parametrize(("table", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "project.toml").write_text('name = "small"\n' + table)
    with pytest.raises(InputError, match=message):
        Project.load(tmp_path / "project.toml")


MISFITS = {
    "too few links": (
        {"links": {"receives": {"links": 1, "width": 16}}},
        r"^\[links\.receives\] of 'small': 8 words of \d+ bits, .* need 2 links of 5 frames of 16 bits, not 1, .* 80;",
    ),
    "narrow frames": (
        {"links": {"sends": {"width": 4}}},
        r"^\[links\.sends\] of 'small': a word on a link must have at most 4 bits, a frame's, not \d+; split it$",
    ),
    "places of fewer words": (
        {"links": {"receives": {"places": [[0, 0, 0]]}}},
        r"^\[links\.receives\] of 'small': a link map must have a place for every word \(8\), not 1$",
    ),
    "places on one another": (
        {"links": {"receives": {"places": [[0, 0, 0]] * 8}}},
        r"^\[links\.receives\] of 'small': words of a link map must not overlap, but 0 and 1 both have bit 0 of frame",
    ),
    "a narrow lane": (
        {"axis": {"lane_bits": 4}},
        r"^\[axis\] of 'small': a lane must have \d+\.\.62 bits, the widest word's or more, not 4$",
    ),
}


@pytest.mark.parametrize(("changes", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_words_that_do_not_fit_are_refused_and_nothing_is_written(
    small: ConvertedModel, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        written(small, tmp_path, **changes)
    assert [path.name for path in tmp_path.iterdir()] == ["rtl"]


def test_the_budget_is_that_of_the_links(small: ConvertedModel, tmp_path: Path) -> None:
    tops = written(small, tmp_path)
    assert tops.links is not None
    latency = 5.0 * (tops.links.latency_clocks + 1)
    targets = small.project.targets.model_dump()
    written(small, tmp_path, targets=targets | {"latency_budget_ns": latency})
    with pytest.raises(
        InputError,
        match=rf"at least {latency:g} ns for the links of 'small' \(5 clocks for a crossing's frames, \d+ of the tr",
    ):
        written(small, tmp_path, targets=targets | {"latency_budget_ns": latency - 1})


def test_records_say_where_words_are(small: ConvertedModel, tmp_path: Path) -> None:
    tops = written(small, tmp_path)
    assert tops.links is not None
    assert tops.axis is not None
    record = LinksRecord.load(record_file(tmp_path, LINKS))
    low, high = small.contract.limits()
    words = np.stack([low, high])
    frames = tops.links.receives.serialise(words)
    for column, word in enumerate(record.receives):
        link, frame, bit = word.place
        assert bit % 8 == 0
        value = frames[:, link, frame].astype(np.int64) >> bit & (1 << word.bits) - 1
        assert_array_equal(value, words[:, column] & (1 << word.bits) - 1)
    results = {word.name: (word.bits, word.signed) for word in record.sends}
    assert list(results) == ["out_bx[5:0]", "out_score[6:0]", "out_score[13:7]", "out_bits[2:0]", "out_raw[2:0]"]
    assert list(results.values())[1:3] == [(word.width, word.signed) for word in tops.trigger.score_port.words]
    assert (record.frames, record.latency_clocks) == (5, tops.links.latency_clocks + 1)
    streams = AxisRecord.load(record_file(tmp_path, AXIS))
    beats = tops.axis.encode(words)
    assert streams.words.beats == beats.shape[1]
    for column, lane in enumerate(streams.words.words):
        numbers = [int.from_bytes(event.tobytes(), "little") >> lane.first_bit for event in beats]
        assert [n & (1 << lane.bits) - 1 for n in numbers] == (words[:, column] & (1 << lane.bits) - 1).tolist()
    for name, top in tops.named.items():
        assert all(path.is_file() for path in top.sources_in(tmp_path / name))


def test_what_was_written_is_found_again_or_refused(small: ConvertedModel, tmp_path: Path) -> None:
    tops = written(small, tmp_path)
    assert tops.links is not None
    core = tops.links.trigger.core
    assert read_tops(small.project, small.program, core, tmp_path) == tops
    for name in (LINKS, AXIS):
        content = small.project.model_dump()
        content[name] = {"links": {"sends": {"width": 16}}, "axis": {"depth": 3}}[name]
        with pytest.raises(InputError, match=f"the {name} in .* must be of this project; run 'trigforge build' again"):
            read_tops(Project.parse(content, "x"), small.program, core, tmp_path)
    (tmp_path / "links" / "tf_links_tx.sv").unlink()
    with pytest.raises(InputError, match=r"must hold the links 'small_links', but tf_links_tx\.sv is missing"):
        read_tops(small.project, small.program, core, tmp_path)


@pytest.mark.parametrize("name", ["icarus", "verilator"])
def test_the_certificate_has_links_and_streams(small: ConvertedModel, folder: Path, tmp_path: Path, name: str) -> None:
    core = write_rtl(small.program, small.project.targets, tmp_path / "rtl", small.project.top)
    verified = verify(small, folder, core, tmp_path, find_simulator(name), quietly, 60)
    verified.require()
    certificate = verified.certificate
    assert verified.required == (*REQUIRED, TRIGGER_LEVEL, LINKS_LEVEL, AXIS_LEVEL)
    links, streams = certificate.levels[-2:]
    assert (links.name, links.mismatches, streams.name, streams.mismatches) == (LINKS_LEVEL, 0, AXIS_LEVEL, 0)
    assert links.vectors.keys() == {"collision", "empty", "idle", "unlocked"}
    assert min(streams.vectors[kind] for kind in ("taken", "stalled", "idle")) > 100
    trigger_clocks = certificate.trigger_latency_clocks
    assert certificate.links == Timing(latency_clocks=trigger_clocks + 5 + 1, ii=5)
    top = AxisTop("small", core, data_bits=(32, 16))
    assert certificate.axis == Timing(latency_clocks=certificate.latency_clocks + 2, ii=max(top.beats))
    assert len({certificate.digests[key] for key in ("rtl", "trigger", "links", "axis")}) == 4
    said = "\n".join(describe(certificate))
    assert f"; links {trigger_clocks + 6} clocks = {5 * (trigger_clocks + 6)} ns, II 5; streams " in said
    certificate.require_latency(5.0 * certificate.links.latency_clocks)
    with pytest.raises(CheckError, match=rf"but {certificate.links.latency_clocks} clocks of 5 ns are"):
        certificate.require_latency(5.0 * certificate.links.latency_clocks - 1)
    certificate.save(tmp_path / CERTIFICATE_FILE)
    assert Certificate.load(tmp_path / CERTIFICATE_FILE) == certificate
    alone = certificate.model_copy(update={"levels": certificate.levels[:-2], "links": None, "axis": None})
    assert {"links", "axis"}.isdisjoint(json.loads(alone.model_dump_json()))
    with pytest.raises(CheckError, match="must hold the levels program_vs_links, program_vs_axis, but does not"):
        replace(verified, certified=replace(verified.certified, certificate=alone)).require()


def test_streams_need_no_trigger(folder: Path, small: ConvertedModel, tmp_path: Path) -> None:
    """A clock that is no multiple of 40 MHz will do, and lanes, and a queue that is too small for an event a clock."""
    content = small.project.model_dump() | {"trigger": None, "links": None}
    content["axis"] = {"data_bits": (64, 96), "lane_bits": 32, "depth": 2}
    content["targets"] = content["targets"] | {"clock_ns": 4.7}
    converted = replace(small, project=Project.parse(content, "x"))
    core = write_rtl(small.program, converted.project.targets, tmp_path / "rtl", converted.project.top)
    verified = verify(converted, folder, core, tmp_path, find_simulator("icarus"), quietly, 40)
    verified.require()
    assert verified.certificate.levels[-1].name == AXIS_LEVEL
    assert verified.certificate.trigger_latency_clocks is None
    assert verified.certificate.axis.ii > 4
    assert not (tmp_path / TRIGGER).exists()


PLANTED = {
    "the receiver": (LinksTop, "tf_links", "suspects | other_bc0", "suspects", LINKS_LEVEL, "link_suspects"),
    "the sender": (LinksTop, "tf_links_tx", "{LINKS{strobe && bc0}}", "'0", LINKS_LEVEL, "tx_bc0"),
    "the wiring": (LinksTop, "small_links", ".rst, .strobe(out_strobe)", ".rst, .strobe(in_bc0)", LINKS_LEVEL, "tx_"),
    "the gatherer": (AxisTop, "tf_axis_in", "last = tlast", "last = 1'b1", AXIS_LEVEL, "m_axis_tlast"),
    "the queue": (AxisTop, "tf_axis_out", "sending >> DATA_BITS", "sending << DATA_BITS", AXIS_LEVEL, "m_axis_"),
}
"""Whose file, a text in it, what replaces it, the level that must be red and the port that it must name."""


def plant(where: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Have a fault written from now on; the level and the port at which it must be found."""
    top, module, old, new, level, port = PLANTED[where]
    emit = top.emit

    def faulty(self: LinksTop | AxisTop) -> dict[str, str]:
        texts = emit(self)
        assert texts[f"{module}.sv"].count(old) == 1
        return texts | {f"{module}.sv": texts[f"{module}.sv"].replace(old, new)}

    monkeypatch.setattr(top, "emit", faulty)
    return level, port


@pytest.mark.parametrize("where", PLANTED)
def test_a_fault_in_a_wrapper_is_found_at_its_port(
    where: str, small: ConvertedModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    level, port = plant(where, monkeypatch)
    core = write_rtl(small.program, small.project.targets, tmp_path / "rtl", small.project.top)
    verified = verify(small, folder, core, tmp_path, find_simulator("icarus"), quietly, 20)
    assert [name for name, count in verified.certificate.mismatches().items() if count] == [level]
    with pytest.raises(
        CheckError, match=rf"^{level} must agree on every word, .* first at clock \d+ \(\w+\), port {port}"
    ):
        verified.require()


def test_a_fault_in_a_wrapper_fails_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    level, port = plant("the sender", monkeypatch)
    assert run_command(["verify", str(folder), "--out", str(tmp_path), "--events", "20", "--json"]) == 1
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    first = next(found["first"] for found in said["levels"] if found["name"] == level)
    assert (said["ok"], first["port"]) == (False, port)
    where = f"first at clock {first['event']} ({first['kind']}), port {port}, bit 0: expected 1, got 0"
    assert where in only_line(captured.err)


def test_a_run_writes_them_and_sees_what_changes_them(small: ConvertedModel, tmp_path: Path) -> None:
    def run_of(**changes: object) -> Run:
        project = Project.parse(small.project.model_dump() | changes, "x")
        return Run(RunConfig(project=project), tmp_path / "run", tmp_path / "projects")

    run, build = run_of(), tmp_path / "projects" / "small" / "build"
    small.program.save(run.path("firmware", "program.json.gz"))
    said = stages_firmware.make_rtl(run, quietly)
    assert said.endswith("of 5 frames of 16 bits in, 1 of 32 bits out; AXI4-Streams of 32 bits in, 16 out")
    first = stages_firmware.rtl_state(run)
    assert stages_firmware.rtl_is_intact(run)
    for change in ({"links": {}}, {"axis": {"data_bits": (8, 8)}}):
        assert not stages_firmware.rtl_is_intact(run_of(**change))
    for source in (build / "links" / "tf_links.sv", build / "axis" / "small_axis.sv"):
        source.write_text(source.read_text() + "// edited\n")
        assert stages_firmware.rtl_is_intact(run)
        assert stages_firmware.rtl_state(run) != first
        first = stages_firmware.rtl_state(run)


def test_synthesis_maps_each(small: ConvertedModel, tmp_path: Path) -> None:
    core = write_rtl(small.program, small.project.targets, tmp_path / "rtl", small.project.top)
    blocks = blocks_around(small.project, small.program, core, tmp_path)
    assert list(blocks) == [AROUND[name] for name in (TRIGGER, LINKS, AXIS)]
    assert [block.top for block in blocks.values()] == ["small_trigger", "small_links", "small_axis"]
    assert all(path.is_file() for block in blocks.values() for path in block.sources)
    assert map_block(blocks[AROUND[AXIS]], tmp_path, Family.XCUP).ff > 50
