"""A small contract, toy words for it, and a converted model with everything that was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trigforge.contract import Collection, InputContract, kinematics
from trigforge.firmware.hls import Csim
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.models.trained import TrainedModel

CALO = {"pt_bits": 10, "eta_max": 100, "eta_bits": 8, "eta_lsb": 0.0435, "phi_steps": 144}


def small_contract() -> InputContract:
    return InputContract(
        name="small",
        collections=(
            Collection(name="L1MET", count=1, fields=kinematics(**{**CALO, "eta_max": 0})),
            Collection(name="L1Jet", count=3, fields=kinematics(**CALO)),
        ),
    )


def toy_words(contract: InputContract, events: int, seed: int) -> IntArray:
    rng = np.random.default_rng(seed)
    low, high = contract.limits()
    spectrum = np.minimum(rng.exponential(25, (events, contract.words)), high)
    uniform = rng.integers(low, high + 1, (events, contract.words))
    is_pt = np.array([f.name == "pt" for f in contract.fields])
    return np.where(is_pt, spectrum.astype(np.int64), uniform)


@dataclass(frozen=True)
class Converted:
    trained: TrainedModel
    graph: Any
    csim: Csim
    program: IntegerProgram
    words: IntArray
