"""Views of an event that a trigger must take for the same."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.models.architectures.base import Floats, normalised
from trigforge.value import Value


class Augmentation(Value):
    """The event turned in φ and reflected in η, pt smeared (relative), objects of collections of several dropped."""

    smearing: float = Field(default=0.1, ge=0)
    dropped: float = Field(default=0.1, ge=0, lt=1)
    turned: bool = True
    reflected: bool = True

    def view(self, contract: InputContract, words: IntArray, rng: np.random.Generator) -> Floats:
        """What the network sees (n, words) of a view of events (n, words)."""
        return normalised(contract, self.augmented(contract, words, rng))

    def augmented(self, contract: InputContract, words: IntArray, rng: np.random.Generator) -> IntArray:
        """Words (n, words) of a view; all within the contract's limits."""
        view, start = words.copy(), 0
        turn = rng.random(len(view)) if self.turned else np.zeros(len(view))
        mirror = rng.random(len(view)) < 0.5 if self.reflected else np.zeros(len(view), dtype=bool)
        for collection in contract.collections:
            names = [field.name for field in collection.fields]
            if names != ["pt", "eta", "phi"]:
                raise InputError(
                    f"an augmented collection must have fields pt, eta, phi, but {collection.name} {names}"
                )
            steps = collection.fields[2].high + 1
            for _ in range(collection.count):
                pt, eta, phi = view[:, start : start + 3].T
                here = (pt > 0) | (eta != 0) | (phi != 0)
                smeared = np.rint(pt * rng.normal(1, self.smearing, len(pt)))
                pt[:] = np.clip(smeared, pt > 0, collection.fields[0].high)
                eta[mirror] *= -1
                phi[here] = (phi + np.int64(turn * steps))[here] % steps
                if collection.count > 1:
                    view[rng.random(len(view)) < self.dropped, start : start + 3] = 0
                start += 3
        return view
