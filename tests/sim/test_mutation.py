"""Mutants of cores: one build of all, verdicts as the bench's, equivalence proved, rare differences found."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.random_programs import random_program
from tests.sim.test_bounds import all_words, layered

from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.circuit import Input
from trigforge.firmware.evaluate import evaluate
from trigforge.firmware.project import Language, Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.firmware.rtl.core import read_pipeline
from trigforge.sim.bounds.decide import Limits
from trigforge.sim.bounds.reach import node_values
from trigforge.sim.cosim import Simulator, compare, find_simulator, make_vectors, simulate
from trigforge.sim.formal.clock import Clock
from trigforge.sim.mutation.campaign import Campaign, Core, Effort, prepare, run_campaign
from trigforge.sim.mutation.cases import cases
from trigforge.sim.mutation.conditions import conditions
from trigforge.sim.mutation.effects import Effect
from trigforge.sim.mutation.faults import Kind, core_faults
from trigforge.sim.mutation.flat import flatten
from trigforge.sim.mutation.graph import Graph
from trigforge.sim.mutation.netlist import read_netlist
from trigforge.sim.mutation.proofs import Different, Equal, Workshop
from trigforge.sim.mutation.report import MutationReport, Outcome, Result
from trigforge.sim.mutation.run import judge_mutants, open_bench
from trigforge.sim.mutation.schemata import GOOD, TARGET, Change, Fault, instrument, mutate, original
from trigforge.sim.mutation.windows import windows_of

QUICK = Limits(branches=50, seconds=20.0)
SLOW = Targets(clock_ns=4.0, latency_budget_ns=900.0)


def found(name: str) -> Simulator:
    """The simulator; where tools are optional, the test is skipped without it."""
    try:
        return find_simulator(name)
    except MissingToolError as error:
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(str(error))


def core_of(seed: int, folder: Path) -> Core:
    program = random_program(seed)
    design = write_rtl(program, SLOW, folder, "dut")
    low, high = (np.array([getattr(t, end) for t in program.inputs]) for end in ("low", "high"))
    vectors = make_vectors(low, high, random=400, saturating=40, seed=seed)
    return Core("random", program, design, read_pipeline(folder), low, high, vectors)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    return core_of(14, tmp_path_factory.mktemp("core"))


@pytest.mark.parametrize("seed", [0, 1, 4, 6, 10, 14, 17, 21, 39])
def test_every_statement_is_understood_and_the_original_text_is_kept(seed: int, tmp_path: Path) -> None:
    own = core_of(seed, tmp_path / "core")
    faults = core_faults(own.design, 40, seed)
    assert len(set(faults)) == 40
    texts = {source.name: source.read_text() for source in own.design.sources}
    for copy in (instrument(own.design, faults, tmp_path / "all"), mutate(own.design, faults[7], tmp_path / "one")):
        read = {source.name: source.read_text() for source in copy.sources}
        assert {name: original(read[name]) for name in texts} == texts
    assert (tmp_path / "one" / faults[7].changes[0].site.source).read_text().count("/*was ") == len(faults[7].changes)


def test_the_flat_core_is_the_program_and_its_nodes_are_the_statements(core: Core) -> None:
    flat = flatten(core.program, core.pipeline, core.low, core.high)
    words = core.vectors.words
    fractions = [t.fraction for t in core.program.inputs]
    np.testing.assert_array_equal(np.stack(evaluate(flat.circuit, list(words.T), fractions), 1), core.program(words))
    for stage, start in zip(read_netlist(core.design).stages, flat.starts, strict=True):
        for name, statement in stage.statements.items():
            assert flat.circuit.nodes[start + int(name[1:])].format.width == statement.site.width


def test_faults_are_even_over_kinds_different_and_reproducible(core: Core) -> None:
    faults = core_faults(core.design, 72, 3)
    assert faults == core_faults(core.design, 72, 3)
    assert faults != core_faults(core.design, 72, 4)
    counts = Counter(fault.kind for fault in faults)
    assert set(counts) == set(Kind)
    assert counts[Kind.WIRE] == counts[Kind.WEIGHT_BIT] == max(counts.values())
    whole = {f.stage for f in core_faults(core.design, 200, 3) if f.what.startswith("all bits")}
    assert len(whole) == core.design.latency_clocks
    with pytest.raises(InputError, match=r"mutants must be at most \d+ of 'dut', not 999999; ask for fewer"):
        core_faults(core.design, 999_999, 3)


def test_vhdl_is_refused(tmp_path: Path) -> None:
    design = write_rtl(random_program(9), Targets(language=Language.VHDL), tmp_path, "dut")
    with pytest.raises(InputError, match="'dut' must be a core that trigforge wrote in Verilog, stage by stage"):
        core_faults(design, 10, 1)


def test_sources_of_another_form_are_refused(core: Core, tmp_path: Path) -> None:
    sources = []
    for source in core.design.sources:
        sources.append(tmp_path / source.name)
        sources[-1].write_text(re.sub(r"(wire \[\d+:0\] v\d+;) ", r"\1\n", source.read_text()))
    with pytest.raises(InputError, match=r"every signal of dut_logic0\.v must be declared and driven in one line"):
        core_faults(replace(core.design, sources=tuple(sources)), 10, 1)


@pytest.fixture(scope="module")
def report(core: Core, tmp_path_factory: pytest.TempPathFactory) -> MutationReport:
    folder, effort = tmp_path_factory.mktemp("campaign"), Effort(mutants=54, proof_seconds=60.0)
    return run_campaign(core, found("verilator"), folder, effort, lambda share, text: None)


def test_every_mutant_is_caught_or_proved_equivalent(report: MutationReport, tmp_path: Path) -> None:
    assert len(report.mutants) == 54
    assert [m for m in report.mutants if m.outcome is Outcome.SURVIVED] == []
    assert report.count(Outcome.CAUGHT) > 36
    report.require()
    report.save(tmp_path / "mutation.json")
    assert MutationReport.load(tmp_path / "mutation.json") == report


def test_a_register_too_few_or_too_many_is_caught_as_latency(report: MutationReport) -> None:
    whole = [m for m in report.mutants if m.kind == Kind.PIPELINE_STAGE and m.what.startswith("all bits")]
    assert len(whole) == 4
    assert all("latency" in m.caught_by for m in whole)


def test_single_mutants_in_another_simulator_get_the_same_verdict(
    core: Core, report: MutationReport, tmp_path: Path
) -> None:
    faults, icarus = core_faults(core.design, 54, 1), found("icarus")
    chosen = [m for m in report.mutants if m.outcome in (Outcome.CAUGHT, Outcome.EQUIVALENT)][::14]
    assert {m.outcome for m in chosen} >= {Outcome.CAUGHT}
    for m in chosen:
        folder = tmp_path / str(m.number)
        design = mutate(core.design, faults[m.number - 1], folder / "rtl")
        try:
            result = simulate(design, core.vectors.words, icarus, folder / "build")
            alive = compare("x", core.program(core.vectors.words), result.outputs, core.vectors.kinds).ok
        except CheckError as error:
            assert "latency" in str(error) or "II = 1" in str(error) or "must differ" in str(error)  # noqa: PT017
            alive = False
        assert alive == (m.outcome is Outcome.EQUIVALENT), m


def test_all_mutants_in_one_build_of_another_simulator_get_the_same_verdict(
    core: Core, report: MutationReport, tmp_path: Path
) -> None:
    faults, few = core_faults(core.design, 54, 1), core.vectors.thinned(150)
    design = instrument(core.design, faults, tmp_path / "rtl")
    trace = open_bench(design, found("icarus"), tmp_path / "sim", 1, 300.0)
    verdicts = judge_mutants(design, trace, core.program, few, [0, *range(1, 55, 3)])
    assert not verdicts.pop(0).caught
    outcomes = {m.number: m.outcome for m in report.mutants}
    for number, verdict in verdicts.items():
        assert outcomes[number] is Outcome.CAUGHT if verdict.caught else True
    assert sum(verdict.caught for verdict in verdicts.values()) >= len(verdicts) - 6


def flipped(graph: Graph, node: int, condition: str) -> Fault:
    """All bits of a node wrong under a condition."""
    own = graph.statement(node)
    zero, ones = f"{own.site.width}'d0", f"{own.site.width}'d{(1 << own.site.width) - 1}"
    text = f"assign {TARGET} = {GOOD} ^ (({condition}) ? {ones} : {zero});"
    return Fault(Kind.WIRE, f"stage {own.stage}", f"wrong if {condition}", (Change(own.site, text),))


def rarely_wrong(core: Core, folder: Path) -> Fault:
    """A fault that no vector of the bench shows, but a random event does."""
    graph = Graph(read_netlist(core.design), flatten(core.program, core.pipeline, core.low, core.high))
    shop = Workshop.of(graph, core.design)
    others = np.random.default_rng(5).integers(core.low, core.high + 1, (20_000, len(core.low)))
    for node in [k for k in graph.readers if graph.statement(k).site.width > 6]:
        known, seen = (
            node_values(graph.flat.circuit, words, core.program.inputs, [node])[0]
            for words in (core.vectors.words, others)
        )
        for value in np.setdiff1d(seen, known)[:1].tolist():
            width = graph.statement(node).site.width
            fault = flipped(graph, node, f"{GOOD} == {width}'d{value % (1 << width)}")
            if Effect.of(shop, fault, folder / str(node)).reached(others[seen == value]).seen.any():
                return fault
    raise AssertionError("no such node")


@pytest.fixture(scope="module")
def hidden(core: Core, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Two faults that the bench's vectors do not catch: one that changes nothing, one that few events show."""
    folder, effort = tmp_path_factory.mktemp("hidden"), Effort(proof_seconds=60.0)
    rare = rarely_wrong(core, folder / "rare")
    (change,) = rare.changes
    nothing = replace(rare, what="nothing", changes=(replace(change, text=f"assign {TARGET} = {GOOD} ^ 0;"),))
    return prepare(core, (nothing, rare), found("verilator"), folder, effort)


def test_what_the_vectors_do_not_catch_is_proved_or_found(core: Core, hidden: Campaign) -> None:
    verdicts = hidden.played()
    assert [verdicts[k].caught for k in (1, 2)] == [False, False]
    same, rare = hidden.accounted(1), hidden.accounted(2)
    assert same.outcome is Outcome.EQUIVALENT
    assert "equal for all" in same.proof
    assert rare.outcome is Outcome.CAUGHT_BY_SEARCH
    assert rare.caught_by == ("words",)
    assert rare.first is not None
    assert core.program(np.array([rare.vector]))[0, rare.first.element] == rare.first.expected != rare.first.got


def caught_in_logic(report: MutationReport) -> list[Result]:
    return [m for m in report.mutants if m.first is not None and m.stage.startswith("stage")]


def test_windows_prove_nothing_that_an_event_refutes(
    core: Core, hidden: Campaign, report: MutationReport, tmp_path: Path
) -> None:
    faults, shop = core_faults(core.design, 54, 1), hidden.shop
    tried = 0
    for m in caught_in_logic(report)[::12]:
        fault = faults[m.number - 1]
        for place, window in enumerate(windows_of(shop.graph, fault)):
            folder = tmp_path / f"{m.number}_{place}"
            answer = shop.compare(fault, window, shop.graph.flat.prover.reach, folder, 60.0)
            assert isinstance(answer, Different), m
            tried += 1
            clock = Clock(60.0)
            known, _ = conditions(shop, fault, window, core.vectors.words, hidden.effort.limits, folder, clock)
            assert known is None, m
    assert tried >= 8


def test_the_last_window_is_the_whole_core_and_what_tells_it_is_an_event(
    core: Core, hidden: Campaign, report: MutationReport, tmp_path: Path
) -> None:
    shop, number = hidden.shop, caught_in_logic(report)[1].number
    fault = core_faults(core.design, 54, 1)[number - 1]
    *_, whole = windows_of(shop.graph, fault)
    assert all(map(shop.graph.is_word, whole.free))
    answer = shop.compare(fault, whole, shop.graph.flat.prover.reach, tmp_path, 60.0)
    assert isinstance(answer, Different)
    words = np.zeros((1, len(core.low)), dtype=np.int64)
    for node, value in answer.values.items():
        operation = shop.graph.flat.circuit.nodes[node].operation
        assert isinstance(operation, Input)
        words[0, operation.index] = value
    assert Effect.of(shop, fault, tmp_path / "effect").reached(words).seen.all()


def test_what_a_fault_does_in_the_circuit_is_what_it_does_in_the_rtl(
    core: Core, hidden: Campaign, report: MutationReport, tmp_path: Path
) -> None:
    faults = core_faults(core.design, 54, 1)
    logic = [n for n, fault in enumerate(faults, 1) if fault.stage.startswith("stage")][::5]
    logic = [n for n in logic if hidden.shop.graph.faulty(faults[n - 1])]
    design = instrument(core.design, faults, tmp_path / "rtl")
    trace = open_bench(design, found("verilator"), tmp_path / "sim", 1, 300.0)
    few = core.vectors.thinned(100)
    verdicts = judge_mutants(design, trace, core.program, few, logic)
    for number in logic:
        effect = Effect.of(hidden.shop, faults[number - 1], tmp_path / str(number))
        seen = effect.reached(few.words).seen
        first = verdicts[number].first
        assert seen.any() == (first is not None), faults[number - 1]
        assert first is None or int(np.argmax(seen)) == first.event
    assert any(verdicts[number].first is None for number in logic) or len(logic) > 8


def test_intervals_that_are_supposed_of_free_nodes_are_proved_and_enough(
    core: Core, hidden: Campaign, tmp_path: Path
) -> None:
    """A bit that is wrong only above what a node can be: nothing is known of that until it is asked."""
    graph, prover = hidden.shop.graph, hidden.shop.graph.flat.prover
    words = np.random.default_rng(8).integers(core.low, core.high + 1, (3000, len(core.low)))
    for node in [k for k in graph.readers if not graph.is_word(k)][::9]:
        low, high = prover.interval(node)
        own = graph.statement(node)
        (values,) = node_values(graph.flat.circuit, words, core.program.inputs, [node])
        assert low <= values.min() <= values.max() <= high
        if high + 1 > graph.flat.circuit.nodes[node].format.high:
            continue
        fault = flipped(graph, node, f"{GOOD} == {own.site.width}'d{high + 1}")
        window = next(iter(windows_of(graph, fault)))
        answer = hidden.shop.compare(fault, window, prover.reach, tmp_path / str(node), 60.0)
        if isinstance(answer, Equal):
            continue
        known, _ = conditions(
            hidden.shop, fault, window, words, hidden.effort.limits, tmp_path / f"c{node}", Clock(60.0)
        )
        if known is not None:
            for k in window.free:
                (own_values,) = node_values(graph.flat.circuit, words, core.program.inputs, [k])
                assert known(k).low <= own_values.min() <= own_values.max() <= known(k).high


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A core of which all events can be counted."""
    folder, program = tmp_path_factory.mktemp("small"), layered(1)
    design = write_rtl(program, SLOW, folder, "dut")
    low, high = (np.array([getattr(t, end) for t in program.inputs]) for end in ("low", "high"))
    return Workshop.of(Graph(read_netlist(design), flatten(program, read_pipeline(folder), low, high)), design)


@pytest.mark.parametrize(("node", "hidden"), [(22, True), (40, True), (47, False)])
def test_cases_prove_what_later_operations_hide_and_nothing_that_an_event_refutes(
    node: int, *, hidden: bool, small: Workshop, tmp_path: Path
) -> None:
    """The largest value that events bring a node to is wrong."""
    graph, words = small.graph, all_words(layered(1))
    (values,) = node_values(graph.flat.circuit, words, graph.flat.prover.facts.types, [node])
    width = graph.statement(node).site.width
    fault = flipped(graph, node, f"{GOOD} == {width}'d{int(values.max()) % (1 << width)}")
    near = list(windows_of(graph, fault))[:2]
    assert Effect.of(small, fault, tmp_path / "effect").reached(words).seen.any() != hidden
    proofs = []
    for case in cases(small, fault, near, tmp_path / "cases", Clock(20.0)):
        events = case.events(words[::50])
        assert len(events) > 0
        assert Effect.of(small, fault, tmp_path / "case").reached(events).seen.any() != hidden
        proofs.append(case.proof(near, events, QUICK, tmp_path / "proof", Clock(20.0)))
    assert any(proof is not None for proof in proofs) == hidden
    assert isinstance(small.compare(fault, near[0], graph.flat.prover.reach, tmp_path / "near", 20.0), Different)


def test_an_original_that_fails_stops_the_campaign(core: Core, hidden: Campaign) -> None:
    other = replace(core, program=core_of(21, hidden.folder / "other").program)
    with pytest.raises((CheckError, InputError)):
        replace(hidden, core=other).played()


def result(outcome: Outcome, **evidence: object) -> Result:
    content = {"number": 1, "kind": "wire", "stage": "stage 0", "what": "a bit", "outcome": outcome}
    return Result.model_validate(content | evidence)


def test_a_report_names_survivors_and_counts_by_kind() -> None:
    mutants = (result(Outcome.SURVIVED), result(Outcome.CAUGHT, caught_by=("words",)))
    numbers = {"build_seconds": 0.0, "run_seconds": 0.0, "proof_seconds": 0.0}
    report = MutationReport(name="x", digests={}, seed=1, vectors={}, tools={}, mutants=mutants, **numbers)
    assert not report.ok
    assert report.table()[0].split() == ["kind", "made", *Outcome]
    assert report.table()[1].split() == ["wire", "2", "1", "0", "0", "1"]
    assert report.table()[2].split() == ["all", "2", "1", "0", "0", "1"]
    with pytest.raises(CheckError, match=r"mutant of 'x' must be caught or .* but 1 of 2 survived; first mutant 1"):
        report.require()


@pytest.mark.parametrize(
    ("outcome", "evidence"),
    [
        (Outcome.CAUGHT, {}),
        (Outcome.EQUIVALENT, {}),
        (Outcome.SURVIVED, {"proof": "so"}),
        (Outcome.CAUGHT_BY_SEARCH, {"caught_by": ("words",)}),
    ],
)
def test_an_outcome_without_its_evidence_is_refused(outcome: Outcome, evidence: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="mutant 1 must have"):
        result(outcome, **evidence)


def test_sites_that_overlap_or_are_not_there_are_refused(core: Core, tmp_path: Path) -> None:
    fault = core_faults(core.design, 1, 1)[0]
    (change,) = fault.changes
    moved = replace(fault, changes=(replace(change, site=replace(change.site, start=change.site.start + 1)),))
    with pytest.raises(InputError, match=r"the site .* must be in dut_logic\d+\.v at \d+ and overlap no other one"):
        mutate(core.design, moved, tmp_path)
    foreign = replace(fault, changes=(replace(change, site=replace(change.site, source="other.v")),))
    with pytest.raises(InputError, match=r"a fault of 'dut' must be in one of its sources, not in other\.v"):
        mutate(core.design, foreign, tmp_path)
    with pytest.raises(InputError, match="'dut' must have at least one fault to be instrumented"):
        instrument(core.design, (), tmp_path)
