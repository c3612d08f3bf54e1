"""Anti-kT jets by fastjet, of particles and of towers."""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

RADIUS: Final = 0.4

Floats = npt.NDArray[Any]


def anti_kt(pt: Floats, eta: Floats, phi: Floats, energy: Floats, counts: Floats, pt_min: float) -> ak.Array:
    """Jets of radius 0.4 (arXiv:0802.1189) above `pt_min` GeV, hardest first: lists of pt, eta, phi, mass.

    The inputs are flat arrays of constituents, `counts` of which belong to each event; E-scheme recombination.
    """
    import fastjet

    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)  # it would go to stdout; cite arXiv:1111.6097
    p4 = {
        "px": pt * np.cos(phi),
        "py": pt * np.sin(phi),
        "pz": pt * np.sinh(eta),
        "E": energy,
    }
    flat = ak.zip({name: value.astype(np.float64) for name, value in p4.items()}, with_name="Momentum4D")
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
    found = fastjet.ClusterSequence(ak.unflatten(flat, counts), definition).inclusive_jets(min_pt=pt_min)
    number = ak.num(found, axis=1)
    px, py, pz, e = (ak.to_numpy(ak.flatten(found[name])) for name in ("px", "py", "pz", "E"))
    transverse = np.hypot(px, py)
    jets = ak.zip(
        {
            "pt": transverse,
            "eta": np.arcsinh(pz / transverse),
            "phi": np.arctan2(py, px),
            "mass": np.sqrt(np.maximum(e**2 - transverse**2 - pz**2, 0.0)),
        }
    )
    nested = ak.unflatten(jets, number)
    return nested[ak.argsort(nested.pt, ascending=False)]
