"""The tables of the report, all as text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from trigforge.calibration.jets import CLOSURE_PT_GEV
from trigforge.comparison_tables import comparison_tables
from trigforge.notation import GROUP, bandwidth, count, duration, number, percent, rate, size, with_error
from trigforge.results import Results
from trigforge.table import Table
from trigforge.units import crossing_rate_hz

LEVEL_TITLES: Final = {
    "trainer_vs_csim": "trainer = hls4ml C++ simulation",
    "csim_vs_program": "hls4ml C++ simulation = integer program",
    "program_vs_emulator": "integer program = native emulator",
    "program_vs_rtl": "integer program = RTL in simulation",
    "program_vs_trigger": "reference of the trigger = its ports in simulation",
    "program_vs_links": "reference of the trigger between links = its ports in simulation",
    "program_vs_axis": "reference of the core between AXI4-Streams = its ports in simulation",
}
COVERED: Final = ("hit", "open", "impossible")
"""What a bin of coverage is."""
NOT_COMPARABLE: Final = (
    "An estimate after technology mapping, multipliers in logic: not comparable with HLS reports or with counts "
    "after place and route."
)


def tables(results: Results) -> dict[str, Table]:
    """All tables by name."""
    return {
        **comparison_tables(results.performance.comparison),
        "training": _training(results),
        "levels": _levels(results),
        "vectors": _vectors(results),
        "coverage": _coverage(results),
        "firmware": _firmware(results),
        "threshold": _threshold(results),
        "menu": _menu(results),
        "streams": _streams(results),
        "parts": _parts(results),
        "jets": _jets(results),
        "closure": _closure(results),
        "dijet": _dijet(results),
        "events": _events(results),
        "config": Table(("key", "value"), tuple(flatten(results.config.model_dump(mode="json"))), words=2),
        "tools": Table(("tool", "version"), tuple(sorted(results.certificate.tools.items())), words=2),
        "digests": _digests(results),
        "wall": Table(("stage", "wall time"), tuple((n, duration(s)) for n, s in results.wall_seconds.items())),
    }


def _events(results: Results) -> Table:
    rows = []
    for sample in results.samples.values():
        effective = sample.sum_w**2 / sample.sum_w2
        made = f"seed {sample.config.seed}, trigforge {sample.version} {sample.revision[:12]}".rstrip()
        rows.append(
            (sample.title, count(sample.events), count(round(effective)), f"{number(sample.cross_section_pb)} pb", made)
        )
    return Table(("sample", "events", "effective events", "cross section", "made with"), tuple(rows))


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a nested mapping with their dotted keys."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            shown = ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
            yield f"{prefix}{key}", shown or "(default)"


def _training(results: Results) -> Table:
    record, last = results.training, results.training.epochs[-1]
    rows = (
        ("recipe", record.recipe),
        ("network", record.network),
        ("framework", record.framework),
        ("training events", count(record.events)),
        ("parameters", count(record.parameters)),
        ("EBOPs", count(record.ebops)),
        ("final loss (training, validation)", f"{number(last.loss, 4)}, {number(last.validation_loss, 4)}"),
    )
    return Table(("model", ""), rows)


def _levels(results: Results) -> Table:
    rows = (
        (
            LEVEL_TITLES.get(level.name, level.name),
            "equal" if level.ok else "DIFFERENT",
            str(level.first) if level.first else "none",
            count(level.words),
            count(level.mismatches),
        )
        for level in results.certificate.levels
    )
    return Table(("level", "outcome", "first divergence", "words", "mismatching"), tuple(rows), words=3)


def _vectors(results: Results) -> Table:
    certificate = results.certificate
    events = (count(n) for n in (*certificate.vectors.values(), certificate.events))
    return Table(("test vectors", *certificate.vectors, "all"), (("events", *events),))


def _coverage(results: Results) -> Table:
    rows = ((name, *(count(bins[key]) for key in COVERED)) for name, bins in results.certificate.coverage.items())
    return Table(("coverage by the RTL's events", *COVERED), tuple(rows))


def _firmware(results: Results) -> Table:
    r, f, targets = results.resources, results.firmware, results.config.project.targets
    rows = (
        ("device", targets.part),
        ("LUT", count(r.lut)),
        ("flip-flops", count(r.ff)),
        ("DSP", count(r.dsp)),
        ("block RAM", count(r.bram)),
        ("carry chains", count(r.carry)),
        ("latency", f"{f.latency_clocks} clocks = {f.latency_ns:g}{GROUP}ns"),
        *_latency_around(results),
        ("latency budget", f"{f.latency_budget_ns:g}{GROUP}ns"),
        ("initiation interval", f"{f.ii} clock{'s' if f.ii > 1 else ''}"),
        ("clock", f"{f.clock_ns:g}{GROUP}ns ({number(1e3 / f.clock_ns)}{GROUP}MHz)"),
        ("emulator", f"{number(f.emulator_mega_events_per_second)} million events/s"),
        ("RTL simulation", f"{count(round(f.rtl_events_per_second))} events/s"),
    )
    return Table(("firmware", ""), rows)


def _latency_around(results: Results) -> Iterator[tuple[str, str]]:
    """Rows of the latency of what the project has around its core."""
    certificate = results.certificate
    if certificate.trigger_latency_clocks is not None:
        latency = f"{certificate.trigger_latency_clocks} clocks = {certificate.trigger_latency_ns:g}{GROUP}ns"
        yield "latency with the trigger", latency
    for name, timing in (("latency between links", certificate.links), ("latency between streams", certificate.axis)):
        if timing is not None:
            latency = f"{timing.latency_clocks} clocks = {timing.latency_clocks * certificate.clock_ns:g}{GROUP}ns"
            yield name, f"{latency}, II {timing.ii}"


def _threshold(results: Results) -> Table:
    row, table = results.threshold, results.thresholds
    pure = "–" if row.pure_rate_khz is None else rate(1e3 * row.pure_rate_khz, 1e3 * (row.pure_rate_err_khz or 0.0))
    accepted = row.rate_khz * 1e3 / crossing_rate_hz(table.colliding_bunches)
    rows = (
        ("target", f"{results.config.rates.target_rate_khz:g}{GROUP}kHz"),
        ("threshold", f"score ≥ {row.threshold}"),
        ("total rate", rate(1e3 * row.rate_khz, 1e3 * row.rate_err_khz)),
        ("pure rate", pure),
        ("share of crossings", number(accepted)),
        ("effective background events above", number(row.effective_events)),
        ("background crossings scanned", count(table.events)),
        ("colliding bunches", count(table.colliding_bunches)),
    )
    return Table(("working point", ""), rows)


def _menu(results: Results) -> Table:
    table = results.rates
    rows = [
        (
            s.name,
            f"{s.prescale:g}",
            rate(s.raw_hz, s.raw_err_hz),
            rate(s.total_hz, s.total_err_hz),
            rate(s.proportional_hz, s.proportional_err_hz),
            rate(s.pure_hz, s.pure_err_hz),
            number(s.effective_events),
        )
        for s in table.seeds
    ]
    whole = ("OR of the menu", "", "", rate(table.or_hz, table.or_err_hz), "", "", number(table.or_effective_events))
    head = ("seed", "prescale", "before prescale", "total", "proportional", "pure", "effective events")
    return Table(head, (*rows, whole))


def _streams(results: Results) -> Table:
    rows = [
        (
            s.name,
            s.selection,
            rate(s.rate_hz, s.rate_err_hz),
            size(s.event_bytes),
            "measured" if s.size_is_measured else "assumed",
            bandwidth(s.bandwidth_mb_s),
            "–" if s.effective_events is None else number(s.effective_events),
        )
        for s in results.streams.rows
    ]
    whole = ("sum", "", "", "", "", bandwidth(results.streams.bandwidth_mb_s), "")
    head = ("stream", "selection", "rate", "event size", "size is", "bandwidth", "effective events")
    return Table(head, (*rows, whole), words=2)


def _parts(results: Results) -> Table:
    rows = []
    for stream in results.streams.rows:
        total = sum(part.bytes for part in stream.parts)
        rows += [(stream.name, p.name, size(p.bytes), percent(p.bytes / total)) for p in stream.parts if total]
    return Table(("stream", "content", "compressed", "share"), tuple(rows), words=2)


def _jets(results: Results) -> Table:
    jets = results.jets
    rows = []
    for (low, high), group in groupby(jets.closure, key=lambda b: (b.abs_eta_low, b.abs_eta_high)):
        members = [b for b in group if b.pt_low_gev >= CLOSURE_PT_GEV]
        uneven = next((r for r in jets.residuals if r.abs_eta_low == low), None)
        if members:
            worst = max(members, key=lambda b: abs(b.response - 1) / b.response_err)
            rows.append(
                (
                    _span(low, high),
                    count(len(members)),
                    _closure_text(worst.response, worst.response_err),
                    _span(worst.pt_low_gev, worst.pt_high_gev),
                    f"({with_error(100 * uneven.residual, 100 * uneven.residual_err)}){GROUP}%" if uneven else "–",
                )
            )
    head = ("|η|", f"bins from {CLOSURE_PT_GEV:g} GeV", "least compatible closure", "its pT [GeV]", "η residual")
    return Table(head, tuple(rows))


def _closure(results: Results) -> Table:
    rows = (
        (
            _span(b.abs_eta_low, b.abs_eta_high),
            _span(b.pt_low_gev, b.pt_high_gev),
            with_error(b.response, b.response_err),
            _closure_text(b.response, b.response_err),
            f"{(b.response - 1) / b.response_err:+.1f}".replace("-", "−"),
            percent(b.resolution),
            number(b.effective_jets),
        )
        for b in results.jets.closure
    )
    head = ("|η|", "true pT [GeV]", "response", "response − 1", "pull [σ]", "resolution", "effective jets")
    return Table(head, tuple(rows), words=2)


def _span(low: float, high: float) -> str:
    """A range that stays on one line."""
    return f"{low:g}\u00a0–\u00a0{high:g}"


def _closure_text(response: float, error: float) -> str:
    return f"({with_error(100 * (response - 1), 100 * error)}){GROUP}%"


def _dijet(results: Results) -> Table:
    fit, w = results.search, results.search.window
    parameters = zip(fit.parameters, fit.parameter_errors, strict=True)
    rows = (
        ("function", fit.function),
        *((f"p{i}", with_error(p, e)) for i, (p, e) in enumerate(parameters, start=1)),
        ("χ² (−2 ln λ) / ndf", f"{number(fit.chi2)} / {fit.ndf}"),
        ("p-value of the fit", number(fit.p_value, 2)),
        ("F-test p-values", ", ".join(number(p, 2) for p in fit.f_test) or "not needed"),
        ("mass range", f"{_span(fit.edges_gev[0], fit.edges_gev[-1])}{GROUP}GeV, {len(fit.contents)} bins"),
        ("effective events", number(fit.effective_events)),
        ("most significant window", f"{_span(w.low_gev, w.high_gev)}{GROUP}GeV"),
        ("observed in it", rate(w.observed)),
        ("expected in it", rate(w.expected, w.expected_err)),
        ("local significance", f"{fit.max_local_significance:.2f}{GROUP}σ"),
    )
    return Table(("search", ""), rows)


def _digests(results: Results) -> Table:
    named = {
        **results.certificate.digests,
        "configuration": results.config.digest,
        "program of the thresholds": results.thresholds.program_digest,
    }
    return Table(("what", "SHA-256"), tuple(named.items()), words=2)
