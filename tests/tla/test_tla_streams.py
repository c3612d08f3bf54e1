"""The stream ledger: arithmetic, real files, and rates against counting by hand."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import correctionlib
import numpy as np
import pytest
import uproot
from toy_events import toy_events, toy_scores

from trigforge.calibration.corrections import EtaCorrection, correction_json, load_corrections
from trigforge.errors import InputError
from trigforge.tla.menu import Leg, Menu, Seed, decide
from trigforge.tla.streams import (
    StreamLedger,
    StreamOptions,
    StreamRow,
    founding_figures,
    measure_streams,
)
from trigforge.tla.tla_file import JET_FIELDS, Container, read_tla, tla_content, tla_jets, write_tla
from trigforge.units import crossing_rate_hz

N = 20_000
LOOSE = Menu(
    name="loose",
    seeds=(
        Seed(name="L1_Jet100", legs=(Leg(collection="L1Jet", min_pt_gev=100),), streams=("main", "tla")),
        Seed(name="L1_Anomaly", score=5000, streams=("main", "tla"), prescale=2.0),
    ),
)


@pytest.fixture(scope="module")
def cset() -> correctionlib.CorrectionSet:
    return load_corrections(correction_json((EtaCorrection(0.0, 2.5, (1.3, -0.03), 20.0, 1000.0),)))


@pytest.fixture(scope="module")
def events() -> ak.Array:
    return toy_events(N)


def content_of(events: ak.Array, cset: correctionlib.CorrectionSet) -> ak.Array:
    scores = toy_scores(len(events))
    return tla_content(events, tla_jets(events, cset), decide(LOOSE, events, scores), scores)


def test_the_founding_figures() -> None:
    ledger = founding_figures()
    assert ledger.stream("main").bandwidth_mb_s == 1500.0
    assert ledger.stream("tla").bandwidth_mb_s == 20.0
    assert ledger.bandwidth_mb_s == 1520.0
    assert ledger.stream("main").event_bytes / ledger.stream("tla").event_bytes == 300
    assert not any(row.size_is_measured for row in ledger.rows)


def test_a_bandwidth_that_is_not_rate_times_size_is_refused() -> None:
    row = founding_figures().rows[0].model_dump()
    with pytest.raises(InputError, match=r"bandwidth must be rate x size = 1500 MB/s, not 1600"):
        StreamRow.parse({**row, "bandwidth_mb_s": 1600.0}, where="ledger")


@pytest.mark.parametrize("container", Container)
def test_a_file_holds_what_was_written(
    container: Container, events: ak.Array, cset: correctionlib.CorrectionSet, tmp_path: Path
) -> None:
    content = content_of(events[:2000], cset)
    size = write_tla(tmp_path / "tla.root", content, container)
    back = read_tla(tmp_path / "tla.root")
    assert set(ak.fields(back)) == set(ak.fields(content))
    for field in ak.fields(content):
        assert ak.to_list(back[field]) == ak.to_list(content[field])
    assert [p.name for p in tmp_path.iterdir()] == ["tla.root"]
    assert size.file_bytes == (tmp_path / "tla.root").stat().st_size
    assert {p.name for p in size.parts} == {"TLAJet", "rho", "nPU", "L1", "anomalyScore", "genWeight"}
    assert 0 < size.overhead_bytes < 40_000
    assert size.event_bytes(size.jets / size.events) == pytest.approx(size.file_bytes / size.events)


def test_a_tree_has_nano_names(events: ak.Array, cset: correctionlib.CorrectionSet, tmp_path: Path) -> None:
    write_tla(tmp_path / "tla.root", content_of(events[:100], cset))
    with uproot.open(tmp_path / "tla.root") as file:
        assert set(file["Events"].keys()) >= {"nTLAJet", "L1_Jet100", *(f"TLAJet_{f}" for f in JET_FIELDS)}


def test_tla_jets_are_calibrated_sorted_and_above_threshold(
    events: ak.Array, cset: correctionlib.CorrectionSet
) -> None:
    jets = tla_jets(events, cset)
    assert ak.all(jets["pt"] >= 20)
    assert ak.all(jets["pt"][:, :-1] >= jets["pt"][:, 1:])
    assert ak.all(jets["pt_raw"] > jets["pt_area"])


def test_the_streams_of_a_menu(events: ak.Array, cset: correctionlib.CorrectionSet, tmp_path: Path) -> None:
    scores, hz = toy_scores(N), crossing_rate_hz(2544)
    ledger = measure_streams(LOOSE, events, scores, cset, tmp_path / "tla.root")
    weights, jets = np.asarray(events["weight"]), tla_jets(events, cset)
    fired = decide(LOOSE, events, scores)
    accepted = np.where(fired["L1_Jet100"], 1.0, 0.5 * fired["L1_Anomaly"])
    tla = ledger.stream("tla")
    enough = np.asarray(ak.num(jets) >= 2)
    assert tla.rate_hz == pytest.approx(hz * np.sum(weights * accepted * enough))
    assert tla.rate_err_hz == pytest.approx(hz * np.sqrt(np.sum((weights * accepted * enough) ** 2)))
    assert tla.size_is_measured
    assert 40 < tla.event_bytes < 400
    main = ledger.stream("main")
    leading = np.asarray(ak.fill_none(ak.firsts(jets["pt"]), 0))
    threshold = float(main.selection.split()[-2])
    assert main.rate_hz <= 1000 < hz * np.sum(weights * accepted * (leading >= threshold - 3))
    assert main.event_bytes == 1.5e6
    assert not main.size_is_measured
    assert ledger.notes == ("the full event size of 1.5 MB is an assumption, not measured",)
    assert set(ledger.summary()["tla"]) == {"rate_hz", "event_bytes", "bandwidth_mb_s"}
    ledger.save(tmp_path / "ledger.json")
    assert StreamLedger.load(tmp_path / "ledger.json") == ledger
    assert len(read_tla(tmp_path / "tla.root")) == np.sum((accepted > 0) & enough)


def test_a_menu_above_the_cap_is_noted(events: ak.Array, cset: correctionlib.CorrectionSet, tmp_path: Path) -> None:
    seed = Seed(name="L1_Jet20", legs=(Leg(collection="L1Jet", min_pt_gev=20),), streams=("main", "tla"))
    ledger = measure_streams(Menu(name="m", seeds=(seed,)), events, None, cset, tmp_path / "tla.root")
    assert "above the Level-1 cap of 100 kHz" in ledger.notes[0]


def test_the_event_size_follows_the_expected_mix(
    events: ak.Array, cset: correctionlib.CorrectionSet, tmp_path: Path
) -> None:
    size = write_tla(tmp_path / "tla.root", content_of(events, cset))
    assert size.event_bytes(3.0) - size.event_bytes(2.0) == pytest.approx(size.parts[0].bytes / size.jets)


def test_what_cannot_be_measured_is_refused(
    events: ak.Array, cset: correctionlib.CorrectionSet, tmp_path: Path
) -> None:
    path = tmp_path / "tla.root"
    with pytest.raises(InputError, match=r"a main stream of 0\.001 Hz must have at least 10 effective events"):
        measure_streams(LOOSE, events, toy_scores(N), cset, path, StreamOptions(main_rate_hz=0.001))
    with pytest.raises(InputError, match=r"a trigger-level file must have at least one event, not 0"):
        write_tla(path, content_of(events[:0], cset))
    assert not path.exists()
    with pytest.raises(InputError, match=r"tla\.root does not exist"):
        read_tla(path)
    with pytest.raises(InputError, match=r"stream must be one of main, tla, not 'express'"):
        founding_figures().stream("express")
