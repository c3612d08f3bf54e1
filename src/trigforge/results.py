"""`Results`: everything a run measured, in one value; the summary and the report are made of it alone."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trigforge.calibration.jets import JetCalibration
from trigforge.calibration.thresholds import ThresholdRow, ThresholdTable
from trigforge.config import RunConfig
from trigforge.explain import Explanations
from trigforge.firmware.synthesis import Resources
from trigforge.models.metrics import Comparison, Gain, Measured, Quoted, Refused, Roc, Row, WorkingPoint
from trigforge.models.trained import TrainingRecord
from trigforge.sim.collisions import Sample
from trigforge.sim.cosim.certificate import Certificate
from trigforge.tla.rates import RateTable
from trigforge.tla.search import DijetFit
from trigforge.tla.streams import StreamLedger
from trigforge.value import Value


class Spectrum(Value):
    """A histogram: edges (bins + 1), contents and their statistical errors (bins)."""

    name: str
    edges: tuple[float, ...]
    contents: tuple[float, ...]
    errors: tuple[float, ...]


class Performance(Value):
    """How the firmware's own score separates the signals from background that was not trained on, beside baselines.

    The comparison has the working points `fpr` and `target`, the rate of the calibrated threshold. The first spectrum
    is the background's rate in Hz a bin; the others are signal fractions a bin.
    """

    comparison: Comparison
    fpr: WorkingPoint
    target: WorkingPoint
    spectra: tuple[Spectrum, ...]

    @property
    def rocs(self) -> tuple[Roc, ...]:
        """The score's ROC of every signal."""
        return tuple(self._subject.rocs.values())

    @property
    def tpr_at_fpr(self) -> dict[str, Quoted]:
        """The score's efficiency for every signal at the background efficiency `fpr`."""
        return self._at(self.fpr)

    @property
    def tpr_at_threshold(self) -> dict[str, Quoted]:
        """The score's efficiency for every signal at the calibrated threshold."""
        return self._at(self.target)

    @property
    def _subject(self) -> Row:
        return self.comparison.row(self.comparison.subject)

    def _at(self, point: WorkingPoint) -> dict[str, Quoted]:
        found = {n: self._subject.efficiency(n, point, Gain.PLAIN) for n in self.comparison.signals}
        return {n: e if isinstance(e, Refused) else Measured(value=e.value, error=e.error) for n, e in found.items()}


class FirmwareSummary(Value):
    """Timing of the built design; `latency_clocks` and `ii` are measured in simulation."""

    clock_ns: float
    latency_clocks: int
    ii: int
    latency_budget_ns: float
    emulator_mega_events_per_second: float = Field(ge=0)
    rtl_events_per_second: float = Field(ge=0)

    @property
    def latency_ns(self) -> float:
        """Time from an input word to its output word."""
        return self.latency_clocks * self.clock_ns


class Results(Value):
    """All results of one run; `samples` are those it read."""

    version: str
    config: RunConfig
    samples: dict[str, Sample]
    training: TrainingRecord
    performance: Performance
    explanations: Explanations
    certificate: Certificate
    firmware: FirmwareSummary
    resources: Resources
    thresholds: ThresholdTable
    threshold: ThresholdRow
    rates: RateTable
    streams: StreamLedger
    jets: JetCalibration
    search: DijetFit
    wall_seconds: dict[str, float]

    @property
    def pileup(self) -> float:
        """Mean number of inelastic interactions in a crossing."""
        return next(iter(self.samples.values())).config.pileup

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        performance, firmware, threshold = self.performance, self.firmware, self.threshold
        return {
            "events": {name: sample.events for name, sample in self.samples.items()},
            "model": {
                "name": self.training.recipe,
                "auc": {r.name: r.auc.model_dump() for r in performance.rocs},
                "tpr_at_fpr": {
                    "fpr": performance.fpr.value,
                    **{name: m.model_dump() for name, m in performance.tpr_at_fpr.items()},
                },
                "parameters": self.training.parameters,
                "ebops": self.training.ebops,
            },
            "explanations": self.explanations.summary(),
            "exactness": {"events": self.certificate.events, **self.certificate.mismatches()},
            "firmware": {
                "clock_ns": firmware.clock_ns,
                "latency_clocks": firmware.latency_clocks,
                "latency_ns": firmware.latency_ns,
                "ii": firmware.ii,
                "lut": self.resources.lut,
                "ff": self.resources.ff,
                "dsp": self.resources.dsp,
                "bram": self.resources.bram,
                "estimator": self.resources.estimator,
            },
            "threshold": {
                "score": threshold.threshold,
                "rate_khz": threshold.rate_khz,
                "rate_err_khz": threshold.rate_err_khz,
                "pure_rate_khz": threshold.pure_rate_khz,
                "pure_rate_err_khz": threshold.pure_rate_err_khz,
            },
            "streams": self.streams.summary(),
            "calibration": self.jets.summary(),
            "search": self.search.summary(),
            "wall_seconds": self.wall_seconds,
        }
