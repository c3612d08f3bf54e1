"""Substructure of large-radius jets: modified mass-drop grooming and the 16 observables of the public jet-tagging set.

With z = pt / Σ pt over the constituents and R their distance in rapidity and φ, the energy correlation functions are
(arXiv:1305.0007, arXiv:1609.07483; vN is the number of angles, the smallest ones, that enter)

    e2(β) = Σ_{i<j} z_i z_j R_ij^β                    e3(β) = Σ_{i<j<k} z_i z_j z_k (R_ij R_ik R_jk)^β
    1e3(β) = Σ_{i<j<k} z_i z_j z_k min(R)^β           2e3(β) = Σ_{i<j<k} z_i z_j z_k (product of the two smallest R)^β

and the observables of the groomed jet

    C1(β) = e2(β),   C2(β) = e3(β) / e2(β)²          arXiv:1305.0007
    D2(β) = e3(β) / e2(β)³                           arXiv:1409.6298
    D2(α, β) = e3(α) / e2(β)^(3α/β)                  arXiv:1609.07483, as are the next two
    M2(β) = 1e3(β) / e2(β),   N2(β) = 2e3(β) / e2(β)²

`zlogz` = Σ (E_i/E) log(E_i/E) and `multiplicity` are those of the whole jet (arXiv:1709.08705).
"""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numba
import numpy as np
import numpy.typing as npt

from trigforge.events.labelled import FEATURES

Z_CUT: Final = 0.1
"""The softer of two branches must carry this share of pt, or it is groomed away (arXiv:1307.0007, µ → 1)."""
CORRELATORS: Final = ("e2_0", "e2_1", "e2_2", "e3_1", "e3_2", "one_1", "one_2", "two_1", "two_2")

Floats = npt.NDArray[np.float64]


def features(constituents: ak.Array) -> ak.Array:
    """The 16 observables of jets, a record of float32 in the order of `FEATURES`.

    `constituents` holds one list of pt, eta, phi, energy (GeV) a jet. Where fewer than two constituents survive
    grooming, the observables that divide by e2 are NaN.
    """
    counts = ak.to_numpy(ak.num(constituents))
    start = np.concatenate([[0], np.cumsum(counts)])
    flat = ak.flatten(constituents)
    pt, eta, phi, energy = (ak.to_numpy(flat[n]).astype(np.float64) for n in ("pt", "eta", "phi", "energy"))
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    mass, found = _jets(start, px, py, pz, energy)
    share = energy / np.repeat(np.bincount(np.repeat(np.arange(len(counts)), counts), energy, len(counts)), counts)
    zlogz = np.bincount(np.repeat(np.arange(len(counts)), counts), share * np.log(share), len(counts))
    columns = {"zlogz": zlogz, **ratios(found), "mass_mmdt": mass, "multiplicity": counts}
    return ak.zip({name: columns[name].astype(np.float32) for name in FEATURES})


def ratios(found: Floats) -> dict[str, Floats]:
    """The observables of correlators (n, 9) in the order of `CORRELATORS`, NaN where they are 0/0."""
    e = dict(zip(CORRELATORS, found.T, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "c1_b0_mmdt": e["e2_0"],
            "c1_b1_mmdt": e["e2_1"],
            "c1_b2_mmdt": e["e2_2"],
            "c2_b1_mmdt": e["e3_1"] / e["e2_1"] ** 2,
            "c2_b2_mmdt": e["e3_2"] / e["e2_2"] ** 2,
            "d2_b1_mmdt": e["e3_1"] / e["e2_1"] ** 3,
            "d2_b2_mmdt": e["e3_2"] / e["e2_2"] ** 3,
            "d2_a1_b1_mmdt": e["e3_1"] / e["e2_1"] ** 3,
            "d2_a1_b2_mmdt": e["e3_1"] / e["e2_2"] ** 1.5,
            "m2_b1_mmdt": e["one_1"] / e["e2_1"],
            "m2_b2_mmdt": e["one_2"] / e["e2_2"],
            "n2_b1_mmdt": e["two_1"] / e["e2_1"] ** 2,
            "n2_b2_mmdt": e["two_2"] / e["e2_2"] ** 2,
        }


def groomed(px: Floats, py: Floats, pz: Floats, energy: Floats) -> npt.NDArray[np.bool_]:
    """Which constituents of one jet survive the modified mass-drop tagger.

    The jet is clustered anew by Cambridge/Aachen and taken apart, the harder branch followed, until the softer one
    has min(pt1, pt2) / (pt1 + pt2) > 0.1 (arXiv:1307.0007; soft drop with β = 0, arXiv:1402.2657).
    """
    return np.asarray(_groom(px, py, pz, energy))


def correlators(px: Floats, py: Floats, pz: Floats, energy: Floats) -> Floats:
    """The nine energy correlation functions of one set of constituents, in the order of `CORRELATORS`."""
    return np.asarray(_correlators(px, py, pz, energy))


# The kernels are numba's and untyped.
kernel: Any = numba.njit(cache=True, nogil=True)


@kernel
def _jets(start, px, py, pz, energy):  # type: ignore[no-untyped-def]
    """Groomed mass (n,) and correlators (n, 9) of all jets."""
    mass, found = np.zeros(len(start) - 1), np.zeros((len(start) - 1, 9))
    for jet in range(len(start) - 1):
        a, b = start[jet], start[jet + 1]
        keep = _groom(px[a:b], py[a:b], pz[a:b], energy[a:b])
        x, y, z, e = px[a:b][keep], py[a:b][keep], pz[a:b][keep], energy[a:b][keep]
        squared = e.sum() ** 2 - x.sum() ** 2 - y.sum() ** 2 - z.sum() ** 2
        mass[jet] = np.sqrt(max(squared, 0.0))
        found[jet] = _correlators(x, y, z, e)
    return mass, found


@kernel
def _rapidity(energy, pz):  # type: ignore[no-untyped-def]
    return 0.5 * np.log((energy + pz) / (energy - pz))


@kernel
def _distance(y, phi, i, j):  # type: ignore[no-untyped-def]
    """Squared distance of two branches."""
    turn = abs(phi[i] - phi[j])
    turn = min(turn, 2 * np.pi - turn)
    return (y[i] - y[j]) ** 2 + turn**2


@kernel
def _groom(px, py, pz, energy):  # type: ignore[no-untyped-def]
    n = len(px)
    pt, left, right = _tree(px, py, pz, energy)
    node = 2 * n - 2
    while node >= n:
        harder, softer = left[node], right[node]
        if pt[softer] > pt[harder]:
            harder, softer = softer, harder
        if pt[softer] > Z_CUT * (pt[softer] + pt[harder]):
            break
        node = harder
    keep = np.zeros(n, np.bool_)
    below = np.empty(n, np.int64)
    below[0], size = node, 1
    while size > 0:
        size -= 1
        node = below[size]
        if node < n:
            keep[node] = True
        else:
            below[size], below[size + 1] = left[node], right[node]
            size += 2
    return keep


@kernel
def _tree(px, py, pz, energy):  # type: ignore[no-untyped-def]
    """Cambridge/Aachen: pt of the n constituents and the n-1 branches, and the two branches of each."""
    n = len(px)
    p = np.zeros((2 * n - 1, 4))
    p[:n, 0], p[:n, 1], p[:n, 2], p[:n, 3] = px, py, pz, energy
    y, phi = _rapidity(p[:, 3], p[:, 2]), np.arctan2(p[:, 1], p[:, 0])
    left, right = np.zeros(2 * n - 1, np.int64), np.zeros(2 * n - 1, np.int64)
    active = np.arange(n)
    nearest, gap = np.zeros(2 * n - 1, np.int64), np.full(2 * n - 1, np.inf)
    for i in range(n):
        _find_nearest(i, active, y, phi, nearest, gap)
    for new in range(n, 2 * n - 1):
        i = active[np.argmin(gap[active])]
        j = nearest[i]
        left[new], right[new] = i, j
        p[new] = p[i] + p[j]
        y[new], phi[new] = _rapidity(p[new, 3], p[new, 2]), np.arctan2(p[new, 1], p[new, 0])
        active = np.append(active[(active != i) & (active != j)], new)
        _find_nearest(new, active, y, phi, nearest, gap)
        for k in active[:-1]:
            if nearest[k] == i or nearest[k] == j:
                _find_nearest(k, active, y, phi, nearest, gap)
            else:
                there = _distance(y, phi, k, new)
                if there < gap[k]:
                    nearest[k], gap[k] = new, there
    return np.hypot(p[:, 0], p[:, 1]), left, right


@kernel
def _find_nearest(i, active, y, phi, nearest, gap):  # type: ignore[no-untyped-def]
    gap[i] = np.inf
    for j in active:
        if j != i:
            there = _distance(y, phi, i, j)
            if there < gap[i]:
                nearest[i], gap[i] = j, there


@kernel
def _correlators(px, py, pz, energy):  # type: ignore[no-untyped-def]
    n = len(px)
    z = np.hypot(px, py)
    z = z / z.sum()
    y, phi = _rapidity(energy, pz), np.arctan2(py, px)
    r = np.zeros((n, n))
    found = np.zeros(9)
    for i in range(n):
        for j in range(i):
            r[i, j] = np.sqrt(_distance(y, phi, i, j))
            r[j, i] = r[i, j]
            share = z[i] * z[j]
            found[0] += share
            found[1] += share * r[i, j]
            found[2] += share * r[i, j] ** 2
            for k in range(j):
                a, b, c = r[i, j], r[i, k], r[j, k]
                weight = share * z[k]
                every, least, two = a * b * c, min(a, b, c), min(a * b, a * c, b * c)
                found[3] += weight * every
                found[4] += weight * every**2
                found[5] += weight * least
                found[6] += weight * least**2
                found[7] += weight * two
                found[8] += weight * two**2
    return found
