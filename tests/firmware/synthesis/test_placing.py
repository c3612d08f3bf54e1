"""Place and route of a small block on an ECP5, its report, and the cache that several processes share."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.synthesis import (
    Block,
    Ecp5,
    Family,
    Placement,
    Resources,
    harness,
    nextpnr_command,
    nextpnr_version,
    place_and_route,
    read_route,
    synthesise,
)
from trigforge.firmware.synthesis.cached import _kept
from trigforge.firmware.synthesis.compare import placed_row
from trigforge.firmware.synthesis.harness import MODULES, harness_text
from trigforge.sim.cosim import Simulator, find_simulator
from trigforge.sim.cosim.build import child_environment

FOLDER = Path(__file__).parent
SCAN = Path(harness.__file__).parent
MAC = Block((FOLDER / "mac.v",), "mac", "clk")
SMALL = Ecp5(size="25k", speed=6, package="CABGA256")
GOLDEN = FOLDER / "mac_report.json"
"""Written by nextpnr-ecp5 0.11.1 for MAC on SMALL with seed 1 and `--freq 100`."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache; where tools are optional, tests that place are skipped without nextpnr."""
    try:
        nextpnr_command()
    except MissingToolError as error:
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def placed(cache: Path) -> Placement:
    return place_and_route(MAC, cache, SMALL, 100.0, (1, 2))


def test_the_whole_block_is_placed_and_limits_its_own_clock(placed: Placement, cache: Path) -> None:
    mapped = synthesise(MAC, Family.ECP5, cache)
    assert placed.ff == mapped.resources.ff == 16
    assert placed.harness.ff == 16
    assert placed.harness.lut == 8
    assert placed.comb >= mapped.resources.lut + 2 * mapped.resources.carry
    assert placed.block_limits
    assert placed.worst.path.levels <= mapped.levels
    assert placed.fmax_range[0] <= placed.fmax_mhz <= placed.fmax_range[1]
    for route in placed.routes:
        assert route.fmax_mhz == pytest.approx(1000 / (route.path.logic_ns + route.path.routing_ns), rel=1e-3)
    assert nextpnr_version() in placed.estimator
    assert "--25k --speed 6 --package CABGA256 --freq 100 after Yosys" in placed.estimator
    assert placed.device.name == "LFE5U-25F-6"


def test_only_new_seeds_are_placed(placed: Placement, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise AssertionError("nextpnr was started")

    for module in ("yosys", "nextpnr"):
        monkeypatch.setattr(f"trigforge.firmware.synthesis.{module}.run_tool", refuse)
    assert place_and_route(MAC, cache, SMALL, 100.0, (1, 2)) == placed
    assert place_and_route(MAC, cache, SMALL, 100.0, (2,)).routes == placed.routes[1:]
    with pytest.raises(AssertionError, match="nextpnr was started"):
        place_and_route(MAC, cache, SMALL, 100.0, (3,))
    with pytest.raises(AssertionError, match="nextpnr was started"):
        place_and_route(MAC, cache, SMALL, 125.0, (1,))


def test_a_package_that_is_none_fails_with_what_nextpnr_says(placed: Placement, cache: Path) -> None:
    before = {path.name for path in cache.iterdir()}
    with pytest.raises(CheckError, match=r"nextpnr-ecp5 failed on mac: ERROR: .*ackage.*BGA1.*; see .*/nextpnr\.log"):
        place_and_route(MAC, cache, SMALL.model_copy(update={"package": "BGA1"}), 100.0, (1,))
    assert all(path.name.startswith("failed_route_") for path in cache.iterdir() if path.name not in before)


def test_the_golden_report_is_read() -> None:
    found = read_route(GOLDEN, 1)
    assert found.fmax_mhz == pytest.approx(183.756, abs=1e-3)
    assert (found.comb, found.ff) == (81, 32)
    assert found.comb_share == 81 / 24288
    path = found.path
    assert (path.start, path.end) == ("core.word_TRELLIS_FF_Q", "core.result_TRELLIS_FF_Q_7")
    assert (path.logic_ns, path.routing_ns, path.levels) == (2.225, 3.217, 4)
    assert path.inside


def test_an_order_code_names_the_device() -> None:
    assert Ecp5.of_part("LFE5U-25F-6BG256C") == SMALL
    assert Ecp5.of_part("lfe5u-85f-8mg285i") == Ecp5(size="85k", speed=8, package="CSFBGA285")
    with pytest.raises(InputError, match="must be an order code such as 'LFE5U-85F-8BG381C', not 'LFE5U-12F'"):
        Ecp5.of_part("LFE5U-12F")


def test_a_path_of_the_harness_is_told_from_the_block_s() -> None:
    path = read_route(GOLDEN, 1).path
    assert not path.model_copy(update={"start": "scan_in.parallel_TRELLIS_FF_Q"}).inside
    assert not path.model_copy(update={"end": "scan_out.held_TRELLIS_FF_Q"}).inside


def change(key: str) -> Any:
    report = json.loads(GOLDEN.read_text())
    del report[key]
    return report


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(change("fmax")), "must be a whole report of nextpnr-ecp5, but lacks a part of it: KeyError 'fmax'"),
        (json.dumps(change("utilization")), "lacks a part of it: KeyError 'utilization'"),
        (json.dumps(change("critical_paths") | {"critical_paths": []}), "lacks a part of it: StopIteration"),
        (json.dumps(change("fmax") | {"fmax": {}}), "must be of a design with one clock, not 0; it has no paths"),
        ("[]", "lacks a part of it: TypeError"),
        (GOLDEN.read_text()[:100], "lacks a part of it: JSONDecodeError"),
    ],
)
def test_half_a_report_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_route(tmp_path / "report.json", 1)


def test_a_report_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.json cannot be read: No such file"):
        read_route(tmp_path / "report.json", 1)


def test_a_block_without_clock_or_outputs_is_refused() -> None:
    clock, words = {"direction": "input", "bits": [2]}, {"direction": "input", "bits": [3, 4]}
    out = {"direction": "output", "bits": [5]}
    for ports in ({"clk": clock, "a": words}, {"a": words, "b": out}, {"clk": clock, "b": out}):
        with pytest.raises(InputError, match=f"'mac' must have the clock 'clk', .* not {', '.join(ports)}"):
            harness_text(MAC, ports)
    with pytest.raises(InputError, match="must not be named 'tf_scan_in' as one of the harness is; rename it"):
        harness_text(Block(MAC.sources, "tf_scan_in", "clk"), {"clk": clock, "a": words, "b": out})


def test_every_port_has_its_own_bits_of_the_scan_chains() -> None:
    ports = {
        "clk": {"direction": "input", "bits": [2]},
        "a": {"direction": "input", "bits": [3, 4]},
        "x": {"direction": "output", "bits": [5]},
        "b": {"direction": "input", "bits": [6]},
        "y": {"direction": "output", "bits": [7, 8, 9]},
    }
    text = harness_text(MAC, ports)
    for wired in (
        ".a(given[1:0])",
        ".b(given[2:2])",
        ".x(seen[0:0])",
        ".y(seen[3:1])",
        "#(3) scan_in",
        "#(4) scan_out",
    ):
        assert wired in text


def simulator(name: str) -> Simulator:
    """The simulator; where tools are optional, the test is skipped without it."""
    try:
        return find_simulator(name)
    except MissingToolError as error:
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(str(error))


def test_the_scan_chains_carry_every_bit_in_its_place(tmp_path: Path) -> None:
    simulator("icarus")
    sources = [str(SCAN / f"{module}.sv") for module in MODULES] + [str(FOLDER / "scan_bench.sv")]
    command = ["iverilog", "-g2012", "-Wall", "-s", "scan_bench", "-o", "bench", *sources]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    run = subprocess.run(["vvp", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines()[0] == "1011001 1011001 1011001"


@pytest.mark.parametrize("bits", [1, 2210])
def test_the_scan_chains_have_no_warnings_of_verilator(bits: int, tmp_path: Path) -> None:
    verilator = simulator("verilator")
    for module in MODULES:
        command = [str(verilator.executable), "--lint-only", "-Wall", f"-GBITS={bits}", str(SCAN / f"{module}.sv")]
        environment = child_environment(verilator.environment)
        run = subprocess.run(
            command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=60
        )
        assert (run.returncode, run.stderr) == (0, "")


def test_of_two_that_make_the_same_entry_the_first_is_kept(tmp_path: Path) -> None:
    together, made, results = threading.Barrier(2), [], []

    def make(folder: Path) -> Resources:
        made.append(folder)
        (folder / "netlist.json").write_text(str(len(made)))
        together.wait(10)
        return Resources(lut=1, ff=2, dsp=0, bram=0, carry=0, estimator="x")

    def work() -> None:
        results.append(_kept(tmp_path / "cache", ("map", "a"), Resources, make))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert len(set(made)) == 2
    assert len(results) == 2
    assert results[0] == results[1]
    assert list((tmp_path / "cache").iterdir()) == [results[0][1]]
    assert _kept(tmp_path / "cache", ("map", "a"), Resources, make)[0] == results[0][0]


def test_a_placement_in_a_row_names_the_tool_and_the_spread(placed: Placement) -> None:
    row = placed_row(placed)
    assert row.stage == "place and route"
    assert row.tool == f"{placed.estimator} (LFE5U-25F-6)"
    assert (row.lut, row.ff, row.dsp) == (placed.comb, 16, None)
    assert row.period_ns == round(1000 / placed.fmax_mhz, 3)
    assert f"{placed.fmax_mhz:.1f} MHz, median of 2 seeds" in row.note
    assert "harness of 8 LUT and 16 FF subtracted" in row.note
    assert "the harness limits it" not in row.note
