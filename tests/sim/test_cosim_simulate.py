"""Generated RTL in real simulators: equality bit for bit, and every way in which the bench must turn red."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dense_rtl import TOP, Dense, dense, mutated

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import Port, Word
from trigforge.sim.cosim import Simulator, compare, find_simulator, simulate


@pytest.fixture(scope="module", params=["verilator", "icarus"])
def simulator(request: pytest.FixtureRequest) -> Simulator:
    return find_simulator(request.param)


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    return find_simulator("icarus")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Dense:
    return dense(1, tmp_path_factory.mktemp("rtl"))


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds") / "with a space"


def test_generated_rtl_equals_the_reference(network: Dense, simulator: Simulator, builds: Path) -> None:
    vectors = network.vectors(300)
    result = simulate(network.design, vectors.words, simulator, builds)
    compare("program_vs_rtl", network(vectors.words), result.outputs, vectors.kinds).require()
    assert result.latency_clocks == network.design.latency_clocks
    assert (result.ii, result.simulator) == (1, simulator.label)
    assert result.events_per_second > 0
    assert result.run_seconds > 0
    assert len(np.unique(result.outputs, axis=0)) > 200


def test_unchanged_sources_are_not_built_again(network: Dense, simulator: Simulator, builds: Path) -> None:
    words = network.vectors(20).words
    simulate(network.design, words, simulator, builds)
    again = simulate(network.design, words, simulator, builds, seed=2, clock_period_ns=3.125)
    assert (again.build_cached, again.build_seconds) == (True, 0.0)
    np.testing.assert_array_equal(again.outputs, network(words))


def test_a_wrongly_declared_latency_is_caught(network: Dense, simulator: Simulator, builds: Path) -> None:
    latency = network.design.latency_clocks
    declared = replace(network.design, latency_clocks=latency + 1)
    with pytest.raises(CheckError, match=f"'dense' must be {latency + 1} clocks as declared, but {latency} were"):
        simulate(declared, network.vectors(20).words, simulator, builds)


def test_one_flipped_bit_of_a_constant_is_caught(
    network: Dense, simulator: Simulator, builds: Path, tmp_path: Path
) -> None:
    flipped = mutated(network.design, tmp_path / "rtl", "logic1", r"(\d+'b[01]*)0([01]*,)", r"\g<1>1\g<2>")
    vectors = network.vectors(200)
    result = simulate(flipped, vectors.words, simulator, builds)
    assert not result.build_cached
    level = compare("program_vs_rtl", network(vectors.words), result.outputs, vectors.kinds)
    assert level.mismatches > 0
    with pytest.raises(CheckError, match=r"program_vs_rtl .* first at event \d+ \(\w+\), output \d, bit \d+: expected"):
        level.require()


@pytest.mark.parametrize("seed", range(2, 6))
def test_more_networks_equal_the_reference(seed: int, icarus: Simulator, tmp_path: Path) -> None:
    other = dense(seed, tmp_path / "rtl")
    vectors = other.vectors(100)
    result = simulate(other.design, vectors.words, icarus, tmp_path / "build")
    compare("program_vs_rtl", other(vectors.words), result.outputs, vectors.kinds).require()


def test_an_additional_register_is_caught(network: Dense, icarus: Simulator, builds: Path, tmp_path: Path) -> None:
    latency = network.design.latency_clocks
    later = mutated(
        network.design,
        tmp_path / "rtl",
        TOP,
        r"output reg( \[\d+:0\]) model_out\n(.*)\n\s*model_out(\[\d+:0\]) <=",
        r"output reg\g<1> model_out\n\g<2>\n model_out <= more; more\g<3> <=",
    )
    top = next(s for s in later.sources if s.stem == TOP)
    top.write_text(top.read_text().replace(");\n", f");\n reg [{later.outputs.bits - 1}:0] more;\n", 1))
    with pytest.raises(CheckError, match=f"must be {latency} clocks as declared, but {latency + 1} were measured"):
        simulate(later, network.vectors(20).words, icarus, builds)


def test_a_register_on_one_output_only_is_caught(
    network: Dense, icarus: Simulator, builds: Path, tmp_path: Path
) -> None:
    latency = network.design.latency_clocks
    skewed = mutated(
        network.design,
        tmp_path / "rtl",
        TOP,
        r"(\n\s*)(model_out\[\d+:0\] <= (\w+)\[\d+:0\];)",
        r"\g<1>\g<2> model_out[0] <= late; late <= \g<3>[0];",
    )
    top = next(s for s in skewed.sources if s.stem == TOP)
    top.write_text(top.read_text().replace(");\n", ");\n reg late;\n", 1))
    with pytest.raises(CheckError, match=f"moved after {latency} clocks and settled after {latency + 1}"):
        simulate(skewed, network.vectors(20).words, icarus, builds)


def test_a_design_that_takes_every_other_event_is_caught(
    network: Dense, icarus: Simulator, builds: Path, tmp_path: Path
) -> None:
    halved = mutated(
        network.design,
        tmp_path / "rtl",
        TOP,
        r"(\n\s*)(model_inp_reg\[\d+:0\] <=)",
        r"\g<1>busy <= ~busy; if (~busy) \g<2>",
    )
    top = next(s for s in halved.sources if s.stem == TOP)
    top.write_text(top.read_text().replace(");\n", ");\n reg busy = 1'b1;\n", 1))
    with pytest.raises(CheckError, match=r"must be accepted every clock \(II = 1\), but event \d+ gave"):
        simulate(halved, network.vectors(20).words, icarus, builds)


def test_undefined_output_bits_are_caught(network: Dense, icarus: Simulator, builds: Path, tmp_path: Path) -> None:
    width = network.design.outputs.words[0].width
    open_wire = mutated(
        network.design,
        tmp_path / "rtl",
        TOP,
        r"(\n\s*)(model_out\[\d+:0\] <= \w+\[\d+:0\];)",
        rf"\g<1>\g<2> model_out[{width + 1}] <= 1'bx;",
    )
    with pytest.raises(CheckError, match="output bit of 'dense' must be 0 or 1, but bit 1 of output 1 is X at event 0"):
        simulate(open_wire, network.vectors(20).words, icarus, builds)


def test_rtl_that_does_not_compile_quotes_the_log(
    network: Dense, simulator: Simulator, builds: Path, tmp_path: Path
) -> None:
    broken = mutated(network.design, tmp_path / "rtl", TOP, r"endmodule", "undefined_module u (); endmodule")
    with pytest.raises(
        CheckError, match=r"must compile 'dense': .* must succeed, .*build\.log ends: .*undefined_module"
    ):
        simulate(broken, network.vectors(5).words, simulator, builds)


def test_lint_that_is_not_allowed_stops_the_build(network: Dense, tmp_path: Path) -> None:
    narrowed = mutated(network.design, tmp_path / "rtl", TOP, r"endmodule", "wire [1:0] w = 3'd5; endmodule")
    with pytest.raises(CheckError, match=r"must compile 'dense': .*WIDTHTRUNC"):
        simulate(narrowed, network.vectors(5).words, find_simulator("verilator"), tmp_path / "build")


def test_ports_of_another_width_are_caught(network: Dense, icarus: Simulator, builds: Path) -> None:
    wider = Port("model_out", (*network.design.outputs.words, Word(2, False)))
    with pytest.raises(
        CheckError, match=f"port model_out of 'dense' must have {wider.bits} bits as declared, but the RTL"
    ):
        simulate(replace(network.design, outputs=wider), network.vectors(5).words, icarus, builds)


def test_a_port_that_is_not_there_quotes_the_log(network: Dense, icarus: Simulator, builds: Path) -> None:
    renamed = replace(network.design, outputs=replace(network.design.outputs, name="score"))
    with pytest.raises(CheckError, match=r"bench of 'dense' must finish, but it stopped; .*run\.log ends: "):
        simulate(renamed, network.vectors(5).words, icarus, builds)


def test_a_simulation_that_takes_too_long_is_ended(network: Dense, icarus: Simulator, builds: Path) -> None:
    words = network.vectors(50).words
    simulate(network.design, words, icarus, builds)
    with pytest.raises(CheckError, match=r"vvp must end within 0\.01 s"):
        simulate(network.design, words, icarus, builds, timeout_s=0.01)


def test_useless_requests_are_refused(network: Dense, tmp_path: Path) -> None:
    verilator = find_simulator("verilator")
    with pytest.raises(InputError, match="must have at least one event"):
        simulate(network.design, np.zeros((0, 5), dtype=np.int64), verilator, tmp_path)
    with pytest.raises(InputError, match=r"clock_period_ns must be 0\.002\.\.1000000, not 0"):
        simulate(network.design, network.vectors(1).words, verilator, tmp_path, clock_period_ns=0)
    assert not list(tmp_path.iterdir())
