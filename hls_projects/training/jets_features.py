"""Contract, training and test vectors of `jets_qkeras` from the frozen labelled jets.

Run first, in trigforge's environment: `python hls_projects/training/jets_features.py FEATURES.npz`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.contract import Collection, Field, InputContract
from trigforge.events.labelled import FEATURES, read_jets
from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.sim.collisions.frozen import FROZEN
from trigforge.sim.cosim import make_vectors

PROJECT = Path(__file__).parents[1] / "jets_qkeras"
INPUT = FixedType(signed=True, width=10, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
HELD_OUT = 0.2
SEED = 1


def feature_field(name: str, values: npt.NDArray[np.float64]) -> Field:
    """A 14-bit word of a substructure observable, its step a power of two between 1/128 and 1/64 of its spread."""
    lsb = 2.0 ** (np.floor(np.log2(values.std())) - 6)
    unit = "GeV" if name.startswith("mass") else ""
    return Field(name=name, unit=unit, lsb=lsb, bits=14, signed=True, low=-(1 << 13), high=(1 << 13) - 1)


def main(target: Path) -> None:
    """Write `contract.json` and the normalised features, labels and test vectors."""
    jets = ak.concatenate([read_jets(part) for part in sorted((FROZEN / "jet_tagging").glob("part-*.parquet"))])
    values = {name: ak.to_numpy(jets["features"][name]).astype(np.float64) for name in FEATURES}
    fields = tuple(feature_field(name, column) for name, column in values.items())
    contract = InputContract(
        name="jet-features-16",
        collections=(Collection(name="features", count=1, fields=fields),),
        model_input=INPUT,
    )
    words = contract.encode(jets)
    cut = int(len(words) * (1 - HELD_OUT))
    contract = contract.fit_normaliser(words[:cut])
    contract.save(PROJECT / "contract.json")
    vectors = make_vectors(*contract.limits(), random=1000, saturating=250, seed=SEED, physics=words[cut:][:1000])
    np.savez_compressed(
        target,
        inputs=INPUT.to_float(contract.normalise(words)).astype(np.float32),
        labels=ak.to_numpy(jets["label"]).astype(np.int64),
        training=cut,
        vector_words=vectors.words,
        vectors=INPUT.to_float(contract.normalise(vectors.words)).astype(np.float32),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
