"""The body of `trigforge mutate`: what it refuses, and how it describes a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigforge.cli_mutate import describe, mutate_project
from trigforge.errors import InputError
from trigforge.sim.cosim.certificate import Divergence
from trigforge.sim.mutation.campaign import Effort
from trigforge.sim.mutation.report import MutationReport, Outcome, Result


def test_a_project_in_vhdl_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project.toml").write_text(
        'name = "x"\n[model]\nfile = "m.keras"\ninput = "fixed<8,4,RND,SAT>"\n'
        '[targets]\nlanguage = "vhdl"\n[verification]\nsimulator = "ghdl"\n'
    )
    with pytest.raises(InputError, match=r"the language of .* must be verilog, not vhdl, to be mutated"):
        mutate_project(tmp_path, tmp_path / "out", tmp_path, None, Effort(), as_json=False)


def test_a_report_is_described_with_all_that_the_vectors_do_not_catch() -> None:
    first = Divergence(event=3, element=0, bit=1, expected=2, got=0, kind="directed")
    places = {"kind": "wire", "stage": "stage 0"}
    mutants = (
        Result(number=1, what="a", outcome=Outcome.CAUGHT, caught_by=("words",), **places),
        Result(number=2, what="b", outcome=Outcome.EQUIVALENT, proof="stages 0 to 0 equal", **places),
        Result(
            number=3,
            what="c",
            outcome=Outcome.CAUGHT_BY_SEARCH,
            caught_by=("words",),
            first=first,
            vector=(1,),
            **places,
        ),
        Result(number=4, what="d", outcome=Outcome.SURVIVED, **places),
    )
    seconds = {"build_seconds": 1.0, "run_seconds": 2.0, "proof_seconds": 3.0}
    lines = describe(
        MutationReport(
            name="x", digests={"rtl": "a" * 64}, seed=1, vectors={}, tools={"t": "T 1"}, mutants=mutants, **seconds
        )
    )
    assert lines[2].split() == ["all", "4", "1", "1", "1", "1"]
    assert lines[3:] == [
        "mutant 2 (wire, stage 0, b): equivalent, stages 0 to 0 equal",
        "mutant 3 (wire, stage 0, c): caught_by_search, event 3 (directed), output 0, bit 1: expected 2, got 0",
        "mutant 4 (wire, stage 0, d): survived",
        "build 1.0 s, runs 2.0 s, search and proofs 3.0 s; T 1",
        f"rtl {'a' * 12}",
    ]
