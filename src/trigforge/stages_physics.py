"""The stages from scores to physics: thresholds, rates, jets, streams, search."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from trigforge.calibration.corrections import load_corrections
from trigforge.calibration.jets import JetCalibration, derive_jes
from trigforge.calibration.thresholds import ThresholdRow, scan_thresholds, threshold_for
from trigforge.config import RunConfig
from trigforge.contract import InputContract
from trigforge.fixed import IntArray
from trigforge.models.trained import CONTRACT_FILE
from trigforge.notation import bandwidth, rate, size
from trigforge.pipeline import Run
from trigforge.results import Performance, Spectrum
from trigforge.reuse import interaction_groups
from trigforge.samples import BACKGROUND, Scored, load_program, read_sample, score_samples
from trigforge.stages_compare import compare_run
from trigforge.tla.menu import Menu, decide_others, default_menu
from trigforge.tla.rates import measure_rates
from trigforge.tla.search import SearchOptions, search_dijets
from trigforge.tla.streams import StreamOptions, measure_streams
from trigforge.ui import Update
from trigforge.units import crossing_rate_hz
from trigforge.weighted import FloatArray

SPECTRUM_BINS: Final = 50
TLA_FILE: Final = "tla/tla.root"
CORRECTIONS_FILE: Final = "calibration/jet_energy_scale.json"


def menu_of(config: RunConfig) -> Menu:
    """The menu of a configuration, its anomaly threshold still to be found."""
    return Menu.load(Path(config.rates.menu)) if config.rates.menu else default_menu()


def final_menu(run: Run) -> Menu:
    """The run's menu with the calibrated threshold."""
    menu, row = menu_of(run.config), ThresholdRow.load(run.path("calibration", "threshold.json"))
    return menu.with_thresholds(dict.fromkeys(menu.open_thresholds, row.threshold))


def scored_samples(run: Run) -> Scored:
    """The run's events with the scores of its firmware."""
    return score_samples(run, InputContract.load(run.path("model", CONTRACT_FILE)))


def make_thresholds(run: Run, update: Update) -> str:
    """Find the threshold of the target rate, and what it selects."""
    scored, rates = scored_samples(run), run.config.rates
    update(0.5, "thresholds")
    menu = menu_of(run.config)
    others = decide_others(menu, scored.background, scored.scores)
    groups = interaction_groups(scored.background)
    common: dict[str, Any] = {"colliding_bunches": rates.colliding_bunches, "others": others, "groups": groups}
    digest = load_program(run).digest
    table = scan_thresholds(scored.scores, scored.weights, program_digest=digest, **common)
    row = threshold_for(scored.scores, scored.weights, rates.target_rate_khz, **common)
    table.save(run.path("calibration", "thresholds.json"))
    row.save(run.path("calibration", "threshold.json"))
    update(0.6, "scores and baselines")
    performance = measure_performance(run, scored)
    performance.save(run.path("model", "performance.json"))
    areas = ", ".join(f"AUC({r.name}) {r.auc.value:.3f}" for r in performance.rocs)
    return f"score >= {row.threshold}: {row.rate_khz:.2f} ± {row.rate_err_khz:.2f} kHz; {areas}"


def measure_performance(run: Run, scored: Scored) -> Performance:
    """The firmware's score beside the trainer's and simple triggers on the same events, and its spectra."""
    comparison, fpr, target = compare_run(run, scored, menu_of(run.config))
    return Performance(comparison=comparison, fpr=fpr, target=target, spectra=_spectra(run, scored))


def make_rates(run: Run, update: Update) -> str:
    """Count the menu."""
    scored, menu = scored_samples(run), final_menu(run)
    update(0.7, "menu")
    table = measure_rates(menu, scored.background, scored.scores, run.config.rates.colliding_bunches)
    table.save(run.path("tla", "rates.json"))
    return f"Level-1 menu of {len(table.seeds)} seeds: {table.or_hz / 1e3:.1f} ± {table.or_err_hz / 1e3:.1f} kHz"


def make_jets(run: Run, update: Update) -> str:
    """Derive the jet energy scale on the background."""
    update(0.1, "numerical inversion")
    calibration = derive_jes(read_sample(run, BACKGROUND))
    calibration.save(run.path("calibration", "jets.json"))
    calibration.write_corrections(run.path(*CORRECTIONS_FILE.split("/")))
    closure = f"{100 * calibration.closure_max:.1f} ± {100 * calibration.closure_max_err:.1f} %"
    return f"{calibration.jets_fitted} jets fitted, closure within {closure} on {calibration.jets_tested} others"


def make_streams(run: Run, update: Update) -> str:
    """Write the trigger-level stream and compare it with full events."""
    scored = scored_samples(run)
    update(0.5, "writing the stream")
    options = StreamOptions(colliding_bunches=run.config.rates.colliding_bunches)
    path = run.path(*TLA_FILE.split("/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    corrections = load_corrections(JetCalibration.load(run.path("calibration", "jets.json")).corrections)
    ledger = measure_streams(final_menu(run), scored.background, scored.scores, corrections, path, options)
    ledger.save(run.path("tla", "streams.json"))
    return "; ".join(
        f"{r.name} {rate(r.rate_hz, r.rate_err_hz)} × {size(r.event_bytes)} = {bandwidth(r.bandwidth_mb_s)}"
        for r in ledger.rows
    )


def make_search(run: Run, update: Update) -> str:
    """Fit the dijet mass of the trigger-level stream."""
    scored = scored_samples(run)
    update(0.5, "fit")
    options = SearchOptions(colliding_bunches=run.config.rates.colliding_bunches)
    corrections = load_corrections(JetCalibration.load(run.path("calibration", "jets.json")).corrections)
    fit = search_dijets(final_menu(run), scored.background, scored.scores, corrections, options)
    fit.save(run.path("tla", "dijet.json"))
    w = fit.window
    return (
        f"{fit.function}: chi2/ndf {fit.chi2:.1f}/{fit.ndf}, largest local excess {fit.max_local_significance:.1f} σ "
        f"at {w.low_gev:.0f}-{w.high_gev:.0f} GeV"
    )


def _spectra(run: Run, scored: Scored) -> tuple[Spectrum, ...]:
    top = max(int(scored.scores.max()), *(int(s.max()) for s in scored.signal_scores.values()), 1)
    edges = np.unique(np.rint(np.concatenate([[0], np.geomspace(1, top + 1, SPECTRUM_BINS)]))) - 0.5
    scale = crossing_rate_hz(run.config.rates.colliding_bunches)
    named = [(BACKGROUND, scored.scores, scored.weights * scale)]
    named += [(n, s, np.full(len(s), 1 / len(s))) for n, s in scored.signal_scores.items()]
    return tuple(_spectrum(name, values, weights, edges) for name, values, weights in named)


def _spectrum(name: str, values: IntArray, weights: FloatArray, edges: FloatArray) -> Spectrum:
    contents = np.histogram(values, edges, weights=weights)[0]
    variances = np.histogram(values, edges, weights=weights**2)[0]
    return Spectrum(
        name=name,
        edges=tuple(edges.tolist()),
        contents=tuple(contents.tolist()),
        errors=tuple(np.sqrt(variances).tolist()),
    )
