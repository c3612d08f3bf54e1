"""The top of the report: the verdict on exactness, the headlines, and what a reader must keep in mind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trigforge.calibration.jets import CLOSURE_PT_GEV
from trigforge.hardware import required_levels
from trigforge.notation import GROUP, bandwidth, count, number, percent, rate, size, with_error
from trigforge.results import Results
from trigforge.sim.cosim.certificate import LEVELS

FEW_EVENTS: Final = 100.0
"""Effective events above the threshold below which the reader is told."""

CLOSURE_GOAL: Final = 0.01
UNLIKELY: Final = 0.01
"""p-value of a poor fit."""

STRIKING: Final = 3.0
"""Local significance of an excess in σ that needs a word."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether all levels were compared and agree on every word of the program that the thresholds belong to."""

    ok: bool
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Headline:
    """One number at the top of the page."""

    name: str
    value: str
    detail: str


def verdict(results: Results) -> Verdict:
    """The badge: green only if nothing is missing and nothing differs."""
    certificate = results.certificate
    words = sum(level.words for level in certificate.levels)
    differing = sum(level.mismatches for level in certificate.levels)
    compared = len(certificate.levels)
    required = required_levels(results.config.project, LEVELS)
    missing = [name for name in required if name not in certificate.mismatches()]
    text = f"{count(differing)} mismatching words of {count(words)} at {compared} levels"
    if not certificate.ok:
        first = next(level for level in certificate.levels if level.first is not None)
        return Verdict(False, f"NOT EXACT: {text}", f"First divergence, {first.name}: {first.first}.")
    if missing:
        return Verdict(False, f"INCOMPLETE: {text}", f"Not compared: {', '.join(missing)}.")
    if certificate.digests.get("program") != results.thresholds.program_digest:
        return Verdict(False, f"STALE: {text}", "The thresholds belong to another program than the certificate.")
    kinds = ", ".join(f"{count(n)} {kind}" for kind, n in certificate.vectors.items())
    return Verdict(True, f"VERIFIED: {text}", f"{count(certificate.events)} test vectors: {kinds}.")


def headlines(results: Results) -> tuple[Headline, ...]:
    """The numbers that a reader looks for first."""
    return (*_core_headlines(results), *_trigger_headlines(results), *_offline_headlines(results))


def _core_headlines(results: Results) -> Iterator[Headline]:
    rocs, firmware, resources = results.performance.rocs, results.firmware, results.resources
    yield Headline(
        "Separation",
        "AUC " + (" / ".join(number(r.auc.value) for r in rocs) or "–"),
        "; ".join(f"{r.name} {with_error(r.auc.value, r.auc.error)}" for r in rocs),
    )
    yield Headline(
        "Latency",
        f"{firmware.latency_ns:g}{GROUP}ns",
        f"{firmware.latency_clocks} clocks of {firmware.clock_ns:g}{GROUP}ns, II = {firmware.ii}, "
        f"measured in simulation; budget {firmware.latency_budget_ns:g}{GROUP}ns",
    )
    cells = f"{count(resources.ff)} FF, {count(resources.dsp)} DSP, {count(resources.bram)} BRAM"
    yield Headline("Logic", f"{count(resources.lut)} LUT", f"{cells}; {resources.estimator}")


def _trigger_headlines(results: Results) -> Iterator[Headline]:
    row, streams = results.threshold, results.streams.rows
    pure = ""
    if row.pure_rate_khz is not None:
        pure = f", pure {rate(1e3 * row.pure_rate_khz, 1e3 * (row.pure_rate_err_khz or 0.0))}"
    total = rate(1e3 * row.rate_khz, 1e3 * row.rate_err_khz)
    yield Headline("Anomaly rate", total, f"score ≥ {row.threshold}{pure}")
    menu = rate(results.rates.or_hz, results.rates.or_err_hz)
    yield Headline("Menu", menu, f"OR of {len(results.rates.seeds)} Level-1 seeds")
    yield Headline(
        "Streams",
        " + ".join(bandwidth(s.bandwidth_mb_s) for s in streams),
        "; ".join(f"{s.name}: {rate(s.rate_hz)} × {size(s.event_bytes)}" for s in streams),
    )


def _offline_headlines(results: Results) -> Iterator[Headline]:
    jets, fit = results.jets, results.search
    yield Headline(
        "Jet closure",
        percent(jets.closure_max, jets.closure_max_err),
        f"largest |response − 1| from {CLOSURE_PT_GEV:g}{GROUP}GeV on events not used in the fit; "
        f"χ² of closure {number(jets.closure_chi2)} for {jets.closure_bins} bins",
    )
    yield Headline(
        "Dijet fit",
        f"χ²/ndf = {number(fit.chi2)}/{fit.ndf}",
        f"{fit.function}; largest local excess {fit.max_local_significance:.1f}{GROUP}σ at "
        f"{fit.window.low_gev:g}–{fit.window.high_gev:g}{GROUP}GeV",
    )


def warnings(results: Results) -> tuple[str, ...]:
    """What a reader must keep in mind."""
    return tuple(dict.fromkeys([*_firmware_warnings(results), *results.rates.notes, *_physics_warnings(results)]))


def _firmware_warnings(results: Results) -> Iterator[str]:
    firmware = results.firmware
    if firmware.latency_ns > firmware.latency_budget_ns:
        yield (f"the latency of {firmware.latency_ns:g} ns is above its budget of {firmware.latency_budget_ns:g} ns")


def _physics_warnings(results: Results) -> Iterator[str]:
    row, jets, fit = results.threshold, results.jets, results.search
    if row.effective_events < FEW_EVENTS:
        yield f"only {number(row.effective_events)} effective background events lie above the threshold"
    yield from results.streams.notes
    if jets.closure_max - jets.closure_max_err > CLOSURE_GOAL:
        yield f"the jet energy scale does not close within {100 * CLOSURE_GOAL:g} %"
    if fit.p_value < UNLIKELY:
        yield f"the dijet fit is poor: p = {number(fit.p_value, 2)}"
    if fit.max_local_significance > STRIKING:
        excess = f"an excess of {fit.max_local_significance:.1f} σ (local)"
        yield f"the dijet spectrum has {excess} although no signal was put in"
