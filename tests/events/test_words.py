"""Contract words straight from event files."""

from __future__ import annotations

import threading
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from toy_events import toy_events

from trigforge.contract import OutOfRange, level1_contract
from trigforge.errors import InputError
from trigforge.events import read_events, write_events
from trigforge.events.words import THREADS, iterate_words

CONTRACT = level1_contract()


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Eight parts of 40 events."""
    events = toy_events(320, slices=1)
    for i in range(8):
        write_events(tmp_path / f"part-{i}.parquet", events[40 * i : 40 * (i + 1)])
    return tmp_path


def test_words_are_those_of_the_events_in_their_order(parts: Path) -> None:
    pieces = list(iterate_words(parts, CONTRACT))
    assert [len(p) for p in pieces] == [40] * 8
    assert_array_equal(np.concatenate(pieces), CONTRACT.encode(read_events(parts)))
    assert_array_equal(np.concatenate(list(iterate_words(parts / "part-3.parquet", CONTRACT))), pieces[3])


def test_a_file_without_events_gives_no_words(tmp_path: Path) -> None:
    write_events(tmp_path / "a.parquet", toy_events(5)[:0])
    assert [w.shape for w in iterate_words(tmp_path / "a.parquet", CONTRACT)] == [(0, 57)]


def test_the_stream_reads_only_a_little_ahead(parts: Path) -> None:
    (parts / f"part-{THREADS + 2}.parquet").write_bytes(b"broken")
    stream = iterate_words(parts, CONTRACT)
    assert len(next(stream)) == len(next(stream)) == 40
    with pytest.raises(InputError, match=rf"part-{THREADS + 2}\.parquet must be Parquet: "):
        next(stream)
    running = threading.active_count()
    stream = iterate_words(parts, CONTRACT)
    next(stream)
    stream.close()
    assert threading.active_count() == running


def test_errors_name_the_file(parts: Path) -> None:
    path = parts / "part-5.parquet"
    events = read_events(path)
    write_events(path, ak.with_field(events, ak.with_field(events["L1MET"], 3000.0, "pt"), "L1MET"))
    with pytest.raises(
        InputError, match=r"^event file .*part-5\.parquet: L1MET\.pt must be in 0\.\.2047\.5 GeV, not 3000"
    ):
        list(iterate_words(parts, CONTRACT, OutOfRange.REFUSE))
    assert sum(len(w) for w in iterate_words(parts, CONTRACT)) == 320
    write_events(path, events[["weight", "L1MET", "L1EG", "L1Jet"]])
    with pytest.raises(InputError, match=r"^event file .*part-5\.parquet must have L1Mu; it has weight, L1MET"):
        list(iterate_words(parts, CONTRACT))
