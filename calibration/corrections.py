"""A jet energy scale as a correctionlib (schema v2) compound, in the form that CMS publishes and coffea reads.

Stack: area, pt' = pt · max(10⁻⁴, 1 - A·ρ/pt) (arXiv:0707.1378), then numerical inversion (EtaJES, arXiv:1703.09665),
a polynomial in ln pt per bin of η, frozen outside the fitted range.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import awkward as ak
import correctionlib
import correctionlib.schemav2 as schema
import numpy as np

from trigforge.calibration.response import ResponseBin
from trigforge.errors import InputError
from trigforge.weighted import FloatArray

AREA_CORRECTION = "trigforge_MC_L1FastJet_AK4HLT"
SCALE_CORRECTION = "trigforge_MC_L2L3_AK4HLT"
COMPOUND = "trigforge_MC_L1L2L3_AK4HLT"
MIN_POINTS = 3
MAX_DEGREE = 4
AREA_FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class EtaCorrection:
    """The factor c(pt) = Σ aₖ lnᵏ pt of one bin of |η|; pt in GeV is held within `pt_low..pt_high`."""

    abs_eta_low: float
    abs_eta_high: float
    coefficients: tuple[float, ...]
    pt_low: float
    pt_high: float

    def __call__(self, pt: FloatArray) -> FloatArray:
        """The factor of area-subtracted transverse momenta in GeV, any shape."""
        log = np.log(np.clip(pt, self.pt_low, self.pt_high))
        return np.asarray(np.polynomial.polynomial.polyval(log, self.coefficients))


def invert_response(bins: tuple[ResponseBin, ...]) -> EtaCorrection:
    """The correction of one |η| bin by numerical inversion: 1/R fitted against R·pt_true (arXiv:1703.09665).

    The degree rises while it lowers χ² by more than 4 a parameter, up to 4 and to the number of bins minus 2.
    """
    if len(bins) < MIN_POINTS:
        where = f"{bins[0].abs_eta_low:g} <= |eta| < {bins[0].abs_eta_high:g}" if bins else "a bin of |eta|"
        raise InputError(
            f"{where} must have at least {MIN_POINTS} bins in pt with enough jets, not {len(bins)}; "
            "simulate more events or use wider bins"
        )
    response = np.array([b.response for b in bins])
    x = np.log(response * np.array([b.pt_mean_gev for b in bins]))
    sigma = np.array([b.response_err for b in bins]) / response**2
    best, best_chi2 = np.array([1.0]), np.inf
    for degree in range(1, min(MAX_DEGREE, len(bins) - 2) + 1):
        fit = np.polynomial.polynomial.polyfit(x, 1 / response, degree, w=1 / sigma)
        chi2 = float(np.sum(((np.polynomial.polynomial.polyval(x, fit) - 1 / response) / sigma) ** 2))
        if chi2 < best_chi2 - 4:
            best, best_chi2 = fit, chi2
    return EtaCorrection(
        abs_eta_low=bins[0].abs_eta_low,
        abs_eta_high=bins[0].abs_eta_high,
        coefficients=tuple(float(a) for a in best),
        pt_low=float(np.exp(x.min())),
        pt_high=float(np.exp(x.max())),
    )


def correction_json(corrections: tuple[EtaCorrection, ...]) -> str:
    """The correction set as schema-v2 JSON; |η| beyond the last bin is held in it."""
    _check_contiguous(corrections)
    area = schema.Correction(
        name=AREA_CORRECTION,
        description="Pile-up subtraction: rho times jet area",
        version=1,
        inputs=[_input("JetA"), _input("JetEta"), _input("JetPt"), _input("Rho")],
        output=_input("correction"),
        data=_formula(f"max({AREA_FLOOR},1-x*z/y)", ["JetA", "JetPt", "Rho"]),
    )
    scale = schema.Correction(
        name=SCALE_CORRECTION,
        description="Numerical inversion of the response to particle level",
        version=1,
        inputs=[_input("JetEta"), _input("JetPt")],
        output=_input("correction"),
        data=_eta_binning(corrections),
    )
    compound = schema.CompoundCorrection(
        name=COMPOUND,
        description="Trigger jets, raw to particle level",
        inputs=[_input("JetA"), _input("JetEta"), _input("JetPt"), _input("Rho")],
        output=_input("correction"),
        inputs_update=["JetPt"],
        input_op="*",
        output_op="*",
        stack=[AREA_CORRECTION, SCALE_CORRECTION],
    )
    whole = schema.CorrectionSet(schema_version=2, corrections=[area, scale], compound_corrections=[compound])
    return str(whole.model_dump_json(exclude_unset=True))


def load_corrections(text: str) -> correctionlib.CorrectionSet:
    """The evaluable correction set of its JSON."""
    try:
        return correctionlib.CorrectionSet.from_string(text)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"a correction set must be correctionlib schema v2: {str(error).splitlines()[0]}") from None


def apply_jes(cset: correctionlib.CorrectionSet, jets: ak.Array, rho: ak.Array) -> ak.Array:
    """Calibrated copies of jagged jets (pt, eta, mass, area in raw scale, n events) with ρ (n,) in GeV per area.

    `pt` and `mass` are scaled by one factor; `pt_raw` holds the raw and `pt_area` the area-subtracted pt. Order is
    kept, input is not changed.
    """
    if COMPOUND not in cset.compound:
        raise InputError(f"a correction set must have the compound {COMPOUND!r}, not {', '.join(cset.compound)}")
    counts = ak.num(jets["pt"], axis=1)
    flat = {f: np.asarray(ak.to_numpy(ak.flatten(jets[f])), dtype=np.float64) for f in ("pt", "eta", "mass", "area")}
    density = np.repeat(np.asarray(ak.to_numpy(rho), dtype=np.float64), ak.to_numpy(counts))
    raw = flat["pt"]
    area = cset[AREA_CORRECTION].evaluate(flat["area"], flat["eta"], raw, density)
    factor = cset.compound[COMPOUND].evaluate(flat["area"], flat["eta"], raw, density)
    new = {"pt": raw * factor, "mass": flat["mass"] * factor, "pt_raw": raw, "pt_area": raw * area}
    calibrated = jets
    for name, values in new.items():
        calibrated = ak.with_field(calibrated, ak.unflatten(values, counts), name)
    return calibrated


def _input(name: str) -> schema.Variable:
    return schema.Variable(name=name, type="real")


def _formula(expression: str, variables: list[str]) -> schema.Formula:
    return schema.Formula(nodetype="formula", expression=expression, parser="TFormula", variables=variables)


def _check_contiguous(corrections: tuple[EtaCorrection, ...]) -> None:
    edges = [(c.abs_eta_low, c.abs_eta_high) for c in corrections]
    if not edges or edges[0][0] != 0 or any(a[1] != b[0] for a, b in pairwise(edges)):
        raise InputError(f"bins of |eta| must be contiguous from 0, not {edges}")


def _eta_binning(corrections: tuple[EtaCorrection, ...]) -> schema.Binning:
    """The bins of |η| mirrored to signed η, as the published corrections have it."""
    highs = [c.abs_eta_high for c in corrections]
    contents = [_formula(_expression(c), ["JetPt"]) for c in corrections]
    return schema.Binning(
        nodetype="binning",
        input="JetEta",
        edges=[-h for h in reversed(highs)] + [0.0] + highs,
        content=list(reversed(contents)) + contents,
        flow="clamp",
    )


def _expression(c: EtaCorrection) -> str:
    log = f"log(min(max(x,{c.pt_low!r}),{c.pt_high!r}))"
    horner = repr(c.coefficients[-1])
    for a in reversed(c.coefficients[:-1]):
        horner = f"({a!r}+{log}*{horner})"
    return horner
