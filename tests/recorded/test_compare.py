"""Counts against a plain loop, files of every kind, chunks of every size, and what wrong input is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from alkaid.trace import FVArray
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract, OutOfRange
from trigforge.errors import InputError
from trigforge.events import iterate_words, write_events
from trigforge.firmware.program import trace_program
from trigforge.fixed import FixedType
from trigforge.recorded import Question, Recorded, compare_recorded
from trigforge.recorded.examples import objects_of, write_examples

from .cases import CONTRACT, NAMES, SCORE, compared, question, scores, small_program, words_of, write

EVENTS = 400
WORDS = words_of(EVENTS, 5)
FAULTY = WORDS.copy()
FAULTY[:, 3] = FAULTY[:, 3] >> 1 << 1
RECORDED = scores(FAULTY)
EMULATED = scores(WORDS)
PLACES = {
    "run": np.repeat([398_000, 398_001], EVENTS // 2),
    "luminosityBlock": np.arange(EVENTS) // 50,
    "event": np.arange(EVENTS) + 7,
    "bunchCrossing": np.arange(EVENTS) % 13,
}


def test_counts_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    limit = int(np.median(EMULATED))
    result = compared(tmp_path, WORDS, RECORDED, thresholds=(limit,))
    pairs = [(int(a), int(b)) for a, b in zip(RECORDED, EMULATED, strict=True)]
    wrong = [(a, b) for a, b in pairs if a != b]
    (found,) = result.columns
    assert result.mismatch.count == found.mismatch.count == len(wrong) > 20
    for bit in found.bits:
        assert bit.recorded_only == sum((a >> bit.bit & 1) > (b >> bit.bit & 1) for a, b in wrong)
        assert bit.emulated_only == sum((a >> bit.bit & 1) < (b >> bit.bit & 1) for a, b in wrong)
    assert sum(d.events for d in found.differences) == len(wrong)
    for d in found.differences:
        assert d.events == sum(d.low <= a - b <= d.high for a, b in wrong)
    for s in found.scores:
        assert (s.events, s.mismatches) == (
            sum(s.low <= b <= s.high for _, b in pairs),
            sum(s.low <= b <= s.high for _, b in wrong),
        )
    (t,) = found.thresholds
    decisions = [(a >= limit, b >= limit) for a, b in pairs]
    assert (t.both, t.recorded_only) == (decisions.count((True, True)), decisions.count((True, False)))
    assert (t.emulated_only, t.neither) == (decisions.count((False, True)), decisions.count((False, False)))
    assert sum(n.mismatches for n in t.near) == len(wrong)
    for n in t.near:
        assert n.events == sum(n.low <= b - limit <= n.high for _, b in pairs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    path = write(tmp_path_factory.mktemp("whole") / "events.parquet", WORDS, {"score": RECORDED, **PLACES})
    return path, compare_recorded(question(thresholds=(100,), examples=9), path)


@settings(max_examples=4)
@given(size=st.integers(1, EVENTS + 1), rows=st.integers(20, EVENTS))
def test_the_cut_into_chunks_changes_nothing(whole, tmp_path_factory, size: int, rows: int) -> None:
    path = write(tmp_path_factory.mktemp("cut") / "events.parquet", WORDS, {"score": RECORDED, **PLACES}, rows)
    cut = compare_recorded(question(thresholds=(100,), examples=9), path, chunk=max(size, 20))
    source = {"source": whole[1].comparison.source}
    assert cut.comparison.model_copy(update=source) == whole[1].comparison
    for name in ("entries", "words", "recorded", "emulated"):
        assert_array_equal(getattr(cut.examples, name), getattr(whole[1].examples, name))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_smallest_chunks_change_nothing(tmp_path: Path, size: int) -> None:
    """Neighbouring events are found across every cut."""
    path = write(tmp_path / "events.parquet", WORDS[:13], {"score": np.roll(EMULATED[:13], 1)}, 4)
    whole, cut = (compare_recorded(question(), path, chunk=n).comparison for n in (13, size))
    assert cut == whole
    names = {h.name: h.explained for h in whole.hypotheses}
    assert names["the inputs are those of the preceding event"] >= whole.mismatch.count - 1 > 5


def test_places_say_where_mismatches_are(whole) -> None:
    result = whole[1].comparison
    wrong = RECORDED != EMULATED
    assert set(result.places) == {"run", "run luminosityBlock", "bunchCrossing"}
    for place in result.places["bunchCrossing"]:
        here = PLACES["bunchCrossing"] == place.place[0]
        assert (place.mismatch.count, place.mismatch.total) == (wrong[here].sum(), here.sum())
    assert [p.mismatch.total for p in result.parts] == [EVENTS // 50] * 50
    assert sum(p.mismatch.count for p in result.parts) == wrong.sum()


def objects(words: np.ndarray) -> ak.Array:
    """Events of the schema that encode to the words."""
    decoded = CONTRACT.decode(words)
    return ak.zip({"weight": np.ones(len(words)), **{n: decoded[n] for n in ak.fields(decoded)}}, depth_limit=1)


def test_event_files_of_objects_are_encoded(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    events = ak.with_field(objects(WORDS), RECORDED, "score")
    write_events(path, events)
    assert compare_recorded(question(), path).comparison.mismatch.count == (RECORDED != EMULATED).sum()
    foreign = ak.zip({n: events[n] for n in ak.fields(events) if n != "weight"}, depth_limit=1)
    ak.to_parquet(foreign, tmp_path / "foreign.parquet", extensionarray=False)
    assert compare_recorded(question(), tmp_path / "foreign.parquet").comparison.mismatch.count > 20


@pytest.mark.parametrize(("chunk", "tuple_"), [(150, False), (1000, True)])
def test_root_files_of_words_and_of_objects(tmp_path: Path, chunk: int, tuple_: bool) -> None:
    decoded = objects(WORDS)
    jets = {f"L1Jet_{f}": decoded["L1Jet"][f] for f in ("pt", "eta", "phi")}
    met = {f"L1MET_{f}": decoded["L1MET"][f] for f in ("pt", "eta", "phi")}
    kinds = {
        "objects": {**jets, **met},
        "names": {name: WORDS[:, i].astype(np.int32) for i, name in enumerate(NAMES)},
    }
    expected = (RECORDED != EMULATED).sum()
    for name, columns in kinds.items():
        path = tmp_path / f"{name}.root"
        with uproot.recreate(path) as file:
            make = file.mkrntuple if tuple_ else file.mktree
            content = {**columns, "score": RECORDED, "run": PLACES["run"]}
            if tuple_:
                make("Events", content)
            else:
                tree = make("Events", {k: _branch(v) for k, v in content.items()})
                tree.extend(content)
        result = compare_recorded(question(), path, chunk=chunk).comparison
        assert (result.mismatch.count, result.mismatch.total) == (expected, EVENTS)
        assert len(result.places["run"]) == 2


def _branch(values: Any) -> Any:
    array = ak.Array(values)
    return array.type.content if array.ndim > 1 else ak.to_numpy(array).dtype


def test_real_scores_are_compared_on_the_grid_of_the_output(tmp_path: Path) -> None:
    real = RECORDED / 4.0
    real[:3] = np.nan
    real[3:8] += 0.1
    real[8] = np.inf
    result = compared(tmp_path, WORDS, real)
    (found,) = result.columns
    assert (found.missing, found.off_grid, result.off_grid) == (3, 6, 6)
    assert found.mismatch.total == result.mismatch.total == EVENTS - 9
    assert found.mismatch.count == (RECORDED != EMULATED)[9:].sum()


def test_nulls_and_words_out_of_range_are_not_compared(tmp_path: Path) -> None:
    words = WORDS.copy()
    words[5, 0] = 5000
    recorded = pa.array([None if i < 2 else int(v) for i, v in enumerate(RECORDED)])
    result = compared(tmp_path, words, recorded)
    assert (result.outside, result.columns[0].missing, result.mismatch.total) == (1, 2, EVENTS - 3)


def test_bits_and_elements_of_lists(tmp_path: Path) -> None:
    limit = int(np.median(EMULATED))
    window = pa.array([[0, int(v), 0][: 2 + i % 2] if i else [] for i, v in enumerate(RECORDED)])
    path = write(
        tmp_path / "e.parquet", WORDS, {"w": window, "bit": limit <= RECORDED, "one": pa.array([[v] for v in RECORDED])}
    )
    asked = tuple(map(Recorded.from_text, ("w[1]", f"bit>={limit}", "one")))
    result = compare_recorded(question(asked), path).comparison
    wrong, fired = RECORDED != EMULATED, (limit <= RECORDED) != (limit <= EMULATED)
    assert [c.mismatch.count for c in result.columns] == [wrong[1:].sum(), fired.sum(), wrong.sum()]
    assert result.columns[0].missing == 1
    alone = compare_recorded(question((Recorded(name="bit"),), thresholds=(limit,)), path).comparison
    assert (alone.columns[0].threshold, alone.mismatch.count) == (limit, fired.sum())
    assert alone.mismatch.count > 0


def test_columns_name_their_outputs(tmp_path: Path) -> None:
    kind = FixedType(signed=True, width=6, integer=6)
    x = FVArray.from_kif(np.ones(3, int), np.full(3, 5), np.zeros(3, int))
    values = list(np.asarray(x))
    program = trace_program(x, FVArray(np.array([values[0] + values[1], values[1] * values[2]])), (kind,) * 3)
    contract = InputContract.of_type("two", 3, kind)
    words = np.random.default_rng(1).integers(-32, 32, (300, 3))
    first, second = program(words).T
    path = write(tmp_path / "e.parquet", words, {"a": first, "b": second})
    for right, wrong in ((("a", "b@1"), 0), (("b", "a@1"), int((first != second).sum()))):
        asked = Question(program, contract, tuple(map(Recorded.from_text, right)))
        result = compare_recorded(asked, path).comparison
        assert result.mismatch.count == wrong
    assert result.causes[0].hypothesis.name == "the outputs are in reverse order"
    assert result.causes[0].explained == result.mismatch.count > 200


def test_examples_are_events_that_encode_to_the_words(whole, tmp_path: Path) -> None:
    answer = whole[1]
    path = tmp_path / "examples.parquet"
    words = answer.examples.words
    assert_array_equal(answer.examples.entries, np.flatnonzero(RECORDED != EMULATED)[:9])
    write_examples(path, CONTRACT, SCORE, answer.examples)
    assert_array_equal(np.concatenate(list(iterate_words(path, CONTRACT))), words)
    again = compare_recorded(question((Recorded(name="recorded score"),)), path).comparison
    assert (again.mismatch.count, again.mismatch.total) == (9, 9)
    holes = words_of(50, 9)
    holes[:, 3:6] = 0
    kept = ak.zip(objects_of(CONTRACT, holes), depth_limit=1)
    assert_array_equal(CONTRACT.encode(kept, OutOfRange.REFUSE), holes)


def test_no_events_are_no_comparison(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", WORDS[:0], {"score": RECORDED[:0]})
    result = compare_recorded(question(), path).comparison
    assert (result.events, result.mismatch.total, result.verdict) == (0, 0, "no event could be compared")
    with uproot.recreate(tmp_path / "e.root") as file:
        file.mktree("Events", {**dict.fromkeys(NAMES, np.int32), "score": np.int64})
    assert compare_recorded(question(), tmp_path / "e.root").comparison.events == 0


@pytest.mark.parametrize(
    ("columns", "asked", "message"),
    [
        ({"other": RECORDED}, "score", "the events must have the recorded columns score; they have other, words"),
        ({"score": RECORDED >= 9}, "score", "'score' holds bits, so it must have a threshold; give 'score>=N' or one"),
        ({"score": RECORDED}, "score>=9", "'score' must hold the bits 0 and 1 of a threshold, not "),
        ({"score": pa.array([[1, 2]] * EVENTS)}, "score", r"lists of up to 2 numbers; say which with 'score[INDEX]'"),
        ({"score": pa.array(["a"] * EVENTS)}, "score", "'score' must hold numbers, not ?string"),
        ({"score": RECORDED}, "score@1", "must name one of the program's 1 outputs, 0..0, not 1"),
        ({"score": RECORDED, "run": RECORDED / 3}, "score", "column 'run' must hold integers, not float64"),
    ],
)  # fmt: skip
def test_wrong_columns_are_named(tmp_path: Path, columns: dict[str, Any], asked: str, message: str) -> None:
    path = write(tmp_path / "e.parquet", WORDS, columns)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        compare_recorded(question((Recorded.from_text(asked),)), path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no events")
    with pytest.raises(InputError, match=r"text\.parquet must be Parquet or ROOT"):
        compare_recorded(question(), tmp_path / "text.parquet")
    with pytest.raises(InputError, match=r"none\.parquet does not exist"):
        compare_recorded(question(), tmp_path / "none.parquet")
    path = write(tmp_path / "e.parquet", WORDS, {"score": RECORDED})
    with pytest.raises(InputError, match=r"must be a ROOT file to have a --tree, but it is none"):
        compare_recorded(question(tree="Events"), path)
    with pytest.raises(InputError, match=r"must have the column 'hw' of words; they have score, words"):
        compare_recorded(question(words="hw"), path)
    with pytest.raises(InputError, match="chunk must be at least 1 event, not 0"):
        compare_recorded(question(), path, chunk=0)
    pq.write_table(pa.table({"score": RECORDED, "words": pa.array([[1, 2]] * EVENTS)}), path)
    with pytest.raises(InputError, match=r"'words' must hold lists of 12 integers, the words of contract 'small'"):
        compare_recorded(question(), path)
    pq.write_table(pa.table({"score": RECORDED, "L1MET": RECORDED}), path)
    with pytest.raises(InputError, match=r"missing collections: L1MET, L1Jet; they have L1MET, score"):
        compare_recorded(question(), path)
    with uproot.recreate(tmp_path / "two.root") as file:
        for name in ("a", "b"):
            file.mktree(name, {"score": np.int64})
    with pytest.raises(InputError, match="tree must be named with --tree: the file has a, b"):
        compare_recorded(question(), tmp_path / "two.root")


@pytest.mark.parametrize("text", ["", ">=3", "a>3", "a[-1]", "a@x", "a>=b"])
def test_unreadable_columns_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="recorded must be like"):
        Recorded.from_text(text)


def test_columns_are_read_as_written(tmp_path: Path) -> None:
    assert Recorded.from_text("a[2]@1>=-3") == Recorded(name="a", index=2, output=1, threshold=-3)
    assert Recorded.from_text("a[2]@1>=-3").label == "a[2]@1>=-3"
    with pytest.raises(InputError, match="recorded must name at least one column and each once"):
        compare_recorded(question(()), write(tmp_path / "e.parquet", WORDS[:1], {}))


def test_the_program_has_scores_that_differ() -> None:
    assert len(np.unique(EMULATED)) > EVENTS // 3
    assert str(small_program().outputs[0]) == "ap_ufixed<17,15,TRN,WRAP>"
