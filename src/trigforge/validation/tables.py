"""The tables of docs/simulation.md, written between markers from a `Validation`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from trigforge.errors import InputError
from trigforge.notation import count, number, percent, rate, with_error
from trigforge.sim.collisions.dataset import Sample
from trigforge.sim.collisions.validation import PileUpPoint, Point
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, crossing_rate_hz
from trigforge.validation.public import (
    CMS_CHARGED_DENSITY,
    CMS_CHARGED_DENSITY_ERROR,
    CMS_JETS_ERROR_PB_GEV,
    CMS_JETS_PB_GEV,
    CMS_OFFLINE_RESOLUTION,
    CMS_PILE_UP,
    CMS_PILE_UP_MEAN,
    CROSS_SECTIONS_NB,
    INELASTIC_MB,
    PUBLIC_PILE_UP,
)
from trigforge.validation.values import Closure, JetLevel, SeedRate, Validation

MARK: Final = "<!-- table {} -->"
END: Final = "<!-- end -->"
POORLY_KNOWN: Final = 10.0
"""Effective events below which the error of a rate is itself not known."""


def tables(result: Validation) -> dict[str, str]:
    """Markdown tables by the name of their marker."""
    return {
        "samples": samples_table(result),
        "generator": generator_table(result),
        "slopes": slopes_table(result),
        "pileup": pile_up_table(result.pileup),
        "jets": jets_table(result.jets),
        "rates": rates_table(result),
        "weights": weights_table(result.closures),
        "statistics": statistics_table(result),
    }


def fill(document: str, result: Validation) -> str:
    """`document` with each table between `<!-- table NAME -->` and `<!-- end -->` replaced by that of `result`."""
    for name, table in tables(result).items():
        opening = MARK.format(name)
        pattern = re.compile(re.escape(opening) + r"\n.*?" + re.escape(END), re.DOTALL)
        if not pattern.search(document):
            raise InputError(f"the document must have the lines {opening!r} and {END!r}; they are missing")
        document = pattern.sub(lambda _, text=f"{opening}\n{table}{END}": text, document)  # type: ignore[misc]
    return document


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def samples_table(result: Validation) -> str:
    """What was measured on."""
    rows = [
        [
            f"`{sample.name}`, µ = {sample.config.pileup:g}",
            count(sample.events),
            with_error(sample.sum_w, math.sqrt(sample.sum_w2)),
            _library(sample),
            str(sample.config.seed),
            f"`{sample.revision[:10]}`" if sample.revision else "–",
        ]
        for sample in (result.enhanced, result.natural, result.reference)
    ]
    return _table(["sample", "crossings", "Σw", "soft + hard + rare interactions", "seed", "commit"], rows)


def _library(sample: Sample) -> str:
    config = sample.config
    parts = count(config.soft_interactions), count(config.hard_interactions), count(config.rare_interactions)
    return "{} + {} + 4 × {}".format(*parts)


def generator_table(result: Validation) -> str:
    """Pythia against measurements."""
    facts = result.generator
    density = facts.density
    ours, error = _mean(density[0:2])
    known, known_error = sum(CMS_CHARGED_DENSITY[:2]) / 2, sum(CMS_CHARGED_DENSITY_ERROR[:2]) / 2
    rows = [
        _compared("dN/dη, charged hadrons, |η| < 0.4, 13 TeV", (ours, error), (known, known_error), "arXiv:1507.05915"),
        _compared("σ inelastic, 13 TeV [mb]", (facts.inelastic_mb, 0.0), INELASTIC_MB, "arXiv:1606.02625"),
    ]
    for section in facts.cross_sections:
        value, uncertainty, source = CROSS_SECTIONS_NB[section.name]
        rows.append(_compared(f"σ {section.name} [nb]", (section.nb, section.error_nb), (value, uncertainty), source))
    for place in (0, 3, 6, 9):
        jets = facts.jets[place]
        known_jets = (CMS_JETS_PB_GEV[place], CMS_JETS_ERROR_PB_GEV[place])
        name = f"d²σ/dpT dy, jets of {jets.low:g}–{jets.high:g} GeV, \\|y\\| < 1 [pb/GeV]"
        rows.append(_compared(name, (jets.value, jets.error), known_jets, "arXiv:2111.10431"))
    span = f"jets of {facts.jets[0].low:g}–{facts.jets[-1].high:g} GeV, mean of the ratios"
    rows.append([span, "", "", with_error(*_mean_ratio(facts.jets)), "arXiv:2111.10431"])
    head = ["quantity", "Pythia 8", "measured", "ratio", "source"]
    return _table(head, [[cell.replace("|η|", "\\|η\\|") for cell in row] for row in rows])


def _compared(name: str, ours: tuple[float, float], known: tuple[float, float], source: str) -> list[str]:
    ratio = ours[0] / known[0]
    error = ratio * math.hypot(ours[1] / ours[0], known[1] / known[0]) if ours[0] else 0.0
    return [name, with_error(*ours), with_error(*known), with_error(ratio, error), source]


def _mean(points: Sequence[Point]) -> tuple[float, float]:
    values = [point.value for point in points]
    return sum(values) / len(values), max(point.error for point in points)


def _mean_ratio(jets: Sequence[Point]) -> tuple[float, float]:
    """The plain mean of the ratios to the measured spectrum; its error includes that of the measured scale."""
    ratios = [(p.value / known, p.error / known) for p, known in zip(jets, CMS_JETS_PB_GEV, strict=True)]
    mean = sum(ratio for ratio, _ in ratios) / len(ratios)
    scale = mean * CMS_JETS_ERROR_PB_GEV[0] / CMS_JETS_PB_GEV[0]
    return mean, math.hypot(math.hypot(*(error for _, error in ratios)) / len(ratios), scale)


def slope(points: Sequence[Point]) -> tuple[float, float]:
    """The power n and its error of the line of least squares log y = c - n log x through the points, y > 0."""
    used = [point for point in points if point.value > 0 and point.error > 0]
    x = [math.log(math.sqrt(p.low * p.high)) for p in used]
    y = [math.log(p.value) for p in used]
    w = [(p.value / p.error) ** 2 for p in used]
    total, mean = sum(w), sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
    spread = sum(a * (b - mean) ** 2 for a, b in zip(w, x, strict=True))
    centre = sum(a * b for a, b in zip(w, y, strict=True)) / total
    moment = sum(a * (b - mean) * (c - centre) for a, b, c in zip(w, x, y, strict=True))
    return -moment / spread, 1 / math.sqrt(spread)


def slopes_table(result: Validation) -> str:
    """Powers of falling spectra: ours and public ones."""
    facts = result.generator
    known = tuple(
        Point(low=p.low, high=p.high, value=v, error=e)
        for p, v, e in zip(facts.jets, CMS_JETS_PB_GEV, CMS_JETS_ERROR_PB_GEV, strict=True)
    )
    rows = []
    for low, high in ((0, 5), (5, 12)):
        name = f"particle jets, {facts.jets[low].low:g}–{facts.jets[high - 1].high:g} GeV, dσ/dpT ∝ pT⁻ⁿ"
        rows.append([name, with_error(*slope(facts.jets[low:high])), with_error(*slope(known[low:high]))])
    seeds = {seed.name: seed for seed in result.seeds}
    for first, last in (
        ("L1_SingleJet90", "L1_SingleJet180"),
        ("L1_SingleMu7", "L1_SingleMu22"),
        ("L1_SingleEG15er2p5", "L1_SingleEG36er2p5"),
        ("L1_SingleEG36er2p5", "L1_SingleEG45er2p5"),
        ("L1_HTT360er", "L1_HTT450er"),
    ):
        a, b = seeds[first], seeds[last]
        name = f"rate from {first} to {last}, R(pT > x) ∝ x⁻ⁿ"
        cells = [_power(a, b, "reference_hz"), _power(a, b, "public_hz")]
        rows.append([name, *cells])
    return _table(["spectrum", "n, ours", "n, public"], rows)


def _power(first: SeedRate, last: SeedRate, which: str) -> str:
    (a, da), (b, db) = getattr(first, which), getattr(last, which)
    if a <= 0 or b <= 0:
        return "–"
    length = math.log(last.threshold_gev / first.threshold_gev)
    return with_error(math.log(a / b) / length, math.hypot(da / a, db / b) / length)


def pile_up_table(points: Sequence[PileUpPoint]) -> str:
    """Means against pile-up."""
    names = ("jets", "egs", "muons", "lit_regions", "region_gev", "met_gev", "rho", "rho_offline", "vertices")
    head = ["µ", "L1 jets", "L1 e/γ", "L1 muons", "lit regions", "Σ regions [GeV]", "L1 MET [GeV]", "ρ HLT [GeV]"]
    head += ["ρ offline [GeV]", "N_PV"]
    rows = [[f"{p.pileup:g}", *(with_error(*getattr(p, name)) for name in names)] for p in points]
    near = min(points, key=lambda p: abs(p.pileup - CMS_PILE_UP_MEAN))
    slopes = {name: getattr(near, name)[0] / near.pileup for name in CMS_PILE_UP}
    ours = ", ".join(f"{_LABEL[name]} {number(value, 2)}" for name, value in slopes.items())
    theirs = ", ".join(f"{_LABEL[name]} {number(value, 2)}" for name, value in CMS_PILE_UP.items())
    return (
        _table(head, rows)
        + f"\nPer interaction at µ = {near.pileup:g}: {ours}; CMS simulation at {CMS_PILE_UP_MEAN:g}: {theirs}.\n"
    )


_LABEL: Final = {"rho": "ρ", "rho_offline": "ρ neutral", "vertices": "N_PV"}


def jets_table(levels: Sequence[JetLevel]) -> str:
    """Response and resolution of central jets at a few pt, and the turn-on."""
    head = ["true pT, \\|η\\| < 1.3"]
    head += [f"{level.name} {what}" for level in levels for what in ("response", "σ/mean")] + ["CMS offline σ/mean"]
    rows = []
    for pt, known in CMS_OFFLINE_RESOLUTION.items():
        found = [
            next((b for b in level.bins if b.abs_eta_low == 0 and b.pt_low_gev <= pt < b.pt_high_gev), None)
            for level in levels
        ]
        cells = []
        for b in found:
            error = b.resolution / math.sqrt(2 * b.effective_jets) if b else 0.0
            cells += [with_error(b.response, b.response_err), percent(b.resolution, error)] if b else ["–", "–"]
        rows.append([f"bin of {pt:g} GeV", *cells, percent(known)])
    halves = "; ".join(
        f"{level.name} {number(level.turn_on.half_gev) + ' GeV' if level.turn_on.half_gev else '–'}" for level in levels
    )
    return _table(head, rows) + f"\nTrue pT at which half of the jets pass 60 GeV, |η| < 2.5: {halves}.\n"


def rates_table(result: Validation) -> str:
    """Ours, public and ratio of every seed."""
    head = ["seed", f"ours, µ = {result.enhanced.config.pileup:g}", f"ours, µ = {PUBLIC_PILE_UP:g}"]
    head += [f"public, µ = {PUBLIC_PILE_UP:g}", "ours / public"]
    rows = [
        [
            f"`{s.name}`",
            rate(*s.hz),
            rate(*s.reference_hz) + (" †" if s.reference_effective_events < POORLY_KNOWN else ""),
            rate(*s.public_hz),
            with_error(*s.ratio),
        ]
        for s in result.seeds
    ]
    return _table(head, rows) + f"\n† fewer than {POORLY_KNOWN:g} effective events: the error is not known either.\n"


def weights_table(closures: Sequence[Closure]) -> str:
    """Enhanced against natural sample."""
    rows = [[c.name.replace("|", "\\|"), f"{number(c.chi2)} / {c.ndf}"] for c in closures]
    return _table(["distribution", "χ² / bins"], rows)


def statistics_table(result: Validation) -> str:
    """The relative error of the rate at which each single-object curve passes powers of ten."""
    targets = (1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1.0)
    head = ["object", *(f"{_short(hz)}" for hz in targets)]
    rows = []
    for curve in result.curves:
        cells = []
        for hz in targets:
            near = min(curve.points, key=lambda p: abs(math.log(max(p.hz, 1e-9) / hz)))
            far = abs(math.log(max(near.hz, 1e-9) / hz)) > math.log(3)
            cells.append(
                "–" if far else f"{percent(near.error_hz / near.hz).replace(' ', '')} at {near.threshold_gev:g} GeV"
            )
        rows.append([curve.name.replace("|", "\\|"), *cells])
    crossing = crossing_rate_hz(DEFAULT_COLLIDING_BUNCHES)
    return _table(head, rows) + f"\nAll crossings: {_short(crossing)}.\n"


def _short(hz: float) -> str:
    return rate(hz)
