"""Functional coverage: against plain counting, exhaustively against its own proofs, and closed by search."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from alkaid.trace import FVArray
from tests.firmware.random_programs import random_program, random_words

from trigforge.errors import CheckError, InputError
from trigforge.firmware.circuit import Lookup, Relu
from trigforge.firmware.program import IntegerProgram, trace_program
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.bounds.analysis import reachable
from trigforge.sim.bounds.reach import node_values
from trigforge.sim.coverage.measure import Coverage, coverage, measure
from trigforge.sim.coverage.points import Bins, BitBins, Cells, bins_of
from trigforge.sim.coverage.search import Effort, close

WORD = FixedType(signed=True, width=6, integer=6)


def program_of(operation, types: tuple[FixedType, ...]) -> IntegerProgram:
    k = np.array([t.signed for t in types]).astype(int)
    inputs = FVArray.from_kif(k, np.array([t.integer for t in types]) - k, np.array([t.fraction for t in types]))
    return trace_program(inputs, FVArray(np.array(operation(inputs))), types)


def limits(program: IntegerProgram) -> tuple[IntArray, IntArray]:
    return np.array([t.low for t in program.inputs]), np.array([t.high for t in program.inputs])


def all_words(program: IntegerProgram) -> IntArray:
    axes = [np.arange(t.low, t.high + 1) for t in program.inputs]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def counted(bins: Bins, words: IntArray) -> set[str]:
    """The bins that are hit, one event after the other."""
    found = set()
    for point in bins.points:
        (values,) = node_values(bins.circuit, words, bins.program.inputs, [point.node])
        for before, value in zip([None, *values.tolist()], values.tolist(), strict=False):
            if isinstance(point, Cells):
                for k, name in enumerate(point.names):
                    first, last = point.region(k)
                    if name and (first is None or first <= value) and (last is None or value <= last):
                        found.add(name)
                continue
            for bit in range(point.width):
                now = (value >> bit) & 1
                past = None if before is None else (before >> bit) & 1
                kinds = {str(now), {(0, 1): "rise", (1, 0): "fall"}.get((past, now))}
                found |= {f"{point.name} bit {bit} {kind}" for kind in kinds & set(point.kinds)}
    return found


@pytest.mark.parametrize("seed", range(6))
def test_hits_are_those_of_plain_counting(seed: int) -> None:
    program = random_program(seed)
    words = random_words(program, 60, seed)
    bins = bins_of(program, *limits(program), thresholds=(0, 3), nodes=True)
    hits = bins.hits(words)
    assert {name for name, hit in zip(bins.names, hits, strict=True) if hit} == counted(bins, words)
    assert len(set(bins.names)) == len(bins.names)


@pytest.mark.parametrize("seed", range(30))
def test_no_word_hits_what_is_proved_impossible(seed: int) -> None:
    """Every word of small programs; `coverage` itself raises if a proof is wrong."""
    program = random_program(seed, inputs=2, depth=4)
    words = all_words(program)
    bins = bins_of(program, *limits(program), thresholds=(1,), nodes=True)
    found = coverage(bins, words)
    assert found.events == len(words)
    reach = reachable(program.circuit, program.inputs, *limits(program))
    for r, values in zip(reach, node_values(program.circuit, words, program.inputs, range(len(reach))), strict=True):
        assert r.low <= values.min() <= values.max() <= r.high
        assert (values & ((1 << min(r.residue.bits, 63)) - 1) == r.residue.value & ((1 << 63) - 1)).all()
        if r.values is not None:
            assert set(values.tolist()) <= set(r.values.tolist())


def test_most_that_cannot_be_hit_is_proved() -> None:
    """After every word of programs of one word all that is open is unreachable, and enumeration proves all of it."""
    for seed in range(12):
        program = random_program(seed, inputs=1, depth=3)
        words = all_words(program)
        toggling = np.concatenate([words, words[::-1], np.repeat(words, 2, axis=0)[1:-1]])
        bins = bins_of(program, *limits(program), nodes=True)
        values = [n for n in coverage(bins, toggling).missing if not re.search("rise|fall", n)]
        assert values == []


def clipped(x: FVArray) -> list:
    total = x[0] + x[1]
    return [total.quantize(1, 4, 0, "SAT", "TRN"), x[0].max_of(x[1]), (total - 60).relu()]


def test_classes_and_names() -> None:
    program = program_of(clipped, (WORD, WORD))
    bins = bins_of(program, *limits(program), thresholds=(5,))
    nothing = coverage(bins, np.zeros((1, 2), dtype=np.int64))
    groups = nothing.groups
    assert (groups["input"].bins, groups["saturation"].bins, groups["relu"].bins, groups["mux"].bins) == (24, 3, 2, 2)
    assert groups["threshold"].bins == 4
    low, inside, high = (n for p in bins.points if p.group == "saturation" for n in p.bins)
    assert inside not in nothing.missing
    assert {low, high} <= set(nothing.missing)
    assert coverage(bins, np.array([[-9, -8]])).groups["saturation"].missing == (inside, high)
    assert low in coverage(bins, np.array([[-8, -8], [8, 8]])).missing
    assert high not in coverage(bins, np.array([[-8, -8], [8, 8]])).missing
    assert "threshold 5 just below" not in coverage(bins, np.array([[4, 0]])).missing
    assert "threshold 5 exact" not in coverage(bins, np.array([[5, 0]])).missing
    assert nothing.counts()["relu"] == {"hit": 1, "open": 1, "impossible": 0}
    assert "table" not in nothing.counts()
    assert nothing.lines()[0].startswith("input       0 of 24 bins hit, 0 proved impossible; open: word 0 bit 0 rise")
    relu = next(k for k, n in enumerate(program.circuit.nodes) if isinstance(n.operation, Relu))
    assert f"node {relu} passed" in coverage(bins, np.array([[30, 30]])).missing
    assert f"node {relu} passed" not in coverage(bins, np.array([[30, 31]])).missing


def test_every_entry_of_a_table_is_a_bin() -> None:
    program = program_of(lambda x: [x[0].lookup(np.arange(64.0) ** 2)], (WORD,))
    assert any(isinstance(n.operation, Lookup) for n in program.circuit.nodes)
    words = all_words(program)
    assert measure(program, words[3:]).groups["table"].hit == 61
    (node,) = {m.rsplit(" entry", 1)[0] for m in measure(program, words[3:]).groups["table"].missing}
    assert measure(program, words[3:]).groups["table"].missing == tuple(f"{node} entry {k}" for k in range(3))
    whole = measure(program, words, limits=(np.array([-4]), np.array([3]))[:0] or None)
    assert whole.groups["table"].hit == 64
    narrow = measure(program, words[28:36], limits=(np.array([-4]), np.array([3])))
    assert (narrow.groups["table"].hit, narrow.groups["table"].excluded) == (8, 56)
    assert set(narrow.excluded.values()) >= {"its 8 values in -4..3 were enumerated"}


def test_toggles_are_seen_across_blocks_of_events() -> None:
    program = program_of(lambda x: [x[0] + x[1]], (WORD, WORD))
    words = np.zeros((4097, 2), dtype=np.int64)
    words[2048:4096, 0] = 1
    missing = measure(program, words).missing
    assert "word 0 bit 0 rise" not in missing
    assert "word 0 bit 0 fall" not in missing
    assert "output 0 bit 0 fall" not in missing
    assert "word 1 bit 0 rise" in missing


def test_coverage_adds_up_as_one_stream_but_for_the_seam() -> None:
    program = random_program(3)
    words = random_words(program, 400, 1)
    bins = bins_of(program, *limits(program), thresholds=(2,))
    first, second, whole = coverage(bins, words[:3]), coverage(bins, words[2:]), coverage(bins, words)
    both = first + second
    assert (both.groups, both.excluded, both.events) == (whole.groups, whole.excluded, whole.events + 1)
    assert Coverage.model_validate_json(both.model_dump_json()) == both
    assert len(first.missing) > len(both.missing)


def test_coverage_of_other_bins_is_not_added() -> None:
    program = random_program(3)
    words = random_words(program, 40, 1)
    with pytest.raises(InputError, match="coverage that is added must be of one program, limits and thresholds, not"):
        measure(program, words) + measure(program, words, thresholds=(3,))
    with pytest.raises(InputError, match="coverage that is added must be of one program"):
        measure(program, words) + measure(random_program(4), random_words(random_program(4), 4, 1))


def test_a_later_proof_excludes_a_bin_and_a_wrong_one_is_caught() -> None:
    program = program_of(clipped, (WORD, WORD))
    few = measure(program, np.zeros((2, 2), dtype=np.int64))
    one = few.missing[0]
    proved = few.excluding({one: "SAT says so"})
    assert proved.excluded[one] == "SAT says so"
    assert one not in proved.missing
    assert len(proved.missing) == len(few.missing) - 1
    assert sum(g.bins for g in proved.groups.values()) == sum(g.bins for g in few.groups.values())
    every = measure(program, all_words(program))
    with pytest.raises(CheckError, match=f"the bin '{one}' must be impossible, as SAT says so, but it was hit; report"):
        proved + every
    with pytest.raises(CheckError, match=f"the bin '{one}' must be impossible"):
        every.excluding({one: "SAT says so"})
    with pytest.raises(
        CheckError, match=r"every bin of coverage must be hit or proved impossible, but \d+ are open: w"
    ):
        few.require()


def test_words_and_limits_are_checked() -> None:
    program = program_of(clipped, (WORD, WORD))
    low, high = limits(program)
    with pytest.raises(InputError, match=r"limits of word 1 must lie in -32\.\.31 in order, not -32\.\.32"):
        bins_of(program, low, high + np.array([0, 1]))
    with pytest.raises(InputError, match="limits of coverage must be of the program's 2 words, not of shapes"):
        bins_of(program, low[:1], high[:1])
    with pytest.raises(InputError, match=r"word 1 of event 1 must be -2\.\.2, not 3"):
        measure(program, np.array([[0, 0], [0, 3]]), limits=(low // 16, high // 15))


WIDE = FixedType(signed=True, width=10, integer=10)
DEEP = 8


def hidden(x: FVArray) -> list:
    """Saturations and a choice that random words hardly reach."""
    signs = np.array([1, -1, 1, 1, -1, 1, -1, 1])
    total = sum(x[k] * float(signs[k]) for k in range(DEEP))
    return [(total - 3900).relu(), total.max_of(-3500.0).min_of(3500.0), (x[0] - x[1]).max_of(x[2] + 1500)]


def test_search_closes_what_random_words_leave_open() -> None:
    program = program_of(hidden, (WIDE,) * DEEP)
    bins = bins_of(program, *limits(program), thresholds=(17,))
    words = random_words(program, 300, 5)[:300]
    before = coverage(bins, words)
    assert {"relu", "saturation", "threshold"} <= {g for g, c in before.groups.items() if c.missing}
    found = close(bins, words, seed=1)
    np.testing.assert_array_equal(found, close(bins, words, seed=1))
    after = coverage(bins, np.concatenate([words, found]))
    assert after.missing == ()
    after.require()
    assert 0 < len(found) < 100
    assert len(close(bins, np.concatenate([words, found]), seed=1)) == 0


def test_native_code_finds_the_same_events(tmp_path: Path) -> None:
    """Outputs, inputs and inner nodes are watched by a program of their own."""
    program = program_of(hidden, (WIDE,) * DEEP)
    bins = bins_of(program, *limits(program), thresholds=(17,), nodes=True)
    words, few = random_words(program, 3, 5), Effort(steps=3, mutants=64)
    slow, fast = close(bins, words, 1, few), close(bins, words, 1, few, cache=tmp_path)
    np.testing.assert_array_equal(slow, fast)
    assert len(slow) > 0


def test_low_bits_that_never_change_are_proved() -> None:
    """2x + 1 is odd; the square of what is odd is 1 modulo 8."""
    program = program_of(
        lambda x: [x[0] * 2.0 + x[1] * 2.0 + 1, (x[0] * 2.0 - x[1] * 4.0 + 1) ** 2],
        (WORD, WORD),
    )
    found = measure(program, all_words(program))
    known = {(r.residue.value, r.residue.bits) for r in reachable(program.circuit, program.inputs, *limits(program))}
    assert {(1, 1), (1, 3)} <= known
    assert [name for name in found.missing if not re.search("rise|fall", name)] == []


def test_search_starts_without_events() -> None:
    program = program_of(clipped, (WORD, WORD))
    bins = bins_of(program, *limits(program))
    found = close(bins, np.zeros((0, 2), dtype=np.int64), seed=3)
    assert coverage(bins, np.concatenate([np.zeros((1, 2), dtype=np.int64), found])).missing == ()


def test_bits_of_every_kind_are_named() -> None:
    point = BitBins("output", 0, 2, "output 0", ("0", "1", "rise", "fall"))
    assert point.bins[:5] == ("output 0 bit 0 0", "output 0 bit 0 1", "output 0 bit 0 rise", "output 0 bit 0 fall",
                              "output 0 bit 1 0")  # fmt: skip
