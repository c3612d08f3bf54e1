"""Measurements, tables and figures of `trigforge validate`."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import awkward as ak
import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from toy_events import toy_events

from trigforge.cli_validate import validate
from trigforge.errors import InputError
from trigforge.plots.simulation import FIGURES, draw, render_png
from trigforge.sim.collisions import CollisionConfig, SampleConfig
from trigforge.sim.collisions.dataset import Sample
from trigforge.sim.collisions.validation import (
    DENSITY_EDGES,
    JET_EDGES_GEV,
    CrossSection,
    GeneratorFacts,
    PileUpPoint,
    Point,
)
from trigforge.units import crossing_rate_hz
from trigforge.validation import Validation, fill, measure
from trigforge.validation.jets import measure_jets
from trigforge.validation.public import (
    CMS_CHARGED_DENSITY,
    CMS_JETS_PB_GEV,
    CMS_OFFLINE_RESOLUTION,
    CROSS_SECTIONS_NB,
    PUBLIC_SEEDS,
    Selection,
)
from trigforge.validation.rates import leading_pt, measure_closures, measure_seeds
from trigforge.validation.tables import slope, tables

MAX_BYTES = 100_000
DOCS = Path(__file__).parents[1] / "docs" / "simulation.md"


def events_of(n: int, seed: int) -> ak.Array:
    events = toy_events(n, seed, slices=2)
    jets = events["HLTJet"]
    iso = ak.values_astype(events["L1EG"].pt > 0, np.int8)
    columns = {name: events[name] for name in ak.fields(events)} | {
        "interaction": np.arange(n) // 2,
        "Jet": jets,
        "rhoOffline": events["rho"],
        "L1HT": ak.zip({"pt": ak.sum(events["L1Jet"].pt, axis=1)}),
        "L1EG": ak.with_field(events["L1EG"], iso, "iso"),
    }
    return ak.zip(columns, depth_limit=1)


def record(name: str, events: ak.Array) -> Sample:
    config = CollisionConfig(samples=(SampleConfig(name=name, events=len(events)),))
    weight = np.asarray(events["weight"])
    return Sample(
        name=name,
        title=name,
        background=True,
        crossings=len(events),
        events=len(events),
        parts=1,
        sum_w=float(weight.sum()),
        sum_w2=float((weight**2).sum()),
        cross_section_pb=7.9e10,
        hard_fraction=0.01,
        key="k",
        config=config,
        version="0",
        revision="",
    )


def points(edges: tuple[float, ...], values: tuple[float, ...]) -> tuple[Point, ...]:
    rows = zip(edges, edges[1:], values, strict=False)
    return tuple(Point(low=a, high=b, value=v, error=0.1 * v) for a, b, v in rows)


@pytest.fixture(scope="module")
def result() -> Validation:
    enhanced, natural, reference = (events_of(n, seed) for seed, n in enumerate((6000, 3000, 3000), start=1))
    records = record("enhanced_bias", enhanced), record("zero_bias", natural), record("enhanced_bias", reference)
    facts = GeneratorFacts(
        density=points(DENSITY_EDGES, CMS_CHARGED_DENSITY),
        jets=points(JET_EDGES_GEV, CMS_JETS_PB_GEV),
        inelastic_mb=78.0,
        cross_sections=tuple(CrossSection(name=n, nb=v[0], error_nb=0.01 * v[0]) for n, v in CROSS_SECTIONS_NB.items()),
    )
    names = set(PileUpPoint.model_fields) - {"pileup"}
    scan = [PileUpPoint.model_validate({"pileup": mu, **dict.fromkeys(names, (mu, 0.1))}) for mu in (1.0, 60.0)]
    return measure(records, enhanced, natural, reference, facts, scan)


def test_leading_pt_cuts_in_eta_and_isolation() -> None:
    objects = [
        [{"pt": 30.0, "eta": 2.0, "iso": 0}, {"pt": 20.0, "eta": 0.0, "iso": 1}, {"pt": 10.0, "eta": 0.0, "iso": 0}],
        [],
    ]
    events = ak.Array({"L1EG": objects, "L1HT": [{"pt": 7.0}, {"pt": 8.0}]})
    chosen = [
        Selection(name="", collection="L1EG"),
        Selection(name="", collection="L1EG", max_abs_eta=1.5),
        Selection(name="", collection="L1EG", isolated=True),
        Selection(name="", collection="L1HT"),
    ]
    found = [leading_pt(events, selection).tolist() for selection in chosen]
    assert found == [[30.0, 0.0], [20.0, 0.0], [20.0, 0.0], [7.0, 8.0]]


def test_public_rate_is_that_of_the_published_counts() -> None:
    seeds = {seed.name: seed for seed in PUBLIC_SEEDS}
    muon = seeds["L1_SingleMu22"]
    assert muon.hz == pytest.approx(6590, rel=1e-3)  # 2192 of 9 516 590 crossings at 28.6 MHz
    assert muon.error_hz == pytest.approx(muon.hz / 2192**0.5)
    assert seeds["L1_SingleMu7"].hz == pytest.approx(142_490, rel=1e-3)
    assert len(seeds) == len(PUBLIC_SEEDS)


def test_public_resolution_is_that_of_the_public_file(public_data: Path) -> None:
    import correctionlib

    corrections = correctionlib.CorrectionSet.from_file(str(public_data / "jet_jerc_Summer22_V3.json.gz"))
    resolution = corrections["Summer22_22Sep2023_JRV1_MC_PtResolution_AK4PFPuppi"]
    for pt, value in CMS_OFFLINE_RESOLUTION.items():
        assert resolution.evaluate(0.5, pt, 33.0) == pytest.approx(value, abs=1e-4)


def test_seed_rates_know_weights_and_shared_interactions() -> None:
    muons = ak.Array([[{"pt": 30.0, "eta": 0.0, "phi": 0.0}]] * 2 + [[]])
    jets = ak.Array([[]] * 3)
    columns = dict.fromkeys(("L1EG", "L1Jet"), jets) | {"L1Mu": muons}
    columns |= {name: ak.Array([{"pt": 0.0}] * 3) for name in ("L1MET", "L1HT")}
    columns["L1EG"] = ak.Array([[{"pt": 0.0, "eta": 0.0, "iso": 0}]] * 3)
    columns["L1Jet"] = ak.Array([[{"pt": 0.0, "eta": 0.0}]] * 3)
    columns |= {"weight": np.array([1e-3, 2e-3, 0.997]), "interaction": np.array([4, 4, 5])}
    events = ak.zip(columns, depth_limit=1)
    row = next(s for s in measure_seeds(events, events) if s.name == "L1_SingleMu22")
    total = 3e-3 * crossing_rate_hz(2544)
    assert row.hz == pytest.approx((total, total))
    assert row.reference_effective_events == pytest.approx(1.0)
    assert row.ratio[0] == pytest.approx(total / row.public_hz[0])


def test_jets_have_the_response_of_the_toy(result: Validation) -> None:
    levels = {level.name: level for level in result.jets}
    assert list(levels) == ["Level-1", "HLT", "offline"]
    assert levels["HLT"].bins == levels["offline"].bins
    for b in levels["HLT"].bins:
        truth = 1 - 0.55 / np.log(b.pt_mean_gev)
        assert abs(b.response + 0.6 * (0.03 * (b.abs_eta_low + b.abs_eta_high) / 5) - truth) < 0.05
    turn_on = levels["Level-1"].turn_on
    assert turn_on.half_gev == pytest.approx(60, abs=6)
    assert turn_on.points[-1].value > 0.95


def test_jets_must_be_there() -> None:
    events = events_of(50, 1)
    with pytest.raises(InputError, match=r"must have Jet; simulate with content 'jets'$"):
        measure_jets(events[[name for name in ak.fields(events) if name != "Jet"]])


def test_closure_sees_a_wrong_weight() -> None:
    natural, enhanced = events_of(4000, 1), events_of(4000, 2)
    good = {c.name: c for c in measure_closures(enhanced, natural, one_library=False)}["single jet"]
    assert good.ndf > 3
    assert good.chi2 < 3 * good.ndf
    skewed = ak.with_field(
        enhanced, enhanced["weight"] * np.where(ak.max(enhanced["L1Jet"].pt, axis=1) > 25, 2, 1), "weight"
    )
    bad = {c.name: c for c in measure_closures(skewed, natural, one_library=False)}["single jet"]
    assert bad.chi2 > 3 * good.chi2 + 10
    alone = {c.name: c for c in measure_closures(enhanced, natural, one_library=True)}["single jet"]
    assert [p.value for p in alone.natural] == [p.value for p in good.natural]
    shared = [(a.error, b.error) for a, b in zip(alone.natural, good.natural, strict=True)]
    assert all(a <= b for a, b in shared)
    assert any(a < b for a, b in shared)


def test_slope_of_a_power_law_is_its_power() -> None:
    edges = np.geomspace(50, 500, 9)
    exact = points(tuple(edges), tuple(np.sqrt(edges[1:] * edges[:-1]) ** -5.25))
    power, error = slope(exact)
    assert power == pytest.approx(5.25)
    assert 0 < error < 0.1


def test_tables_fill_their_places_and_nothing_else(result: Validation) -> None:
    names = list(tables(result))
    before = "".join(f"text {n}\n<!-- table {n} -->\nold\n<!-- end -->\n" for n in names) + "last\n"
    after = fill(before, result)
    assert "old" not in after
    assert [line for line in after.splitlines() if line.startswith(("text", "last"))] == [
        *(f"text {n}" for n in names),
        "last",
    ]
    assert "`L1_SingleMu22`" in after
    assert fill(after, result) == after


def test_document_without_a_marker_is_refused(result: Validation) -> None:
    with pytest.raises(InputError, match=r"must have the lines '<!-- table samples -->' and '<!-- end -->'"):
        fill("nothing", result)


def test_shipped_document_has_all_tables(result: Validation) -> None:
    text = DOCS.read_text(encoding="utf-8")
    filled = fill(text, result)
    for name in FIGURES:
        assert f"figures/simulation_{name}.png" in filled
        assert (DOCS.parent / "figures" / f"simulation_{name}.png").stat().st_size < MAX_BYTES


def test_result_survives_its_file(result: Validation, tmp_path: Path) -> None:
    result.save(tmp_path / "v.json")
    assert Validation.load(tmp_path / "v.json") == result


def test_figures_are_small_and_repeat(result: Validation) -> None:
    figures = draw(result)
    assert list(figures) == list(FIGURES)
    for name, figure in figures.items():
        assert isinstance(figure, Figure)
        png = render_png(figure)
        assert len(png) < MAX_BYTES, name
        image = matplotlib.image.imread(BytesIO(png))
        assert image[..., :3].std() > 0.02, f"{name} is empty"
    assert render_png(draw(result)["jets"]) == render_png(figures["jets"])


def test_command_names_missing_samples(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(validate, ["--samples", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(outcome.exception, InputError)
    assert str(outcome.exception) == (
        f"samples in {tmp_path} must have enhanced_bias, zero_bias; 'trigforge generate' makes them, with jets"
    )


def test_command_names_a_missing_document(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(validate, ["--samples", str(tmp_path), "--docs", str(tmp_path / "none.md")])
    with pytest.raises(InputError, match=r"none\.md must be a Markdown file that can be read: No such file"):
        raise outcome.exception or AssertionError
