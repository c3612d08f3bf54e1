"""A core between AXI4-Streams: equal to its model clock for clock, no event lost or doubled, mutants are caught."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Language, Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.firmware.rtl.axis import AXIS_MODULES, AxisTop
from trigforge.firmware.synthesis import yosys_command
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Simulator, find_simulator
from trigforge.sim.cosim.axis_model import Packet, Pattern, Trace, run_model
from trigforge.sim.cosim.axis_stimulus import make_packets, make_pattern
from trigforge.sim.cosim.build import child_environment
from trigforge.sim.cosim.packed import RESET_CLOCK, Digits, numbers_of

from .axis_bench import differences, play_copies
from .random_programs import random_program, random_words
from .rtl_copies import tools, written

ERROR_BITS = 4


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    return find_simulator("icarus")


@dataclass(frozen=True, slots=True)
class Case:
    """A core between streams, what the source sends and what must come of it."""

    top: AxisTop
    program: IntegerProgram
    words: IntArray
    packets: list[Packet]
    trace: Trace

    @classmethod
    def of(cls, seed: int, folder: Path, **numbers: object) -> Case:
        program = random_program(seed)
        top = AxisTop("net", write_rtl(program, Targets(), folder, "dut"), **numbers)  # type: ignore[arg-type]
        words = random_words(program, 4000, seed)
        packets = make_packets(top, words, seed)
        pattern = make_pattern(top.events + max(top.beats), seed)
        return cls(top, program, words, packets, run_model(top, packets, results_of(top, program, words), pattern))


def results_of(top: AxisTop, program: IntegerProgram, words: IntArray) -> np.ndarray:
    """The beats of the results, packed by hand."""
    bits = [
        "".join(
            f"{int(v) % (1 << w.width):0{w.width}b}" for v, w in reversed(list(zip(row, port, strict=True))) if w.width
        )
        for port in [top.ports[1].words]
        for row in program(words)
    ]
    size = top.beats[1] * top.data_bits[1] // 8
    data = b"".join(int(text, 2).to_bytes(size, "little") for text in bits)
    return np.frombuffer(data, dtype=np.uint8).reshape(len(words), top.beats[1], -1)


SHAPES: dict[str, tuple[int, dict[str, object]]] = {
    "a beat an event": (2, {"data_bits": (32, 80)}),
    "beats on both sides": (5, {"data_bits": (8, 40)}),
    "lanes, a small queue": (3, {"data_bits": (32, 32), "lane_bits": 16, "depth": 3}),
    "a queue of one": (9, {"data_bits": (64, 128), "depth": 1}),
}


@pytest.fixture(scope="module", params=SHAPES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    seed, numbers = SHAPES[request.param]
    return Case.of(seed, tmp_path_factory.mktemp("axis") / "core", **numbers)


def test_streams_equal_their_model_and_lose_nothing(case: Case, icarus: Simulator, tmp_path: Path) -> None:
    (seen,) = play_copies(case.top, (), ERROR_BITS, case.trace, icarus, tmp_path)
    assert differences(case.trace, seen, ERROR_BITS) == []
    require_protocol(case.trace, seen)
    require_every_event_once(case, seen)


def require_protocol(trace: Trace, seen: Mapping[str, Digits]) -> None:
    """AXI4-Stream: nothing is valid after a reset, and what is valid stays as it is until it is taken."""
    start = RESET_CLOCK + 1
    valid = numbers_of(seen["m_axis_tvalid"][start:]).astype(bool)
    numbers_of(seen["s_axis_tready"][start:])
    reset, ready = trace.pattern.reset[start:], trace.pattern.ready[start:]
    assert not valid[1:][reset[:-1]].any()
    waits = np.flatnonzero(valid[:-1] & ~ready[:-1] & ~reset[:-1])
    assert len(waits) > 50
    assert valid[waits + 1].all()
    for name in ("m_axis_tdata", "m_axis_tlast"):
        shown = seen[name][start:]
        assert np.isin(shown[valid], (ord("0"), ord("1"))).all()
        assert_array_equal(shown[waits + 1], shown[waits])


def require_every_event_once(case: Case, seen: Mapping[str, Digits]) -> None:
    """Every event whose beats were taken comes out once, in order, as the program says; a reset cuts off the last."""
    trace, top = case.trace, case.top
    taken = trace.tvalid & (seen["s_axis_tready"][:, 0] == ord("1")) & ~trace.pattern.reset
    given = (seen["m_axis_tvalid"][:, 0] == ord("1")) & trace.pattern.ready & ~trace.pattern.reset
    out_data = np.packbits(seen["m_axis_tdata"] == ord("1"), axis=1, bitorder="little")
    resets = np.flatnonzero(trace.pattern.reset).tolist()
    finished = 0
    for start, end in zip(resets, [*resets[1:], len(taken)], strict=True):
        span = slice(start + 1, end)
        words, last = gathered(top, trace.tdata[span][taken[span]], trace.tlast[span][taken[span]])
        beats = out_data[span][given[span]]
        whole = len(beats) // top.beats[1]
        got = top.decode(beats[: whole * top.beats[1]].reshape(whole, top.beats[1], beats.shape[1]))
        assert_array_equal(got, case.program(words[:whole]) if whole else got)
        ends = seen["m_axis_tlast"][span][given[span]][: whole * top.beats[1], 0] == ord("1")
        expected = np.zeros((whole, top.beats[1]), dtype=bool)
        expected[:, -1] = last[:whole]
        assert_array_equal(ends, expected.ravel())
        finished += whole
        if end == len(taken):
            assert whole == len(words), "events are missing at the end"
    assert finished > 150


def gathered(top: AxisTop, tdata: np.ndarray, tlast: np.ndarray) -> tuple[IntArray, list[bool]]:
    """The words (events, inputs) and TLAST of the whole events in beats that were taken, read bit by bit."""
    rows, last, beats = [], [], []
    for data, final in zip(tdata, tlast, strict=True):
        beats.append(data.tobytes())
        if len(beats) == top.beats[0]:
            number, row = int.from_bytes(b"".join(beats), "little"), []
            for lane, word in zip(top.ports[0].words, top.core.inputs.words, strict=True):
                value = number % (1 << word.width)
                row.append(value - (1 << word.width) if word.signed and value >> (word.width - 1) else value)
                number >>= lane.width
            rows.append(row)
            last.append(bool(final))
            beats = []
        elif final:
            beats = []
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(top.core.inputs.words)), last


def test_the_model_meets_every_situation(case: Case) -> None:
    trace, top = case.trace, case.top
    assert (trace.tvalid & ~trace.tready).sum() > 50
    assert (trace.out_valid & ~trace.pattern.ready).sum() > 50
    assert (trace.tready & ~trace.tvalid).sum() > 50
    assert trace.out_last.any()
    assert (~trace.out_last & trace.out_valid).any()
    assert (trace.torn.max() > 2**ERROR_BITS) == (top.beats[0] > 1)


def still(top: AxisTop, program: IntegerProgram, clocks: int, ready: np.ndarray) -> Trace:
    """Events without a gap from clock 1 on, into a sink that is ready when told."""
    words = random_words(program, clocks, 1)
    packets = [Packet(beats, False, k, whole=True) for k, beats in enumerate(top.encode(words))]
    reset = np.arange(clocks) == 0
    return run_model(top, packets, results_of(top, program, words), Pattern(~reset, ready, reset))


@pytest.mark.parametrize("depth", [None, 40])
def test_an_event_a_clock_without_back_pressure(depth: int | None, case: Case) -> None:
    program, wide = case.program, (256, 256)
    top = replace(case.top, data_bits=wide, depth=depth)
    trace = still(top, program, 300, np.ones(300, dtype=bool))
    first = int(np.argmax(trace.tvalid & trace.tready))
    assert (trace.tvalid & trace.tready)[first:].all()
    out = first + top.latency_clocks
    assert int(np.argmax(trace.out_valid)) == out
    assert trace.out_valid[out:].all()


def test_a_stalled_queue_takes_what_it_holds_and_one_more(case: Case) -> None:
    top, clocks = replace(case.top, data_bits=(256, 256)), 300
    ready = np.arange(clocks) >= 150
    trace = still(top, case.program, clocks, ready)
    taken = trace.tvalid & trace.tready
    assert taken[:150].sum() == top.events + 1
    assert trace.out_valid[150:].mean() == 1 if top.events >= top.full_depth else trace.out_valid[150:].mean() < 1


MUTANTS = [
    ("tf_axis_in", "beat == FINAL;", "1'b1;"),
    ("tf_axis_in", "issue = take && beat", "issue = tvalid && beat"),
    ("tf_axis_in", "issue = take && beat", "issue = tready && beat"),
    ("tf_axis_in", "last = tlast", "last = 1'b1"),
    ("tf_axis_in", "take && tlast && beat != FINAL", "take && tlast"),
    ("tf_axis_in", "take && tlast && beat != FINAL", "tvalid && tlast && beat != FINAL"),
    ("tf_axis_in", "take && tlast && beat != FINAL", "1'b0"),
    ("tf_axis_in", "take && tlast && beat != FINAL", "take && tlast && beat == '0"),
    ("tf_axis_in", "rst || issue || torn", "rst || torn"),
    ("tf_axis_in", "rst || issue || torn", "rst || issue"),
    ("tf_axis_in", "rst || issue || torn", "issue || torn"),
    ("tf_axis_in", "else if (take) beat", "else if (tvalid) beat"),
    ("tf_axis_in", "beat == BEAT_BITS'(b)", "beat >= BEAT_BITS'(b)"),
    ("tf_axis_in", "beat == BEAT_BITS'(b)", "take && beat + 1'b1 == BEAT_BITS'(b)"),
    ("tf_axis_in", "held <= tdata", "held <= {tdata[DATA_BITS-2:0], tdata[DATA_BITS-1]}"),
    ("tf_axis_in", "words[b*DATA_BITS+:DATA_BITS] = held", "words[(BEATS-2-b)*DATA_BITS+:DATA_BITS] = held"),
    ("tf_axis_out", "PLACE_BITS'(DEPTH - 1)", "PLACE_BITS'(DEPTH - 2)"),
    ("tf_axis_out", "BEAT_BITS'(BEATS - 1)", "BEAT_BITS'(BEATS - 2)"),
    ("tf_axis_out", "sent = tvalid && tready", "sent = tready"),
    ("tf_axis_out", "sent = tvalid && tready", "sent = tvalid"),
    ("tf_axis_out", "queue[head]", "queue[tail]"),
    ("tf_axis_out", "count != '0 && (!tvalid", "(!tvalid"),
    ("tf_axis_out", "(!tvalid || (sent && beat == FINAL_BEAT));", "!tvalid;"),
    ("tf_axis_out", "(!tvalid || (sent && beat == FINAL_BEAT));", "(!tvalid || sent);"),
    ("tf_axis_out", "(!tvalid || (sent && beat == FINAL_BEAT));", "(!tvalid || beat == FINAL_BEAT);"),
    ("tf_axis_out", "ends_packet && beat == FINAL_BEAT", "ends_packet"),
    ("tf_axis_out", "ends_packet && beat == FINAL_BEAT", "beat == FINAL_BEAT"),
    ("tf_axis_out", "queue[tail] <= {last, words}", "queue[tail] <= {1'b0, words}"),
    ("tf_axis_out", "if (push) queue[tail]", "queue[tail]"),
    ("tf_axis_out", "{head, tail, count, tvalid, beat} <= '0", "{tail, count, tvalid, beat} <= '0"),
    ("tf_axis_out", "{head, tail, count, tvalid, beat} <= '0", "{head, tail, tvalid, beat} <= '0"),
    ("tf_axis_out", "{head, tail, count, tvalid, beat} <= '0", "{head, tail, count, beat} <= '0"),
    ("tf_axis_out", "{head, tail, count, tvalid, beat} <= '0", "{head, tail, count, tvalid} <= '0"),
    ("tf_axis_out", "if (push) tail <=", "if (push && !pop) tail <="),
    ("tf_axis_out", "if (pop) head <=", "if (pop && !push) head <="),
    ("tf_axis_out", "count + COUNT_BITS'(push) - COUNT_BITS'(pop)", "push ? count + 1'b1 : count - COUNT_BITS'(pop)"),
    ("tf_axis_out", "pop || (tvalid && !(sent && beat == FINAL_BEAT))", "pop || (tvalid && !sent)"),
    ("tf_axis_out", "pop || (tvalid && !(sent && beat == FINAL_BEAT))", "pop || tvalid"),
    ("tf_axis_out", "pop || (tvalid && !(sent && beat == FINAL_BEAT))", "tvalid ? !(sent && beat == FINAL_BEAT) : pop"),
    ("tf_axis_out", "if (sent) beat <= beat == FINAL_BEAT ? '0", "if (sent) beat <= pop ? '0"),
    ("tf_axis_out", "sending >> DATA_BITS", "sending << DATA_BITS"),
    ("tf_axis_out", "else if (sent) sending", "else sending"),
    ("tf_axis", "rst = !aresetn", "rst = 1'b0"),
    ("tf_axis", "owed + COUNT_BITS'(issue) - COUNT_BITS'(pop)", "owed + COUNT_BITS'(issue)"),
    ("tf_axis", "owed + COUNT_BITS'(issue) - COUNT_BITS'(pop)", "owed - COUNT_BITS'(pop)"),
    ("tf_axis", "owed + COUNT_BITS'(issue) - COUNT_BITS'(pop)", "issue ? owed + 1'b1 : owed - COUNT_BITS'(pop)"),
    ("tf_axis", "s_axis_tready <= next_owed !=", "s_axis_tready <= owed !="),
    ("tf_axis", "!= COUNT_BITS'(DEPTH)", "!= COUNT_BITS'(DEPTH - 1)"),
    ("tf_axis", "!= COUNT_BITS'(DEPTH)", "!= COUNT_BITS'(DEPTH + 1)"),
    ("tf_axis", "{owed, s_axis_tready, full, torn_packets} <= '0", "{s_axis_tready, full, torn_packets} <= '0"),
    ("tf_axis", "{owed, s_axis_tready, full, torn_packets} <= '0", "{owed, full, torn_packets} <= '0"),
    ("tf_axis", "{owed, s_axis_tready, full, torn_packets} <= '0", "{owed, s_axis_tready, torn_packets} <= '0"),
    ("tf_axis", "{owed, s_axis_tready, full, torn_packets} <= '0", "{owed, s_axis_tready, full} <= '0"),
    ("tf_axis", "torn && torn_packets != '1", "torn"),
    ("tf_axis", "torn && torn_packets != '1", "1'b0"),
    ("tf_axis", ".push(all_full[LATENCY])", ".push(all_full[LATENCY-1])"),
    ("tf_axis", ".last(all_ends[LATENCY])", ".last(all_ends[LATENCY-1])"),
    ("tf_axis", "{ends, last}", "{ends, last && !m_axis_tready}"),
    ("tf_axis", "event_bits[WORDS_BITS-1:0];", "WORDS_BITS'({event_bits[WORDS_BITS-2:0], 1'b0});"),
    ("tf_axis", ".DEPTH(DEPTH)\n", ".DEPTH(DEPTH - 1)\n"),
]
"""A module, a text in it and what replaces it."""


def test_every_mutant_is_caught(icarus: Simulator, tmp_path: Path) -> None:
    """In streams of several beats an event or, since ready never falls within an event, in those of one."""
    assert all(sum(module == m for m, _, _ in MUTANTS) >= 15 for module in AXIS_MODULES)
    assert len(set(MUTANTS)) == len(MUTANTS)
    alive = MUTANTS
    for beats, data_bits in (((3, 3), (8, 24)), ((1, 1), (24, 72))):
        folder = tmp_path / f"{beats}"
        mutable = Case.of(6, folder / "core", data_bits=data_bits)
        assert mutable.top.beats == beats
        original, *copies = play_copies(mutable.top, alive, ERROR_BITS, mutable.trace, icarus, folder)
        assert differences(mutable.trace, original, ERROR_BITS) == []
        verdicts = [differences(mutable.trace, seen, ERROR_BITS) for seen in copies]
        alive = [mutant for mutant, wrong in zip(alive, verdicts, strict=True) if not wrong]
    assert alive == []


def test_verilator_agrees(tmp_path: Path) -> None:
    seed, numbers = SHAPES["beats on both sides"]
    case = Case.of(seed, tmp_path / "core", **numbers)
    (seen,) = play_copies(case.top, (), ERROR_BITS, case.trace, find_simulator("verilator"), tmp_path / "play")
    assert differences(case.trace, seen, ERROR_BITS) == []


LINTED: dict[str, dict[str, int]] = {
    "tf_axis_in": {"DATA_BITS": 8, "BEATS": 1},
    "tf_axis_out": {"WORDS_BITS": 5, "DATA_BITS": 8, "DEPTH": 1},
    "tf_axis": {"LATENCY": 9, "WORDS_BITS": 500, "RESULTS_BITS": 60, "S_DATA_BITS": 512, "DEPTH": 32},
}


@pytest.mark.parametrize("numbers", ["defaults", "others"])
@pytest.mark.parametrize("module", AXIS_MODULES)
def test_verilator_has_nothing_to_say(module: str, numbers: str, plain: AxisTop, tmp_path: Path) -> None:
    simulator = find_simulator("verilator")
    written(plain.emit(), tmp_path / "rtl")
    options = [f"-G{k}={v}" for k, v in LINTED[module].items()] if numbers == "others" else []
    sources = [f"{m}.sv" for m in AXIS_MODULES] if module == "tf_axis" else [f"{module}.sv"]
    command = [str(simulator.executable), "--lint-only", "-Wall", *options, "--top-module", module, *sources]
    assert tools(tmp_path / "rtl", command, child_environment(simulator.environment)) == (0, "")


def test_yosys_synthesises_every_module(tmp_path: Path) -> None:
    seed, numbers = SHAPES["lanes, a small queue"]
    top = Case.of(seed, tmp_path / "core", **numbers).top
    texts = {source.name: source.read_text() for source in top.core.sources} | top.emit()
    written(texts, tmp_path / "rtl")
    read = "read_verilog -sv " + " ".join(texts)
    script = "; ".join(f"{read}; synth -top {name}; check -assert; design -reset" for name in (*AXIS_MODULES, top.top))
    assert tools(tmp_path / "rtl", [*yosys_command(), "-q", "-p", script], os.environ) == (0, "")


def test_words_and_results_become_beats_and_back(case: Case) -> None:
    beats = case.top.encode(case.words)
    last = [False] * len(beats)
    words, _ = gathered(case.top, beats.reshape(-1, beats.shape[2]), np.array(last).repeat(beats.shape[1]))
    used = [word.width > 0 for word in case.top.core.inputs.words]
    assert_array_equal(words[:, used], case.words[:, used])
    results = results_of(case.top, case.program, case.words)
    assert_array_equal(case.top.decode(results), case.program(case.words))
    assert_array_equal(case.top.encode_results(case.program(case.words)), results)


def test_lanes_hold_words_at_places_that_software_finds(tmp_path: Path) -> None:
    program = random_program(3)
    core = write_rtl(program, Targets(), tmp_path / "core", "dut")
    assert core.inputs.words[0].width == 0
    words = random_words(program, 200, 3)
    top = AxisTop("net", core, data_bits=(128, 256), lane_bits=32)
    lanes = top.encode(words).reshape(len(words), -1)[:, : 4 * words.shape[1]].copy().view("<i4")
    assert_array_equal(lanes[:, 0], 0)
    signed = [word.signed for word in core.inputs.words]
    assert_array_equal(np.where(signed, lanes, lanes.view("<u4"))[:, 1:], words[:, 1:])
    results = program(words)
    beats = np.zeros((len(words), top.beats[1], 32), dtype=np.uint8)
    beats.reshape(len(words), -1)[:, : 4 * results.shape[1]] = results.astype("<i4").view(np.uint8)
    assert_array_equal(top.decode(beats), results)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> AxisTop:
    return AxisTop("net", write_rtl(random_program(2), Targets(), tmp_path_factory.mktemp("plain") / "core", "dut"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_bits": (12, 64)}, r"TDATA must have 8\.\.4096 bits in whole bytes, not 12"),
        ({"data_bits": (64, 8192)}, r"TDATA must have 8\.\.4096 bits in whole bytes, not 8192"),
        ({"lane_bits": 4}, r"a lane must have \d+\.\.62 bits, the widest word's or more, not 4"),
        ({"depth": 0}, r"the depth of a queue must be 1\.\.4096 events, not 0"),
        ({"name": "a b"}, "the name of a core between streams must be letters, digits .*, not 'a b_axis'"),
    ],
)
def test_streams_that_cannot_be_are_refused(change: dict[str, object], message: str, plain: AxisTop) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        replace(plain, **change)


def test_cores_and_beats_that_do_not_fit_are_refused(plain: AxisTop, tmp_path: Path) -> None:
    vhdl = write_rtl(random_program(2), Targets(language=Language.VHDL), tmp_path / "vhdl", "dut")
    with pytest.raises(InputError, match=r"a core between streams must be Verilog, not dut_\w+\.vhd; build it"):
        replace(plain, core=vhdl)
    named = write_rtl(random_program(2), Targets(), tmp_path / "named", "tf_axis")
    with pytest.raises(InputError, match="a module of the core must not be named 'tf_axis' as one of the streams is"):
        replace(plain, core=named)
    with pytest.raises(InputError, match=r"beats must be uint8 of shape \(n, 1, 8\), not int64 of shape \(2, 2\)"):
        plain.decode(np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(InputError, match=r"word 0 of event 0 must be -?\d+\.\.\d+ to fit model_inp, not 999"):
        plain.encode(np.full((1, 4), 999))


def test_the_sources_are_written_once_and_in_order(plain: AxisTop, tmp_path: Path) -> None:
    sources = plain.write(tmp_path / "new" / "folder")
    own = sources[len(plain.core.sources) :]
    assert sources[: len(plain.core.sources)] == plain.core.sources
    assert [s.name for s in own] == [*(f"{m}.sv" for m in AXIS_MODULES), "net_axis.sv"]
    assert {s.name: s.read_text() for s in own} == plain.emit()
