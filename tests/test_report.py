"""The report of a run made of toy events: complete, self-contained, honest about a failed certificate."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parent))
from toy_events import toy_events, toy_scores

from trigforge.calibration.jets import derive_jes
from trigforge.calibration.response import JetBinning
from trigforge.calibration.thresholds import scan_thresholds, threshold_for
from trigforge.config import RateConfig, RunConfig
from trigforge.contract import level1_contract
from trigforge.explain import Effort, Explanations, Kind, SampleWords, Subject, study
from trigforge.explain.objects import Layout
from trigforge.firmware.project import Axis, Links, Trigger
from trigforge.firmware.synthesis import Resources
from trigforge.models.metrics import (
    Background,
    Measured,
    Options,
    ScoreArrays,
    ScoreKind,
    Signal,
    Target,
    WorkingPoint,
    baseline_scores,
    compare_scores,
    sculpting_variables,
)
from trigforge.models.trained import Epoch, TrainingRecord
from trigforge.notation import bandwidth, count, number, percent, rate, with_error
from trigforge.plots import PLOTS, figures, render, save_plots
from trigforge.plots.event_display import title_of_event
from trigforge.plots.style import title_of
from trigforge.report import inline_svg, render_report, write_report
from trigforge.report_verdict import verdict
from trigforge.results import FirmwareSummary, Performance, Results, Spectrum
from trigforge.sim.collisions import CollisionConfig, Sample
from trigforge.sim.cosim.certificate import AXIS_LEVEL, LEVELS, LINKS_LEVEL, TRIGGER_LEVEL, Certificate, Timing, compare
from trigforge.tla.menu import decide_others, default_menu
from trigforge.tla.rates import measure_rates
from trigforge.tla.search import SearchOptions, search_dijets
from trigforge.tla.streams import measure_streams
from trigforge.units import crossing_rate_hz

CROSSINGS = 60_000
SIGNAL_EVENTS = 4000
SIGNALS = {"a_to_4l": 3.0, "lq_to_btau": 6.0, "h_to_tautau": 1.6}
PROGRAM = "3f" * 32


def certificate(flipped: int = 0) -> Certificate:
    """A certificate of toy words, `flipped` of which differ in the RTL."""
    words = np.random.default_rng(5).integers(0, 1 << 14, (5200, 1))
    kinds = np.repeat(["physics", "random", "corner", "walking", "saturating"], [4000, 1000, 60, 80, 60])
    other = words.copy()
    other[4100 : 4100 + flipped] ^= 4
    pairs = dict.fromkeys(LEVELS, words) | {"program_vs_rtl": other}
    return Certificate(
        name="vae_l1",
        levels=tuple(compare(level, words, got, kinds) for level, got in pairs.items()),
        vectors={"physics": 4000, "random": 1000, "corner": 60, "walking": 80, "saturating": 60},
        latency_clocks=9,
        ii=1,
        clock_ns=5.0,
        tools={"alkaid": "0.8.2", "hls4ml": "1.3.0", "simulator": "Verilator 5.048"},
        digests={"contract": "ab" * 32, "model": "cd" * 32, "program": PROGRAM, "rtl": "ef" * 32},
    )


def sample(name: str, events: int) -> Sample:
    return Sample(
        name=name,
        title=title_of(name),
        background=name == "enhanced_bias",
        crossings=events,
        events=events,
        parts=1,
        sum_w=1.0,
        sum_w2=2.0 / events,
        cross_section_pb=7.9e10,
        hard_fraction=0.01,
        key="ab" * 32,
        config=CollisionConfig(seed=7),
        version="0.1.0",
        revision="0123456789abcdef",
    )


def training_record() -> TrainingRecord:
    epochs = np.arange(60)
    loss = 2.1 * np.exp(-epochs / 6) + 1.3
    return TrainingRecord(
        recipe="vae_l1",
        title="DNN VAE, Σµ²",
        network="32-16-3",
        settings={},
        framework="Keras 3.12, HGQ2 0.2.0",
        events=100_000,
        parameters=2419,
        ebops=11873,
        epochs=tuple(
            Epoch(
                phase="vae",
                epoch=i + 1,
                loss=loss[i],
                validation_loss=loss[i] * 1.02 + 0.01 * np.sin(i),
                ebops=int(9e4 * np.exp(-i / 20) + 1e4),
                beta=1e-6,
                seconds=4.0,
            )
            for i in epochs
        ),
        chosen=59,
        model_digest="cd" * 32,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    events, scores = toy_events(CROSSINGS), toy_scores(CROSSINGS)
    weights = np.asarray(events["weight"])
    others = decide_others(default_menu(), events)
    row = threshold_for(scores, weights, 1000.0, others=others)
    menu = default_menu().with_thresholds({"nominal": row.threshold})
    jets = derive_jes(events, JetBinning(abs_eta_edges=(0.0, 0.8, 1.3, 2.0, 2.5)))
    cset, file = jets.correction_set(), tmp_path_factory.mktemp("run") / "tla.root"
    return Results(
        version="0.1.0",
        config=RunConfig(rates=RateConfig(target_rate_khz=1000.0)),
        samples={
            name: sample(name, n) for name, n in (("enhanced_bias", CROSSINGS), *((s, SIGNAL_EVENTS) for s in SIGNALS))
        },
        training=training_record(),
        performance=performance(events, scores, weights, 1000.0),
        explanations=explanations(events, weights),
        certificate=certificate(),
        firmware=FirmwareSummary(
            clock_ns=5.0,
            latency_clocks=9,
            ii=1,
            latency_budget_ns=100.0,
            emulator_mega_events_per_second=17.2,
            rtl_events_per_second=9876.0,
        ),
        resources=Resources(
            lut=11873, ff=3321, dsp=0, bram=0, carry=812, estimator="Yosys 0.58 synth_xilinx -family xcup"
        ),
        thresholds=scan_thresholds(scores, weights, program_digest=PROGRAM, others=others),
        threshold=row,
        rates=measure_rates(menu, events, scores),
        streams=measure_streams(menu, events, scores, cset, file),
        jets=jets,
        search=search_dijets(menu, events, scores, cset, SearchOptions(start_gev=296.0)),
        wall_seconds={"events": 512.3, "model": 96.4, "verify": 171.0, "estimate": 88.2, "report": 3.2},
    )


def performance(events, scores, weights, target_khz: float) -> Performance:
    rng, background, names = np.random.default_rng(9), baseline_scores(events), list(SIGNALS)
    signals = {n: np.minimum(rng.exponential(600 * k, SIGNAL_EVENTS), 1 << 14).astype(int) for n, k in SIGNALS.items()}
    toys = toy_events(SIGNAL_EVENTS, seed=7)
    others, harder = decide_others(default_menu(), toys), baseline_scores(toys)
    arrays = {"firmware score": ScoreArrays(ScoreKind.FIRMWARE, scores, signals)}
    for name, values in background.items():
        arrays[name] = ScoreArrays(ScoreKind.CUT, values, dict.fromkeys(names, harder[name]))
    fpr = WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=1e-3)
    target = WorkingPoint(target=Target.TOTAL_RATE, value=target_khz)
    points = (fpr, target, WorkingPoint(target=Target.PURE_RATE, value=0.5 * target_khz))
    comparison = compare_scores(
        arrays,
        Background(weights, None, decide_others(default_menu(), events)),
        {n: Signal(SIGNAL_EVENTS, None, others) for n in names},
        "firmware score",
        Options(points, sculpting_variables(events), target, replicas=40),
    )
    edges = np.unique(np.rint(np.concatenate([[0], np.geomspace(1, (1 << 14) + 1, 50)]))) - 0.5
    crossing = crossing_rate_hz(2544)
    spectra = [("background", scores, weights * crossing)]
    spectra += [(n, s, np.full(len(s), 1 / len(s))) for n, s in signals.items()]
    return Performance(
        comparison=comparison,
        fpr=fpr,
        target=target,
        spectra=tuple(
            Spectrum(
                name=n,
                edges=tuple(edges.tolist()),
                contents=tuple(np.histogram(s, edges, weights=w)[0].tolist()),
                errors=tuple(np.sqrt(np.histogram(s, edges, weights=w**2)[0]).tolist()),
            )
            for n, s, w in spectra
        ),
    )


def explanations(events, weights) -> Explanations:
    """What a toy score of momenta looks at, on toy words put in order."""
    contract = level1_contract()
    words = Layout.of(contract).in_order(contract.encode(events)).astype(np.int64)
    momenta = np.array([f.name == "pt" for f in contract.fields])
    samples = [SampleWords("enhanced_bias", Kind.BACKGROUND, words, weights)]
    samples += [
        SampleWords(n, Kind.SAMPLE, words[: 200 * i], weights[: 200 * i]) for i, n in enumerate(SIGNALS, start=1)
    ]
    subject = Subject(lambda w: w[:, momenta].astype(np.int64) @ np.arange(19, 0, -1), contract, PROGRAM, 0, 700)
    return study(subject, samples, words[:8], Effort(30, 3, shown_background=1, shown_sample=0), lambda *_: None)[0]


@pytest.fixture(scope="module")
def page(results: Results) -> str:
    return render_report(results)


def without_plots(results: Results, drawn: dict[str, Figure]) -> str:
    """A page whose plots are empty, where its words are looked at."""
    empty = dict.fromkeys(drawn, Figure())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trigforge.report.figures", lambda _: empty)
        return render_report(results)


@pytest.fixture(scope="module")
def red_page(results: Results, drawn: dict[str, Figure]) -> str:
    """The page of a run whose RTL differs in 3 words, which is too slow and has few events above its threshold."""
    slow = results.firmware.model_copy(update={"latency_budget_ns": 40.0})
    few = results.threshold.model_copy(update={"effective_events": 12.0})
    return without_plots(changed(results, certificate=certificate(flipped=3), firmware=slow, threshold=few), drawn)


@pytest.fixture(scope="module")
def drawn(results: Results) -> dict[str, Figure]:
    return figures(results)


class Elements(HTMLParser):
    """The elements, their attributes and the visible text of a page; unbalanced tags are errors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.parts: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        if tag not in {"meta", "br", "link", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if self.open[-1:] != ["style"]:
            self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())


def changed(results: Results, **fields: object) -> Results:
    """A validated copy of results with other fields."""
    return Results.model_validate({**dict(results), **fields})


def test_the_page_is_self_contained_and_well_formed(page: str) -> None:
    elements = Elements(page)
    assert not re.search(r"https?:|//[a-z]|@import", page)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(elements.tags)
    loads = [v for k, v in elements.attributes if k in {"src", "href", "xlink:href", "srcset"}]
    assert loads
    assert all(v.startswith(("#", "data:image/png;base64,")) for v in loads)
    ids = [v for k, v in elements.attributes if k == "id"]
    assert len(ids) == len(set(ids))
    inside = re.findall(r"url\(([^)]*)\)", page)
    assert {v[1:] for v in (*loads, *inside) if v.startswith("#")} <= set(ids)


def test_every_plot_is_on_the_page(page: str, drawn: dict[str, Figure]) -> None:
    displays = {f"event_{i}" for i in (1, 2)}
    assert set(drawn) == {"roc_1", "roc_2", "roc_3", "sculpting", *PLOTS, *displays}
    assert page.count("<svg") == len(drawn)
    for name in drawn:
        assert f'<figure id="fig-{name}">' in page


def test_the_page_holds_the_numbers(page: str, results: Results) -> None:
    text, row, fit = Elements(page).text, results.threshold, results.search
    quoted = [m for m in results.performance.tpr_at_threshold.values() if isinstance(m, Measured)]
    assert len(quoted) == len(SIGNALS)
    numbers = [
        f"score ≥ {row.threshold}",
        rate(1e3 * row.rate_khz, 1e3 * row.rate_err_khz),
        rate(results.rates.or_hz, results.rates.or_err_hz),
        *(rate(s.pure_hz, s.pure_err_hz) for s in results.rates.seeds),
        *(bandwidth(s.bandwidth_mb_s) for s in results.streams.rows),
        *(with_error(r.auc.value, r.auc.error) for r in results.performance.rocs),
        *(percent(m.value, m.error) for m in quoted),
        percent(results.jets.closure_max, results.jets.closure_max_err),
        *(with_error(p, e) for p, e in zip(fit.parameters, fit.parameter_errors, strict=True)),
        f"{number(fit.chi2)} / {fit.ndf}",
        *(count(n) for n in (11873, 3321, CROSSINGS, 2419)),
        "Yosys 0.58 synth_xilinx -family xcup",
        "not comparable with HLS reports",
        *results.certificate.digests.values(),
        *results.certificate.tools.values(),
        *results.streams.notes,
        *results.rates.notes,
        results.config.project.targets.part,
        "8 min 32 s",
    ]
    spaced = " ".join(text.split())
    for wanted in numbers:
        assert " ".join(wanted.split()) in spaced


def test_the_page_says_what_the_score_looks_at(page: str, results: Results) -> None:
    text, found = " ".join(Elements(page).text.split()), results.explanations
    assert "less 0, the score of no objects" in text
    assert f"that of one of {found.background_events} zero-bias events" in text
    for event in found.shown:
        assert title_of_event(event).replace("\u202f", " ") in text
    for group in found.groups:
        largest = max(group.objects, key=lambda o: o.size)
        assert " ".join(with_error(largest.size, largest.error).split()) in text


def test_sizes_say_whether_they_are_measured(page: str, results: Results) -> None:
    main, tla = results.streams.rows
    assert (main.size_is_measured, tla.size_is_measured) == (False, True)
    rows = [
        r for r in re.findall(r"<tr>(.*?)</tr>", page) if f"<td>{main.name}</td>" in r or f"<td>{tla.name}</td>" in r
    ]
    streams = [r for r in rows if "/s</td>" in r]
    assert ["assumed" in r for r in streams] == [True, False]
    assert ["measured" in r for r in streams] == [False, True]


def test_an_exact_certificate_is_green(page: str, results: Results) -> None:
    assert '<div class="badge good">VERIFIED: 0 mismatching words of 20\u202f800 at 4 levels</div>' in page
    assert verdict(results).ok


def test_a_failed_certificate_is_red_and_nothing_claims_more(red_page: str) -> None:
    assert '<div class="badge bad">NOT EXACT: 3 mismatching words of 20\u202f800 at 4 levels</div>' in red_page
    assert "verified" not in red_page.lower()
    assert "First divergence, program_vs_rtl: event 4100 (random), output 0, bit 2" in red_page
    assert "DIFFERENT" in red_page


@pytest.mark.parametrize(
    ("fault", "badge"),
    [
        ({"levels": certificate().levels[:3]}, "INCOMPLETE: 0 mismatching words of 15\u202f600 at 3 levels"),
        ({"digests": {"program": "00"}}, "STALE: 0 mismatching words of 20\u202f800 at 4 levels"),
    ],
)
def test_a_missing_level_or_another_program_is_not_green(results: Results, fault: dict, badge: str) -> None:
    found = verdict(changed(results, certificate=certificate().model_copy(update=fault)))
    assert (found.ok, found.title) == (False, badge)
    assert "verified" not in (found.title + found.detail).lower()


def test_a_trigger_and_coverage_are_on_the_page_and_a_trigger_must_be_compared(
    results: Results, drawn: dict[str, Figure]
) -> None:
    project = results.config.project.model_copy(update={"trigger": Trigger()})
    config = results.config.model_copy(update={"project": project})
    without = verdict(changed(results, config=config))
    assert (without.ok, without.detail) == (False, "Not compared: program_vs_trigger.")
    level = certificate().levels[-1].model_copy(update={"name": TRIGGER_LEVEL})
    added = {
        "levels": (*certificate().levels, level),
        "trigger_latency_clocks": 11,
        "coverage": {"saturation": {"hit": 113, "open": 3, "impossible": 4}},
    }
    full = changed(results, config=config, certificate=certificate().model_copy(update=added))
    page = without_plots(full, drawn)
    assert verdict(full).ok
    assert "reference of the trigger = its ports in simulation" in page
    assert "11 clocks = 55" in page
    row = next(row for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL) if "<td>saturation</td>" in row)
    assert re.findall(r">(\d+)<", row) == ["113", "3", "4"]


def test_links_and_streams_are_on_the_page_and_must_be_compared(results: Results, drawn: dict[str, Figure]) -> None:
    asked = {"trigger": Trigger(), "links": Links(), "axis": Axis()}
    project = results.config.project.model_copy(update=asked)
    config = results.config.model_copy(update={"project": project})
    without = verdict(changed(results, config=config))
    missing = "Not compared: program_vs_trigger, program_vs_links, program_vs_axis."
    assert (without.ok, without.detail) == (False, missing)
    level = certificate().levels[-1]
    names = (TRIGGER_LEVEL, LINKS_LEVEL, AXIS_LEVEL)
    added = {
        "levels": (*certificate().levels, *(level.model_copy(update={"name": name}) for name in names)),
        "links": Timing(latency_clocks=17, ii=5),
        "axis": Timing(latency_clocks=13, ii=9),
    }
    full = changed(results, config=config, certificate=certificate().model_copy(update=added))
    page = without_plots(full, drawn)
    assert verdict(full).ok
    assert "reference of the trigger between links = its ports in simulation" in page
    assert "reference of the core between AXI4-Streams = its ports in simulation" in page
    for title, timing in (("latency between links", "17 clocks = 85"), ("latency between streams", "13 clocks = 65")):
        row = next(row for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL) if f"<td>{title}</td>" in row)
        assert timing in row
    assert full.summary()["exactness"].keys() >= set(names)


def test_names_are_escaped(results: Results) -> None:
    hostile = "<script>alert('$x$')</script> & $\\frac"
    seed = results.rates.seeds[0].model_copy(update={"name": hostile})
    stream = results.streams.rows[1].model_copy(update={"name": hostile, "selection": hostile})
    named = results.performance.model_dump_json()
    for name in ("a_to_4l", "HT"):
        assert f'"{name}"' in named
        named = named.replace(f'"{name}"', json.dumps(hostile + name))
    html = render_report(
        changed(
            results,
            rates=results.rates.model_copy(update={"seeds": (seed, *results.rates.seeds[1:])}),
            streams=results.streams.model_copy(update={"rows": (results.streams.rows[0], stream)}),
            performance=Performance.model_validate_json(named),
        )
    )
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#39;$x$&#39;)" in html
    Elements(html)


def test_warnings_name_what_a_reader_must_know(page: str, red_page: str, results: Results) -> None:
    assert "the latency of 45 ns is above its budget of 40 ns" in red_page
    assert "only 12.0 effective background events lie above the threshold" in red_page
    assert "above its budget" not in page
    assert results.rates.exceeds_cap
    assert "above the Level-1 cap of 100 kHz" in page


def test_the_page_depends_on_the_results_alone(results: Results, page: str, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")
    write_report(Results.load(tmp_path / "results.json"), tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == page
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["report.html"]


def test_all_axes_are_labelled_and_say_simulation(drawn: dict[str, Figure]) -> None:
    for name, figure in drawn.items():
        shown = [a for a in figure.axes if a.get_visible() and a.get_label() != "<colorbar>"]
        assert shown, name
        titles = "".join(a.get_title(loc="left") for a in shown)
        assert "simulation" in titles, name
        for axes in shown:
            assert _labelled(figure, axes, "x"), (name, "x")
            assert _labelled(figure, axes, "y"), (name, "y")


def _labelled(figure: Figure, axes: Axes, which: str) -> bool:
    """Whether an axis has a label of its own, of the figure, or of the panel below that shares it."""
    own = getattr(axes, f"get_{which}label")()
    whole = getattr(figure, f"get_sup{which}label")()
    shared = axes.get_shared_x_axes().get_siblings(axes) if which == "x" else []
    return bool(own or whole or any(a.get_xlabel() for a in shared))


def test_units_are_on_the_axes(drawn: dict[str, Figure]) -> None:
    labels = {name: " ".join(t for a in f.axes for t in (a.get_xlabel(), a.get_ylabel())) for name, f in drawn.items()}
    for name, unit in {
        "score_spectrum": "[Hz / bin]",
        "threshold": "[kHz]",
        "menu_rates": "[kHz]",
        "streams": "[kB]",
        "jet_response": "[GeV]",
        "jet_resolution": "[%]",
        "dijet_mass": "[Hz / GeV]",
    }.items():
        assert unit in labels[name], name


def test_drawing_changes_no_global_setting(results: Results) -> None:
    before = dict(matplotlib.rcParams)
    render(PLOTS["training"](results), "svg")
    assert dict(matplotlib.rcParams) == before


def test_no_legend_covers_an_axes(drawn: dict[str, Figure]) -> None:
    for name, figure in drawn.items():
        figure.draw_without_rendering()
        assert all(a.get_legend() is None for a in figure.axes), name
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert not any(box.overlaps(a.get_window_extent()) for a in figure.axes), name


def test_plots_for_talks_are_written(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trigforge.plots.PLOTS", {"training": PLOTS["training"]})
    comparison = results.performance.comparison
    one = comparison.model_copy(update={"signals": comparison.signals[:1]})
    bare = changed(results, performance=results.performance.model_copy(update={"comparison": one}))
    files = save_plots(bare, tmp_path)
    names = ("roc_1", "sculpting", "training", *(f"event_{i}" for i in (1, 2)))
    assert [f.name for f in files] == [f"{name}.{form}" for name in names for form in ("png", "pdf")]
    assert all(f.read_bytes()[:4] in {b"\x89PNG", b"%PDF"} for f in files)


def test_an_svg_keeps_its_names_to_itself() -> None:
    svg = (
        b'<?xml version="1.0"?><!DOCTYPE svg><svg xmlns:xlink="http://x" width="9pt" height="9pt" viewBox="0 0 9 9">'
        b'<metadata><a href="http://y"/></metadata><!-- <b> -->'
        b'<g id="a"><use xlink:href="#a" clip-path="url(#a)"/></g></svg>'
    )
    text = str(inline_svg(svg, "my_plot"))
    assert text.startswith('<svg role="img" aria-label="my plot" viewBox="0 0 9 9">')
    assert '<g id="my_plot-a"><use href="#my_plot-a" clip-path="url(#my_plot-a)"/></g>' in text
    assert "http" not in text
    assert "<!--" not in text
