"""The chain of stages of `trigforge run`, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from trigforge import __version__, stages_firmware, stages_physics
from trigforge.calibration.jets import JetCalibration
from trigforge.calibration.thresholds import ThresholdRow, ThresholdTable
from trigforge.config import RunConfig
from trigforge.explain import Explanations
from trigforge.firmware.synthesis import Resources
from trigforge.models.recipe import find_recipe
from trigforge.models.trained import RECORD_FILE, TrainingRecord
from trigforge.pipeline import Run, Stage, read_records
from trigforge.results import FirmwareSummary, Performance, Results
from trigforge.samples import run_samples
from trigforge.sim.cosim import Certificate
from trigforge.stages_explain import EXPLANATIONS_FILE, make_explanations
from trigforge.stages_physics import CORRECTIONS_FILE, TLA_FILE
from trigforge.tla.rates import RateTable
from trigforge.tla.search import DijetFit
from trigforge.tla.streams import StreamLedger
from trigforge.ui import Update
from trigforge.value import write_atomic


def collect(run: Run) -> Results:
    """Read the results of all stages but the report."""
    records = read_records(run, STAGES)
    return Results(
        version=__version__,
        config=run.config,
        samples=run_samples(run),
        training=TrainingRecord.load(run.path("model", RECORD_FILE)),
        performance=Performance.load(run.path("model", "performance.json")),
        explanations=Explanations.load(run.path(*EXPLANATIONS_FILE.split("/"))),
        certificate=Certificate.load(run.path("firmware", "certificate.json")),
        firmware=FirmwareSummary.load(run.path("firmware", "timing.json")),
        resources=Resources.load(run.path("firmware", "resources.json")),
        thresholds=ThresholdTable.load(run.path("calibration", "thresholds.json")),
        threshold=ThresholdRow.load(run.path("calibration", "threshold.json")),
        rates=RateTable.load(run.path("tla", "rates.json")),
        streams=StreamLedger.load(run.path("tla", "streams.json")),
        jets=JetCalibration.load(run.path("calibration", "jets.json")),
        search=DijetFit.load(run.path("tla", "dijet.json")),
        wall_seconds={name: record.wall_seconds for name, record in records.items()},
    )


def make_report(run: Run, update: Update) -> str:
    """Write `results.json`, `summary.json`, `report.html` and the plots for talks."""
    from trigforge.plots import save_plots
    from trigforge.report import write_report

    results = collect(run)
    results.save(run.path("results.json"))
    write_atomic(run.path("summary.json"), json.dumps(results.summary(), indent=1) + "\n")
    update(0.2, "plots")
    write_report(results, run.path("report.html"))
    update(0.6, "plots for talks")
    save_plots(results, run.path("plots"))
    return f"{run.path('summary.json')}, {run.path('report.html')}"


def _collisions(config: RunConfig) -> str:
    return "" if config.collisions is None else config.collisions.model_copy(update={"jobs": 0}).digest


def _recipe(config: RunConfig) -> str:
    return find_recipe(config.project.recipe).digest


def _targets(config: RunConfig) -> str:
    return config.project.name + config.project.targets.digest


def _verification(config: RunConfig) -> str:
    return config.project.verification.digest


def _rates(config: RunConfig) -> str:
    menu = stages_physics.menu_of(config)
    return config.rates.digest + menu.digest


def _nothing(config: RunConfig) -> str:  # noqa: ARG001
    return ""


_ALL = (
    Stage(
        "events",
        (),
        (),
        _collisions,
        stages_firmware.make_events,
        state=stages_firmware.samples_state,
        intact=stages_firmware.samples_are_there,
    ),
    Stage("float", ("events",), (f"model/float/{RECORD_FILE}",), _recipe, stages_firmware.make_twin),
    Stage("model", ("float",), (f"model/{RECORD_FILE}",), _recipe, stages_firmware.make_model),
    Stage(
        "program",
        ("model",),
        ("firmware/program.json.gz", "firmware/conversion.json"),
        _targets,
        stages_firmware.make_program,
        intact=stages_firmware.hls_is_intact,
    ),
    Stage("rtl", ("program",), (), _targets, stages_firmware.make_rtl, intact=stages_firmware.rtl_is_intact),
    Stage(
        "verify",
        ("rtl",),
        ("firmware/certificate.json", "firmware/timing.json"),
        _verification,
        stages_firmware.make_certificate,
        state=stages_firmware.rtl_state,
    ),
    Stage("estimate", ("rtl",), ("firmware/resources.json",), _nothing, stages_firmware.make_estimate),
    Stage(
        "thresholds",
        ("program",),
        ("calibration/thresholds.json", "calibration/threshold.json", "model/performance.json"),
        _rates,
        stages_physics.make_thresholds,
    ),
    Stage("explain", ("thresholds",), (EXPLANATIONS_FILE,), _nothing, make_explanations),
    Stage("rates", ("thresholds",), ("tla/rates.json",), _nothing, stages_physics.make_rates),
    Stage("jets", ("events",), ("calibration/jets.json", CORRECTIONS_FILE), _nothing, stages_physics.make_jets),
    Stage("streams", ("rates", "jets"), ("tla/streams.json", TLA_FILE), _nothing, stages_physics.make_streams),
    Stage("search", ("rates", "jets"), ("tla/dijet.json",), _nothing, stages_physics.make_search),
    Stage(
        "report",
        ("verify", "estimate", "thresholds", "explain", "rates", "streams", "search"),
        ("results.json", "summary.json", "report.html"),
        _nothing,
        make_report,
    ),
)
STAGES: Mapping[str, Stage] = MappingProxyType({stage.name: stage for stage in _ALL})
"""Every stage by name; each stands after those it needs."""
