"""Verilator's own library: compiled once for models that are compiled alike, and again for others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.sim.cosim import find_simulator
from trigforge.sim.cosim.bulk import BulkModel, compile_bulk
from trigforge.sim.cosim.runtime import kept_runtime

LIBRARY = "include/verilated.cpp"


def adder(folder: Path, constant: int) -> RtlDesign:
    folder.mkdir()
    source = folder / "adder.sv"
    source.write_text(
        "module adder (input clk, input [7:0] given, output reg [7:0] seen);\n"
        f"    always @(posedge clk) seen <= given + 8'd{constant};\nendmodule\n"
    )
    given, seen = (Port(name, (Word(8, signed=False),)) for name in ("given", "seen"))
    return RtlDesign((source,), "adder", "clk", given, seen, 1)


def sums(model: BulkModel) -> list[int]:
    return model.play(np.arange(4)[:, None])[1:, 0].tolist()


def test_the_library_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verilator = find_simulator("verilator")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = (compile_bulk(adder(tmp_path / f"{k}", k), verilator, tmp_path / "build") for k in (1, 2))
    assert (sums(first), sums(second)) == ([1, 2, 3], [2, 3, 4])
    assert LIBRARY in first.built.log.read_text()
    assert LIBRARY not in second.built.log.read_text()
    (kept,) = (tmp_path / "trigforge").glob("runtime-*")
    assert {p.name for p in kept.iterdir()} == {"verilated.o", "verilated_threads.o"}


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verilator = find_simulator("verilator")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert sums(compile_bulk(adder(tmp_path / "rtl", 7), verilator, tmp_path / "build")) == [7, 8, 9]


@pytest.mark.parametrize("change", ["settings", "library", "switches", "environment"])
def test_what_is_compiled_otherwise_is_kept_apart(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "verilator"
    (root / "include").mkdir(parents=True)
    library = root / "include" / "verilated.cpp"

    def made(settings: str, name: str, trace: int) -> str:
        """What a build of that name finds or makes."""
        scratch = tmp_path / name
        scratch.mkdir()
        (root / "include" / "verilated.mk").write_text("CXX = c++\n")
        (scratch / "Vtop.mk").write_text(f"VERILATOR_ROOT = {root}\n")
        (scratch / "Vtop_classes.mk").write_text(f"VM_TRACE = {trace}\nVM_GLOBAL_FAST += \\\n  verilated \\\n")
        with kept_runtime(scratch, tmp_path / "cache", settings):
            if not (scratch / "verilated.o").exists():
                (scratch / "verilated.o").write_text(name)
        return (scratch / "verilated.o").read_text()

    library.write_text("1")
    assert made("-O1", "first", 0) == "first"
    assert made("-O1", "again", 0) == "first"
    if change == "library":
        library.write_text("2")
    if change == "environment":
        monkeypatch.setenv("CXXFLAGS", "-m32")
    assert made("-O2" if change == "settings" else "-O1", "other", int(change == "switches")) == "other"


def test_a_build_that_fails_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "verilated.mk").write_text("")
    (tmp_path / "Vtop.mk").write_text(f"VERILATOR_ROOT = {tmp_path}\n")
    (tmp_path / "Vtop_classes.mk").write_text("")

    def build() -> None:
        with kept_runtime(tmp_path, tmp_path / "cache", 0):
            (tmp_path / "verilated.o").write_text("half")
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        build()
    assert not (tmp_path / "cache").exists()
