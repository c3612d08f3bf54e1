"""Bulk runs of compiled models: the same traces as cocotb's, every word exact, and every way in which they turn red."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dense_rtl import TOP, Dense, dense, mutated
from tests.firmware.random_programs import random_program, random_words

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.fixed import MAX_WIDTH, IntArray
from trigforge.sim.cosim import Simulator, SimulatorName, compare, find_simulator, simulate
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.bulk import BulkModel, Rows, compile_bulk
from trigforge.sim.cosim.bulk_stream import BulkResult, random_rows, simulate_bulk, stream
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.timing import Plan

REGISTER = """module top (input clk, input [{bits}:0] given, output reg [{bits}:0] seen);
    always @(posedge clk) seen <= given;
endmodule
"""


@pytest.fixture(scope="module")
def verilator() -> Simulator:
    return find_simulator("verilator")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Dense:
    return dense(1, tmp_path_factory.mktemp("rtl"))


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds") / "with a space"


@pytest.fixture(scope="module")
def model(network: Dense, verilator: Simulator, builds: Path) -> BulkModel:
    return compile_bulk(network.design, verilator, builds)


@pytest.fixture(scope="module")
def register(verilator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> BulkModel:
    """One register of a port that has words of every width, signed and unsigned, in an order that mixes them."""
    kinds = [Word(width, signed) for width in range(MAX_WIDTH + 1) for signed in (False, True)]
    port = Port("given", tuple(np.random.default_rng(1).permutation(np.array(kinds, dtype=object)).tolist()))
    return compile_bulk(single(port, tmp_path_factory.mktemp("register")), verilator, tmp_path_factory.mktemp("build"))


def single(port: Port, folder: Path, source: str = REGISTER) -> RtlDesign:
    path = folder / "top.sv"
    path.write_text(source.format(bits=port.bits - 1))
    return RtlDesign((path,), "top", "clk", port, replace(port, name="seen"), 1)


def chunked(words: IntArray, size: int) -> Iterator[Rows]:
    for start in range(0, len(words), size):
        yield words[start : start + size]


@pytest.mark.parametrize("inputs", [1, 5, 12])
def test_the_trace_is_cocotbs(inputs: int, verilator: Simulator, tmp_path: Path) -> None:
    program = random_program(inputs, inputs)
    design = write_rtl(program, Targets(clock_ns=2.0), tmp_path / "rtl", "top")
    words = random_words(program, 300, 3)
    plan = Plan.of(len(words), design.latency_clocks)
    built = build(design, verilator, tmp_path, 300)
    trace, _ = play(design, verilator, built, design.inputs.pack(words), plan, 1, 5.0, 300)
    bulk = design.outputs.pack(compile_bulk(design, verilator, tmp_path).play(words[plan.order]))
    np.testing.assert_array_equal(bulk[plan.hold :], trace[plan.hold :])
    np.testing.assert_array_equal(
        program(words), design.outputs.unpack(plan.streamed(bulk, design.latency_clocks)), strict=True
    )


def test_words_of_every_width_pass_unchanged(register: BulkModel) -> None:
    low, high = np.array([word.limits for word in register.design.inputs.words], dtype=np.int64).T
    words = np.random.default_rng(2).integers(low, high, (500, len(low)), dtype=np.int64, endpoint=True)
    words = np.concatenate([low[None], high[None], low[None], words])
    np.testing.assert_array_equal(register.play(words)[1:], words[:-1])


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_narrow_rows_are_the_same_words(register: BulkModel, kind: type[np.signedinteger]) -> None:
    low, high = np.array([word.limits for word in register.design.inputs.words], dtype=np.int64).T
    limits = np.clip(low, np.iinfo(kind).min, 0), np.clip(high, 0, np.iinfo(kind).max)
    words = np.random.default_rng(2).integers(*limits, (200, len(low)), dtype=np.int64, endpoint=True)
    narrow = words.astype(kind)
    for rows in (narrow, np.asfortranarray(narrow), np.repeat(narrow, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(register.play(rows)[1:], words[:-1])


def test_a_word_that_does_not_fit_is_refused_as_port_pack_does(register: BulkModel) -> None:
    port = register.design.inputs
    words = np.zeros((3, len(port.words)), dtype=np.int64)
    for word, kind in enumerate(port.words):
        if not kind.width:
            words[1, word] = 77
            continue
        for value in (kind.limits[0] - 1, kind.limits[1] + 1):
            wrong = words.copy()
            wrong[1, word] = wrong[2, 0] = value
            with pytest.raises(InputError) as packed:
                port.pack(wrong)
            with pytest.raises(InputError) as played:
                register.play(wrong)
            assert str(played.value) == str(packed.value)
    assert not register.play(words)[1:].any()


def test_a_player_keeps_its_state_from_call_to_call(network: Dense, model: BulkModel) -> None:
    words, latency = network.vectors(60).words, network.design.latency_clocks
    whole = model.play(words, seed=5)
    with model.start(seed=5) as player:
        parts = [player.play(part) for part in np.split(words, [1, 2, 30, 30, 31])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(whole[latency:], network(words)[:-latency])
    with pytest.raises(InputError, match=r"^the player of 'dense' must be open, but was closed$"):
        player.play(words)


def test_registers_start_at_values_that_the_seed_chooses(network: Dense, model: BulkModel) -> None:
    words = np.zeros((1, 5), dtype=np.int64)
    starts = [model.play(words, seed)[0].tolist() for seed in (1, 1, 2, 3)]
    assert starts[0] == starts[1]
    assert len({tuple(start) for start in starts}) == 3


@pytest.mark.parametrize(("size", "workers"), [(1000, 1), (37, 1), (64, 3)])
def test_any_chunks_and_workers_give_the_same_result(
    size: int, workers: int, network: Dense, model: BulkModel, verilator: Simulator, builds: Path
) -> None:
    words = network.vectors(700).words
    result = simulate_bulk(network.design, chunked(words, size), network, verilator, builds, workers=workers)
    result.level.require()
    assert (result.events, result.level.words) == (len(words), 3 * len(words))
    assert result.level.vectors == {"random": len(words)}
    assert (result.latency_clocks, result.ii) == (network.design.latency_clocks, 1)
    assert (result.build_cached, result.simulator) == (True, verilator.label)
    assert result.events_per_second > 0


def test_chunks_are_drawn_when_they_are_needed(network: Dense, model: BulkModel) -> None:
    words, drawn = network.vectors(100).words, 0

    def draw() -> Iterator[Rows]:
        nonlocal drawn
        while drawn < 50:
            drawn += 1
            yield words

    seen = 0
    for _, outputs in stream(model, draw(), seed=1, workers=2):
        seen += 1
        assert drawn - seen < 4
        np.testing.assert_array_equal(outputs, network(words))
    assert seen == 50


def test_one_flipped_bit_is_caught_as_cocotb_catches_it(
    network: Dense, verilator: Simulator, builds: Path, tmp_path: Path
) -> None:
    flipped = mutated(network.design, tmp_path / "rtl", "logic1", r"(\d+'b[01]*)0([01]*,)", r"\g<1>1\g<2>")
    words = network.vectors(200).words
    slow = simulate(flipped, words, verilator, builds)
    kinds = np.full(len(words), "random")
    expected = compare("program_vs_rtl", network(words), slow.outputs, kinds)
    assert 0 < expected.mismatches < expected.words
    for size, workers in ((len(words), 1), (11, 1), (7, 2)):
        result = simulate_bulk(flipped, chunked(words, size), network, verilator, builds, workers=workers)
        assert result.level == expected
    with pytest.raises(CheckError, match=r"^program_vs_rtl must agree .* first at event \d+ \(random\), output"):
        result.level.require()


def test_timing_errors_are_cocotbs(network: Dense, verilator: Simulator, builds: Path, tmp_path: Path) -> None:
    words, latency = network.vectors(50).words, network.design.latency_clocks
    busy = mutated(
        network.design,
        tmp_path / "busy",
        TOP,
        r"(\n\s*)(model_inp_reg\[\d+:0\] <=)",
        r"\g<1>busy <= ~busy; if (~busy) \g<2>",
    )
    top = next(s for s in busy.sources if s.stem == TOP)
    top.write_text(top.read_text().replace(");\n", ");\n reg busy;\n initial busy = 1'b1;\n", 1))
    for wrong, message in (
        (replace(network.design, latency_clocks=latency + 1), f"{latency + 1} clocks as declared, but {latency} were"),
        (busy, r"must be accepted every clock \(II = 1\), but event \d+ gave"),
    ):
        errors = []
        for run in (bulk_run, slow_run):
            with pytest.raises(CheckError, match=message) as error:
                run(wrong, words, network, verilator, builds)
            errors.append(str(error.value))
        assert errors[0] == errors[1]


def bulk_run(design: RtlDesign, words: IntArray, network: Dense, simulator: Simulator, folder: Path) -> None:
    simulate_bulk(design, [words], network, simulator, folder)


def slow_run(design: RtlDesign, words: IntArray, network: Dense, simulator: Simulator, folder: Path) -> None:
    simulate(design, words, simulator, folder)


def test_outputs_that_depend_on_initial_values_are_caught(verilator: Simulator, tmp_path: Path) -> None:
    source = REGISTER.replace("seen <= given;", "begin seen <= given ^ kept; kept <= kept; end").replace(
        "    always", "    reg [{bits}:0] kept;\n    always"
    )
    port = Port("given", (Word(40, False),))
    design = single(port, tmp_path, source)
    with pytest.raises(
        CheckError, match=r"^the outputs of 'top' must not depend on the initial values of its registers, but those of "
    ):
        simulate_bulk(design, random_rows(*limits(port), 100, 1), identity, verilator, tmp_path / "build")


def identity(words: Rows) -> IntArray:
    return words.astype(np.int64)


def limits(port: Port) -> tuple[IntArray, IntArray]:
    low, high = np.array([word.limits for word in port.words], dtype=np.int64).T
    return low, high


def test_a_model_that_stops_itself_is_an_error_and_not_the_end(verilator: Simulator, tmp_path: Path) -> None:
    source = REGISTER.replace("seen <= given;", "begin seen <= given; if (given == 5) $fatal; end")
    model = compile_bulk(single(Port("given", (Word(8, False),)), tmp_path, source), verilator, tmp_path)
    rows = np.array([[1], [2], [5], [6]])
    np.testing.assert_array_equal(model.play(rows[:2])[1:], [[1]])
    with pytest.raises(CheckError, match=r"^the model of 'top' must run on, but stopped: .*top\.sv:2: "):
        model.play(rows)
    np.testing.assert_array_equal(model.play(rows[1::2])[1:], [[2]])
    finished = REGISTER.replace("always", "initial $finish;\n    always")
    model = compile_bulk(single(model.design.inputs, tmp_path, finished), verilator, tmp_path)
    with pytest.raises(CheckError, match=r"^a model of 'top' must start, but its initial blocks failed$"):
        model.start()


def test_ports_of_another_width_stop_the_build(network: Dense, verilator: Simulator, tmp_path: Path) -> None:
    wider = replace(network.design, outputs=Port("model_out", (*network.design.outputs.words, Word(2, False))))
    with pytest.raises(CheckError, match=r"must compile 'dense': .*\.model_out\(seen\).*WIDTHTRUNC"):
        compile_bulk(wider, verilator, tmp_path)


def test_random_rows_are_uniform_in_their_limits() -> None:
    low, high = np.array([-3, 0, 5]), np.array([4, 1, 5])
    chunks = list(random_rows(low, high, 70_000, seed=4))
    assert [len(chunk) for chunk in chunks] == [65536, 70_000 - 65536]
    drawn = np.concatenate(chunks)
    assert drawn.dtype == np.int16
    for word in range(3):
        values, counts = np.unique(drawn[:, word], return_counts=True)
        np.testing.assert_array_equal(values, np.arange(low[word], high[word] + 1))
        assert counts.min() > 0.9 * counts.mean()
    np.testing.assert_array_equal(np.concatenate(list(random_rows(low, high, 70_000, seed=4))), drawn)
    (wide,) = random_rows(-(high << 40), high << 40, 10, seed=1)
    assert wide.dtype == np.int64


def test_useless_requests_are_refused(
    network: Dense, model: BulkModel, verilator: Simulator, builds: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^bulk runs need a model that Verilator compiled, not Icarus .*; use verila"):
        compile_bulk(network.design, replace(verilator, name=SimulatorName.ICARUS), tmp_path)
    for rows in (np.zeros((3, 4), dtype=np.int64), np.zeros((3, 5), dtype=np.int8), np.zeros(5), np.zeros((3, 5))):
        with pytest.raises(InputError, match=r"^words for model_inp must be int16, int32, int64 of shape \(n, 5\)"):
            model.play(rows)
    with pytest.raises(InputError, match="must have at least one event"):
        simulate_bulk(network.design, [np.zeros((0, 5), dtype=np.int64)], network, verilator, builds)
    with pytest.raises(InputError, match="number of workers must be at least 1, not 0"):
        simulate_bulk(network.design, [], network, verilator, builds, workers=0)
    words = network.vectors(10).words
    with pytest.raises(InputError, match=r"one shape and a kind for every event"):
        simulate_bulk(network.design, [words], lambda rows: network(rows)[:-1], verilator, builds)


def test_the_result_is_plain_data(network: Dense, verilator: Simulator, builds: Path) -> None:
    result = simulate_bulk(network.design, [network.vectors(20).words], network, verilator, builds, kind="corner")
    assert isinstance(result, BulkResult)
    assert result.level.vectors == {"corner": result.events}
