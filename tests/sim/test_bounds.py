"""What is proved of nodes: never against an event, and exact where all events can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from alkaid.trace import FVArray
from numpy.testing import assert_array_equal
from tests.firmware.random_programs import random_program, random_words

from trigforge.firmware.evaluate import evaluate
from trigforge.firmware.program import IntegerProgram, trace_program
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.bounds.analysis import IMAGINED, analyse
from trigforge.sim.bounds.curve import Curve
from trigforge.sim.bounds.decide import Limits, Region, decide
from trigforge.sim.bounds.dual import Infeasible, Optimum, Solver
from trigforge.sim.bounds.network import network_of
from trigforge.sim.bounds.prover import Prover
from trigforge.sim.bounds.reach import cone_of, node_values
from trigforge.sim.bounds.relax import Row, propagate, rows
from trigforge.sim.coverage import Bins, bins_of, coverage, settle

WORD = FixedType(signed=True, width=5, integer=5)
PATIENT = Limits(branches=2000, seconds=200.0)
QUICK = Limits(branches=300, seconds=200.0)


def limits_of(program: IntegerProgram) -> tuple[IntArray, IntArray]:
    return np.array([t.low for t in program.inputs]), np.array([t.high for t in program.inputs])


def prover_of(program: IntegerProgram) -> Prover:
    return Prover(program.circuit, program.inputs, *limits_of(program))


def all_words(program: IntegerProgram) -> IntArray:
    axes = [np.arange(t.low, t.high + 1) for t in program.inputs]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def layered(seed: int) -> IntegerProgram:
    """Three words, three layers with ReLUs, roundings, saturations and a square: too much for intervals alone."""
    rng = np.random.default_rng(seed)
    ends = np.ones(3, dtype=int)
    x = FVArray.from_kif(ends, 4 * ends, 0 * ends)

    def layer(values: FVArray, size: int) -> FVArray:
        weights = rng.integers(-3, 4, (len(values), size)) / 2.0
        return values @ weights + rng.integers(-4, 5, size) / 2.0

    hidden = np.maximum(layer(x, 4).quantize(np.ones(4), 4 * np.ones(4), np.zeros(4), "SAT", "TRN"), 0)
    hidden = np.maximum(layer(hidden, 4).quantize(np.ones(4), 5 * np.ones(4), np.zeros(4), "SAT", "TRN"), 0)
    last = layer(hidden, 2)
    return trace_program(x, FVArray(np.array([last[0], last[1], last[0] * last[0] + last[1]])), (WORD,) * 3)


def values_of(program: IntegerProgram, words: IntArray) -> list[IntArray]:
    return node_values(program.circuit, words, program.inputs, range(len(program.circuit.nodes)))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_asked_of_nodes_is_answered_right_and_mostly_answered(seed: int) -> None:
    program = layered(seed)
    words = all_words(program)
    values, prover = values_of(program, words), prover_of(program)
    narrower = undecided = 0
    for node, own in enumerate(values):
        least, most = int(own.min()), int(own.max())
        before = prover.interval(node)
        beyond = [prover.ask(node, r, words[0], QUICK) for r in (Region(most + 1, None), Region(None, least - 1))]
        assert not any(answer.seen for answer in beyond)
        for region in (Region(most, None), Region(None, least), Region(least, most)):
            answer = prover.ask(node, region, words[0], QUICK)
            assert not answer.never
            if answer.seen:
                (got,) = evaluate(cone_of(program.circuit, [node]), list(answer.events[:1].T), [0] * 3)
                assert region.holds(int(got[0]))
        low, high = prover.interval(node)
        assert before[0] <= low <= least <= most <= high <= before[1]
        narrower += before != (low, high)
        undecided += (low, high) != (least, most)
    assert narrower > 0  # else intervals alone would do
    assert undecided <= 0.05 * len(values)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_proved_for_values_of_one_node_holds_for_their_events(seed: int) -> None:
    program = layered(seed)
    words = all_words(program)
    values, prover = values_of(program, words), prover_of(program)
    narrower = 0
    for node in sorted(prover.proved)[::3]:
        least, most = (int(end) for end in np.quantile(values[node], (0.9, 1.0)))
        there, own = prover.case(node, (least, most)), values[node] >= least
        for other, all_values in enumerate(values):
            low, high = there.interval(other)
            reached = all_values[own]
            assert low <= reached.min() <= reached.max() <= high
            narrower += (low, high) != prover.interval(other)
            above = there.ask(other, Region(int(reached.max()), None), words[0], Limits(branches=5, seconds=20.0))
            assert not above.never
    assert narrower > 0


@pytest.mark.parametrize("seed", range(12))
def test_no_event_contradicts_what_is_known_of_random_programs(seed: int) -> None:
    program = random_program(seed)
    prover = prover_of(program)
    for node, own in enumerate(values_of(program, random_words(program, 2000, seed))):
        reach = prover.reach(node)
        assert reach.low <= own.min() <= own.max() <= reach.high
        assert reach.values is None or np.isin(own, reach.values).all()


def require_rows(program: IntegerProgram, words: IntArray) -> set[str]:
    """Every line of every rule holds for every event; the rules that there are."""
    network = network_of(analyse(program.circuit, program.inputs, *limits_of(program)))
    wanted = sorted({variable.node for variable in network.variables})
    found = node_values(program.circuit, words, program.inputs, wanted)
    values = dict(zip(wanted, (own.astype(object) for own in found), strict=True))
    rules = set()
    for term in program.circuit.outputs:
        problem = network.about(term.source)
        bounds = propagate(problem, {})
        assert bounds is not None
        mantissas = [values[variable.node] for variable in problem.variables]
        for row in rows(problem, bounds, {}):
            rule = problem.variables[row.owner].rule
            operand = sum(factor * mantissas[k] for k, factor in rule.operand.terms)
            assert np.max(row.weight * operand + row.factor * mantissas[row.owner]) <= row.limit, (rule, row)
            rules.add(type(rule).__name__)
    return rules


@pytest.mark.parametrize(("imagined", "rules"), [(IMAGINED, {"Image", "Square"}), (1, {"Floor", "Clip", "Square"})])
@pytest.mark.parametrize("seed", range(4))
def test_every_row_holds_for_every_event(
    seed: int, imagined: int, rules: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trigforge.sim.bounds.analysis.IMAGINED", imagined)
    program = layered(seed)
    assert require_rows(program, all_words(program)) == rules


def test_rows_hold_for_programs_of_all_operations() -> None:
    programs = [random_program(seed) for seed in range(30)]
    rules = [require_rows(program, random_words(program, 500, 3)) for program in programs]
    assert set().union(*rules) >= {"Floor", "Image"}


@pytest.mark.parametrize("seed", range(4))
def test_curves_prove_more_than_roundings_and_limits_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = layered(seed)
    ends = [term.source for term in program.circuit.outputs]
    together = [relaxed(program, node, sign) for node in ends for sign in (-1, 1)]
    monkeypatch.setattr("trigforge.sim.bounds.analysis.IMAGINED", 1)
    apart = [relaxed(program, node, sign) for node in ends for sign in (-1, 1)]
    assert sum(together) < sum(apart)


def relaxed(program: IntegerProgram, node: int, sign: int) -> float:
    """The bound of sign times a node without any branch, in mantissas."""
    problem = network_of(analyse(program.circuit, program.inputs, *limits_of(program))).about(node)
    bounds = propagate(problem, {})
    assert bounds is not None
    best = Solver(problem).maximise(sign, list(rows(problem, bounds, {})), bounds.values)
    assert isinstance(best, Optimum)
    return best.bound / problem.unit


@pytest.mark.parametrize("seed", range(20))
def test_a_hull_is_tight_and_holds_at_all_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.unique(rng.integers(-40, 40, rng.integers(1, 30)))
    curve = Curve(points, np.clip(rng.integers(-9, 9, len(points)).cumsum() if seed % 2 else points // 3, -5, 6))
    low, high = sorted(rng.integers(-45, 45, 2).tolist())
    inside = points[(low <= points) & (points <= high)]
    if not len(inside):
        assert curve.within(low, high) is None
        return
    values = curve.values[(low <= points) & (points <= high)]
    assert curve.within(low, high) == (inside[0], inside[-1])
    assert curve.image(low, high) == (values.min(), values.max())
    hull = curve.hull(low, high)
    assert all((a * inside + b * values <= c).all() for a, b, c in hull.lines)
    for side in (hull.lower, hull.upper):
        assert all(values[inside == x] == y for x, y in side)
        assert [side[0][0], side[-1][0]] == [inside[0], inside[-1]]
    cut = curve.cut(low, high, float(inside.mean()))
    assert (cut is None) == (len(hull.bends) == 0)
    assert cut is None or inside[0] <= cut < inside[-1]


def test_a_saturation_is_parted_where_it_bends() -> None:
    points = np.arange(-100, 201)
    curve = Curve(points, np.clip(points, 0, 63))
    assert [curve.cut(-100, 200, at) for at in (-90.0, 40.0, 150.0)] == [0, 63, 63]
    assert curve.cut(0, 63, 30.0) is None
    assert set(curve.hull(-100, 0).lines) == {(0, 100, 0), (0, -100, 0)}


@pytest.mark.parametrize("seed", range(4))
def test_a_climb_reaches_what_few_events_reach(seed: int) -> None:
    program = layered(seed)
    words, prover = all_words(program), prover_of(program)
    low, high = limits_of(program)
    for term in program.circuit.outputs:
        (values,) = node_values(program.circuit, words, program.inputs, [term.source])
        for region in (Region(int(values.max()), None), Region(None, int(values.min()))):
            found = prover.climb(term.source, region, np.zeros((1, 3), dtype=np.int64), (seed, 1))
            assert ((low <= found) & (found <= high)).all()
            (got,) = node_values(program.circuit, found[:1], program.inputs, [term.source])
            assert region.holds(int(got[0]))


def test_any_multipliers_prove_a_bound_that_holds() -> None:
    """A wrong answer of the solver costs tightness, never truth."""
    program = layered(1)
    node = len(program.circuit.nodes) - 1
    words = all_words(program)
    problem = network_of(analyse(program.circuit, program.inputs, *limits_of(program))).about(node)
    bounds = propagate(problem, {})
    assert bounds is not None
    solver, found = Solver(problem), list(rows(problem, bounds, {}))
    most = int(values_of(program, words)[node].max()) * problem.unit
    best = solver.maximise(1, found, bounds.values)
    assert isinstance(best, Optimum)
    rng = np.random.default_rng(2)
    random = [solver.safe_bound(1, found, bounds.values, rng.exponential(1.0, len(found))) for _ in range(50)]
    assert most <= best.bound <= min(random)


def test_rows_that_contradict_each_other_are_proved_to() -> None:
    program = layered(1)
    problem = network_of(analyse(program.circuit, program.inputs, *limits_of(program))).about(
        len(program.circuit.nodes) - 1
    )
    bounds = propagate(problem, {})
    assert bounds is not None
    impossible = [Row(-1, 1, 0, -5), Row(-1, -1, 0, 4)]
    assert isinstance(Solver(problem).maximise(1, impossible, bounds.values), Infeasible)


def test_a_limit_of_branches_leaves_a_question_open() -> None:
    program = layered(1)
    words = all_words(program)
    network, values = prover_of(program).network, values_of(program, words)
    for node in range(len(program.circuit.nodes)):
        problem, most = network.about(node), int(values[node].max())
        answer = decide(problem, Region(most, None), {}, lambda point: False, Limits(branches=3))
        assert type(answer).__name__ == "Open"


@pytest.mark.parametrize("seed", range(4))
def test_settling_decides_every_clip_and_choice_of_a_small_network(seed: int) -> None:
    program = layered(seed)
    known = random_words(program, 20, seed)
    bins = bins_of(program, *limits_of(program))
    settled = settle(bins, known, seed=1, limits=PATIENT)
    streamed = np.concatenate([known, settled.events])
    assert_array_equal(settled.bins.low, bins.low)
    left = coverage(settled.bins, streamed).missing
    assert [name for name in left if not name.startswith("output")] == []  # low bits have too many intervals
    assert never_hit(settled.bins, all_words(program))


def never_hit(bins: Bins, words: IntArray) -> bool:
    """No event hits what is proved impossible."""
    hits = bins.hits(words)
    return not any(hits[k] for k in bins.excluded)


def test_nothing_open_is_left_alone() -> None:
    program = layered(0)
    bins = bins_of(program, *limits_of(program))
    words = all_words(program)
    known = np.concatenate([words, words[::-1]])
    settled = settle(settle(bins, known, 1, PATIENT).bins, known, 1, PATIENT)
    assert len(settled.events) == 0
