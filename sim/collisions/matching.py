"""Which true jet a reconstructed jet is."""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numba
import numpy as np
import numpy.typing as npt

MATCH_RADIUS: Final = 0.4

Numbers = npt.NDArray[Any]
# The kernel is numba's and untyped.
kernel: Any = numba.njit(cache=True, nogil=True)


def match_jets(jets: ak.Array, gen_jets: ak.Array) -> ak.Array:
    """`genJetIdx` of each jet: int16 lists of the place of its true jet in `gen_jets`, -1 without.

    A jet claims the nearest true jet within ΔR < 0.4; one that several jets claim goes to the hardest of them, and
    the others get none, as there is no second choice.
    """
    counts, gen_counts = (ak.to_numpy(ak.num(lists)) for lists in (jets, gen_jets))
    columns = [
        ak.to_numpy(ak.flatten(lists[name])).astype(np.float64)
        for lists, names in ((jets, ("pt", "eta", "phi")), (gen_jets, ("eta", "phi")))
        for name in names
    ]
    return ak.unflatten(_match(_starts(counts), *columns[:3], _starts(gen_counts), *columns[3:]), counts)


def _starts(counts: Numbers) -> Numbers:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@kernel
def _match(start, pt, eta, phi, gen_start, gen_eta, gen_phi):  # type: ignore[no-untyped-def]
    match = np.full(len(pt), -1, np.int16)
    for event in range(len(start) - 1):
        first = gen_start[event]
        owner = np.full(gen_start[event + 1] - first, -1)
        for jet in range(start[event], start[event + 1]):
            nearest, best = MATCH_RADIUS**2, -1
            for gen in range(len(owner)):
                across = abs(phi[jet] - gen_phi[first + gen]) % (2 * np.pi)
                across = min(across, 2 * np.pi - across)
                square = (eta[jet] - gen_eta[first + gen]) ** 2 + across**2
                if square < nearest:
                    nearest, best = square, gen
            if best >= 0 and (owner[best] < 0 or pt[jet] > pt[owner[best]]):
                if owner[best] >= 0:
                    match[owner[best]] = -1
                match[jet], owner[best] = best, jet
    return match
