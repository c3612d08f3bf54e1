"""Seeded toy events in the schema of `trigforge.events`: falling jet spectra, a known jet response."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.events import check_events


def true_response(pt: npt.NDArray[np.float64], eta: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The jet response that the toy detector has: non-linear in pt, worse forward."""
    return 1 - 0.55 / np.log(np.maximum(pt, 5.0)) - 0.03 * np.minimum(np.abs(eta), 4.0) / 2.5


def toy_events(n: int = 20_000, seed: int = 1, slices: int = 4) -> ak.Array:
    """`n` dijet crossings in `slices` of hardness, their weights falling and summing to 1; rho about 20."""
    rng = np.random.default_rng(seed)
    part = np.arange(n) % slices
    top = np.where(part < slices - 1, 3.0**-4, 0.0)
    hardest = 15.0 * 3.0**part * rng.uniform(top, 1, n) ** -0.25
    weight = 3.0 ** (-4.0 * part) * (1 - top)
    weight = weight / weight.sum()
    count = 2 + rng.integers(0, 2, n)
    share = np.where(np.arange(3)[None, :] < 2, 1.0, rng.uniform(0.1, 0.4, (n, 1)))
    pt = hardest[:, None] * share
    eta = rng.uniform(-2.4, 2.4, (n, 3))
    first = rng.uniform(-np.pi, np.pi, n)
    phi = _wrap(first[:, None] + np.array([0.0, np.pi, np.pi / 2]))
    present = np.arange(3)[None, :] < count[:, None]
    n_pu = rng.poisson(35.0, n)
    rho = np.maximum(rng.normal(0.6 * n_pu, 1.5), 0.0)
    area = rng.normal(0.5, 0.02, (n, 3))
    reco = pt * true_response(pt, eta) * rng.normal(1, 0.6 / np.sqrt(pt) + 0.04) + rho[:, None] * area
    hlt = {
        "pt": reco,
        "eta": eta + rng.normal(0, 0.02, (n, 3)),
        "phi": _wrap(phi + rng.normal(0, 0.02, (n, 3))),
    }
    hlt |= {"mass": 0.1 * reco, "area": area}
    level1 = {"pt": np.round(pt * rng.normal(1, 0.2, (n, 3)) * 2) / 2, "eta": eta, "phi": phi}
    single = {
        "pt": rng.exponential(5.0, (n, 1)),
        "eta": rng.uniform(-2.4, 2.4, (n, 1)),
        "phi": first[:, None],
    }
    one = np.ones((n, 1), dtype=bool)
    events = ak.zip(
        {
            "weight": weight,
            "L1MET": ak.zip({"pt": rng.exponential(15.0, n), "eta": np.zeros(n), "phi": first}),
            "L1EG": _jagged(single, one),
            "L1Mu": _jagged({**single, "pt": rng.exponential(2.0, (n, 1))}, one),
            "L1Jet": _jagged(level1, present),
            "HLTJet": _jagged(hlt, present & (reco > 15)),
            "GenJet": _jagged({"pt": pt, "eta": eta, "phi": phi, "mass": 0.1 * pt}, present),
            "rho": rho,
            "nPU": n_pu,
        },
        depth_limit=1,
    )
    return check_events(events, "toy events")


def toy_scores(n: int, seed: int = 2, top: int = 1 << 14) -> npt.NDArray[np.int64]:
    """Integer scores with an exponential tail that saturates at `top`."""
    return np.minimum(np.random.default_rng(seed).exponential(600.0, n), top).astype(np.int64)


def _wrap(phi: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.mod(phi + np.pi, 2 * np.pi) - np.pi


def _jagged(fields: dict[str, npt.NDArray[np.float64]], present: npt.NDArray[np.bool_]) -> ak.Array:
    order = np.argsort(np.where(present, -fields["pt"], np.inf), axis=1)
    kept = np.take_along_axis(present, order, axis=1)
    columns = {name: np.take_along_axis(value, order, axis=1)[kept] for name, value in fields.items()}
    return ak.unflatten(ak.zip(columns), kept.sum(axis=1))
