"""The trigger-jet energy scale: derived on one half of the events, tested on the other."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import awkward as ak
import correctionlib
import numpy as np
from pydantic import Field

from trigforge.calibration.corrections import (
    AREA_FLOOR,
    EtaCorrection,
    apply_jes,
    correction_json,
    invert_response,
    load_corrections,
)
from trigforge.calibration.matching import JetPairs, match_jets
from trigforge.calibration.response import JetBinning, ResponseBin, measure_response
from trigforge.errors import InputError
from trigforge.value import Value, write_atomic
from trigforge.weighted import FloatArray

CLOSURE_PT_GEV = 30.0
"""Closure is asked for from this true pt on."""

CENTRAL_ABS_ETA = 1.3
"""The reference region of the inter-calibration."""

FIT_SHARE = 0.5
SPLIT_SEED = 0x7A11


class EtaResidual(Value):
    """Mean calibrated response of one |η| bin over that of the reference |η| < 1.3, minus 1."""

    abs_eta_low: float
    abs_eta_high: float
    residual: float
    residual_err: float


class JetCalibration(Value):
    """A jet energy scale with its closure on independent events.

    `corrections` is correctionlib schema-v2 JSON. `closure_max` is the largest |mean response - 1| of the closure
    bins from 30 GeV to the end of the fit with a small enough error, `closure_max_err` the error of that bin;
    `closure_chi2` is of the same `closure_bins`. `residual_max` is the largest |residual| in η.
    """

    corrections: str
    jets_fitted: int = Field(ge=0)
    jets_tested: int = Field(ge=0)
    raw: tuple[ResponseBin, ...]
    closure: tuple[ResponseBin, ...] = Field(min_length=1)
    residuals: tuple[EtaResidual, ...]
    closure_max: float
    closure_max_err: float
    closure_chi2: float
    closure_bins: int
    residual_max: float
    residual_max_err: float

    def correction_set(self) -> correctionlib.CorrectionSet:
        """The evaluable correction set."""
        return load_corrections(self.corrections)

    def write_corrections(self, path: Path) -> None:
        """Write the correctionlib JSON."""
        write_atomic(path, self.corrections + "\n")

    def summary(self) -> dict[str, float]:
        """The entry `calibration` of a run's summary."""
        return {"closure_max": self.closure_max, "residual_max": self.residual_max}


def derive_jes(events: ak.Array, binning: JetBinning | None = None) -> JetCalibration:
    """The energy scale of `HLTJet` from `GenJet`: area, then numerical inversion, then closure on other events.

    The halves are drawn at random with a fixed seed; all crossings of one interaction are in one.
    An |η| bin without three pt bins of enough jets ends the calibrated range; jets beyond it use its last bin.
    """
    bins = binning or JetBinning()
    pairs = match_jets(events, bins.pt_edges_gev[0])
    fit_half = (np.random.default_rng(SPLIT_SEED).random(len(events)) < FIT_SHARE)[pairs.group]
    raw = _measure(pairs[fit_half], _area_subtracted(pairs[fit_half]), bins)
    fitted = _fit(raw)
    corrections = correction_json(fitted)
    tested = pairs[~fit_half]
    calibrated = _calibrated_pt(tested, load_corrections(corrections))
    wider = {
        "abs_eta_edges": (0.0, *(c.abs_eta_high for c in fitted)),
        "min_effective_jets": bins.closure_effective_jets,
    }
    closure = _measure(tested, calibrated, bins.model_copy(update=wider))
    asked = _asked(closure, raw, bins.max_closure_err)
    worst = max(asked, key=lambda b: abs(b.response - 1))
    residuals = _eta_residuals(asked)
    uneven = max(residuals, key=lambda r: abs(r.residual))
    return JetCalibration(
        corrections=corrections,
        jets_fitted=int(np.sum(fit_half & pairs.matched)),
        jets_tested=int(np.sum(tested.matched)),
        raw=raw,
        closure=closure,
        residuals=residuals,
        closure_max=abs(worst.response - 1),
        closure_max_err=worst.response_err,
        closure_chi2=sum(((b.response - 1) / b.response_err) ** 2 for b in asked),
        closure_bins=len(asked),
        residual_max=abs(uneven.residual),
        residual_max_err=uneven.residual_err,
    )


def _area_subtracted(pairs: JetPairs) -> FloatArray:
    return np.asarray(pairs.pt * np.maximum(AREA_FLOOR, 1 - pairs.rho * pairs.area / pairs.pt))


def _calibrated_pt(pairs: JetPairs, cset: correctionlib.CorrectionSet) -> FloatArray:
    """What `apply_jes` makes of the trigger jets of pairs; NaN where there is none."""
    here = pairs[pairs.matched]
    jets = ak.zip({"pt": here.pt, "eta": here.eta, "mass": np.zeros(len(here)), "area": here.area})
    calibrated = np.full(len(pairs), np.nan)
    one_each = ak.unflatten(jets, np.ones(len(here), dtype=np.int64))
    calibrated[pairs.matched] = ak.to_numpy(ak.flatten(apply_jes(cset, one_each, ak.Array(here.rho))["pt"]))
    return calibrated


def _measure(pairs: JetPairs, pt: FloatArray, bins: JetBinning) -> tuple[ResponseBin, ...]:
    eta = np.abs(np.where(pairs.matched, pairs.eta, pairs.eta_true))
    weight = pairs.weight if bins.weighted else np.ones(len(pairs))
    return measure_response(pairs.pt_true, eta, pt / pairs.pt_true, weight, pairs.matched, pairs.group, bins)


def _fit(raw: tuple[ResponseBin, ...]) -> tuple[EtaCorrection, ...]:
    """One correction per |η| bin, from 0 outwards as far as the statistics reach."""
    groups = [tuple(group) for _, group in groupby(raw, key=lambda b: b.abs_eta_low)]
    if not groups or groups[0][0].abs_eta_low > 0:
        raise InputError("the central |eta| bin must have jets to calibrate, not none; simulate more events")
    fitted = [invert_response(groups[0])]
    for group in groups[1:]:
        if group[0].abs_eta_low != fitted[-1].abs_eta_high:
            break
        try:
            fitted.append(invert_response(group))
        except InputError:
            break
    return tuple(fitted)


def _asked(closure: tuple[ResponseBin, ...], raw: tuple[ResponseBin, ...], max_err: float) -> list[ResponseBin]:
    """The bins in which closure is asked for: inside the pt range that was fitted, with a small enough error."""
    top = {b.abs_eta_low: b.pt_high_gev for b in raw}
    asked = [
        b
        for b in closure
        if b.pt_low_gev >= CLOSURE_PT_GEV and b.response_err <= max_err and b.pt_high_gev <= top[b.abs_eta_low]
    ]
    if not asked:
        raise InputError(
            f"closure must have a bin above {CLOSURE_PT_GEV:g} GeV with an error of at most {max_err:g}, "
            "not none; simulate more events"
        )
    return asked


def _eta_residuals(asked: list[ResponseBin]) -> tuple[EtaResidual, ...]:
    """Inverse-variance means over the pt bins of each |η| bin, over that of the reference region."""
    central = _mean([b for b in asked if b.abs_eta_high <= CENTRAL_ABS_ETA] or asked)
    rows = []
    for eta_low, group in groupby(asked, key=lambda b: b.abs_eta_low):
        members = list(group)
        value, error = _mean(members)
        reference_error = 0.0 if members[0].abs_eta_high <= CENTRAL_ABS_ETA else central[1]
        rows.append(
            EtaResidual(
                abs_eta_low=eta_low,
                abs_eta_high=members[0].abs_eta_high,
                residual=value / central[0] - 1,
                residual_err=float(np.hypot(error, reference_error)),
            )
        )
    return tuple(rows)


def _mean(bins: list[ResponseBin]) -> tuple[float, float]:
    weight = np.array([b.response_err**-2 for b in bins])
    return float(np.sum(weight * [b.response for b in bins]) / weight.sum()), float(weight.sum() ** -0.5)
