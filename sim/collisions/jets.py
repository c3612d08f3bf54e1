"""Anti-kT jets by fastjet of particles, towers and tracks: clustering and areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numba
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI, TOWER_ETA, TOWER_PHI

RADIUS: Final = 0.4

Numbers = npt.NDArray[Any]
# The kernels are numba's and untyped.
kernel: Any = numba.njit(cache=True, nogil=True)


@dataclass(frozen=True, slots=True)
class Jets:
    """Flat jets of n events, hardest first in each; `counts` (n) of them in each. GeV and rad, φ in [-π, π]."""

    counts: Numbers
    pt: Numbers
    eta: Numbers
    phi: Numbers
    mass: Numbers

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> Jets:
        owner = np.repeat(np.arange(len(self.counts)), self.counts)
        counts = np.bincount(owner[chosen], minlength=len(self.counts))
        return Jets(counts, self.pt[chosen], self.eta[chosen], self.phi[chosen], self.mass[chosen])

    def lists(self, **more: Numbers) -> ak.Array:
        """Lists of records pt, eta, phi, mass and `more`, in float32."""
        columns = {"pt": self.pt, "eta": self.eta, "phi": self.phi, "mass": self.mass, **more}
        return ak.unflatten(ak.zip({name: values.astype(np.float32) for name, values in columns.items()}), self.counts)


def no_jets(count: int) -> Jets:
    """`count` events without jets."""
    none = np.zeros(0)
    return Jets(np.zeros(count, np.int64), none, none, none, none)


def anti_kt(pt: Numbers, eta: Numbers, phi: Numbers, energy: Numbers, counts: Numbers, pt_min: float) -> Jets:
    """Jets of radius 0.4 (arXiv:0802.1189) above `pt_min` GeV.

    The inputs are flat arrays of constituents, `counts` of which belong to each event; E-scheme recombination.
    """
    import fastjet

    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)  # it would go to stdout; cite arXiv:1111.6097
    pt = pt.astype(np.float64)
    p4 = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "E": energy.astype(np.float64)}
    events = ak.unflatten(ak.zip(p4, with_name="Momentum4D"), counts)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
    found = fastjet.ClusterSequence(events, definition).inclusive_jets(min_pt=pt_min)
    number = ak.to_numpy(ak.num(found, axis=1))
    px, py, pz, e = (ak.to_numpy(ak.flatten(found[name])) for name in ("px", "py", "pz", "E"))
    transverse = np.hypot(px, py)
    order = np.lexsort((-transverse, np.repeat(np.arange(len(number)), number)))
    eta = np.arcsinh(pz / transverse)
    mass = np.sqrt(np.maximum(e**2 - transverse**2 - pz**2, 0.0))
    return Jets(number, transverse[order], eta[order], np.arctan2(py, px)[order], mass[order])


def areas(jets: Jets) -> npt.NDArray[np.float64]:
    """Area of each jet: the tower centres that it would catch as ghosts of no energy (arXiv:0802.1188).

    Those are the ones within 0.4 to which no other jet is nearer in units of 1/pt.
    """
    return np.asarray(_areas(np.concatenate([[0], np.cumsum(jets.counts)]), jets.pt, jets.eta, jets.phi))


@kernel
def _areas(start, pt, eta, phi):  # type: ignore[no-untyped-def]
    area = np.zeros(len(pt))
    best = np.full((N_ETA, N_PHI), -1)
    distance = np.full((N_ETA, N_PHI), np.inf)
    reach = int(np.ceil(RADIUS / TOWER_ETA))
    for event in range(len(start) - 1):
        distance[:] = np.inf
        for jet in range(start[event], start[event + 1]):
            middle = int(np.floor(eta[jet] / TOWER_ETA)) + ETA_HALF
            column = int(np.floor(phi[jet] / TOWER_PHI))
            for row in range(max(middle - reach, 0), min(middle + reach + 1, N_ETA)):
                for near in range(column - reach, column + reach + 1):
                    along = (row - ETA_HALF + 0.5) * TOWER_ETA - eta[jet]
                    square = along**2 + ((near + 0.5) * TOWER_PHI - phi[jet]) ** 2
                    if square < RADIUS**2 and square / pt[jet] ** 2 < distance[row, near % N_PHI]:
                        distance[row, near % N_PHI] = square / pt[jet] ** 2
                        best[row, near % N_PHI] = jet
        for row in range(N_ETA):
            for near in range(N_PHI):
                if distance[row, near] < np.inf:
                    area[best[row, near]] += TOWER_ETA * TOWER_PHI
    return area
