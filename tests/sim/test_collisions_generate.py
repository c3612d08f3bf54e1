"""Real Pythia: the join of the samples, every process of the table, reproducible and resumable libraries."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.errors import InputError
from trigforge.sim.collisions.generate import Library, Request, assemble, generate, start_pythia
from trigforge.sim.collisions.interactions import Interactions
from trigforge.sim.collisions.meter import Meter, ignore
from trigforge.sim.collisions.processes import HARD, JOIN_PT_HAT_GEV, PRIMARIES, SOFT
from trigforge.sim.collisions.workers import start_workers

LOW_CUT_GEV = 12.0
LOW = replace(HARD, name="low", settings=(*HARD.settings, f"PhaseSpace:pTHatMin = {LOW_CUT_GEV}"))
PIECES = replace(HARD, name="pieces", chunk=40)
REQUESTS = [Request(SOFT, 2000), Request(PIECES, 120), Request(LOW, 400)]


def meter() -> Meter:
    return Meter(ignore, "interactions", 1)


def make(requests: list[Request], folder: Path, jobs: int = 1) -> list[Library]:
    with start_workers(jobs) as workers:
        return generate(requests, 3, folder, workers, meter())


def assert_same(a: Interactions, b: Interactions) -> None:
    for field in fields(Interactions):
        assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library")


@pytest.fixture(scope="module")
def libraries(folder: Path) -> dict[str, Library]:
    return {library.process.name: library for library in make(REQUESTS, folder, 2)}


def test_cross_sections_and_the_join(libraries: dict[str, Library]) -> None:
    soft, hard, low = (libraries[name] for name in ("soft", "pieces", "low"))
    assert_allclose(soft.sigma_mb + hard.sigma_mb, 78.6, atol=1.0)
    pt_hat = soft.read().pt_hat
    assert pt_hat.max() < JOIN_PT_HAT_GEV <= hard.read().pt_hat.min()
    between = pt_hat > LOW_CUT_GEV
    from_soft = soft.sigma_mb * between.mean()
    weight = low.read().weight
    from_hard = low.sigma_mb * weight[low.read().pt_hat < JOIN_PT_HAT_GEV].sum() / weight.sum()
    assert_allclose(from_soft, from_hard, rtol=4 / np.sqrt(between.sum()))
    assert_allclose(low.sigma_mb - from_hard, hard.sigma_mb, rtol=0.3)


def test_hard_interactions_are_spread_over_pt_hat(libraries: dict[str, Library]) -> None:
    hard = libraries["pieces"].read()
    assert 0.2 < (hard.pt_hat > 100).mean() < 0.8
    assert_allclose(hard.weight, (JOIN_PT_HAT_GEV / hard.pt_hat) ** 4, rtol=0.1)  # heavy quarks: massless pT


def test_a_library_does_not_depend_on_the_workers(libraries: dict[str, Library], tmp_path: Path) -> None:
    (alone,) = make([Request(PIECES, 120)], tmp_path)
    assert alone.sigma_mb == libraries["pieces"].sigma_mb
    assert_same(alone.read(), libraries["pieces"].read())


def test_a_library_goes_on_where_it_was(libraries: dict[str, Library], folder: Path, tmp_path: Path) -> None:
    kept, lost = libraries["pieces"].files[0], libraries["pieces"].files[1]
    before, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    again = make([Request(PIECES, 120)], folder)
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == content
    more = make([Request(PIECES, 160)], folder)[0]
    assert more.files[:3] == again[0].files


def test_soft_interactions_do_not_depend_on_what_was_there(tmp_path: Path) -> None:
    """The file that Pythia computes once is that of the first chunk, whoever is missing."""
    small = replace(SOFT, name="small", chunk=30)
    (first,) = make([Request(small, 90)], tmp_path)
    whole = first.read()
    for file in first.files[1:]:
        file.unlink()
    (tmp_path / first.files[0].parent.name / "multiparton.dat").unlink()
    (again,) = make([Request(small, 90)], tmp_path)
    assert_same(again.read(), whole)


def test_assembled_libraries_are_their_parts(libraries: dict[str, Library], tmp_path: Path) -> None:
    pieces = list(libraries.values())
    whole = assemble(pieces, tmp_path)
    assert isinstance(whole.em, np.memmap)
    start = 0
    for library in pieces:
        part = library.read()
        assert_array_equal(whole.weight[start : start + len(part)], part.weight)
        for kind in ("tower", "muon", "track", "jet"):
            ends = getattr(whole, f"{kind}_start")[start : start + len(part) + 1]
            assert_array_equal(ends - ends[0], getattr(part, f"{kind}_start"))
        towers = slice(whole.tower_start[start], whole.tower_start[start + len(part)])
        assert_array_equal(whole.tower[towers], part.tower)
        assert_array_equal(whole.em[towers], part.em)
        start += len(part)
    assert start == len(whole)


@pytest.mark.parametrize("name", sorted(PRIMARIES))
def test_every_process_runs(name: str) -> None:
    pythia = start_pythia(PRIMARIES[name], 7)
    batch = pythia.nextBatch(5, errorMode="skip")
    assert len(batch) >= 4
    assert pythia.infoPython().sigmaGen() > 0


def test_an_empty_request_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the number of soft interactions must be ≥ 1, not 0"):
        make([Request(SOFT, 0)], tmp_path)
