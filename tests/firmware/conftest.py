"""A small quantised model with a score, converted once for all firmware tests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from trigforge.contract import Collection, InputContract, kinematics
from trigforge.firmware.hls import Csim, compile_csim, convert
from trigforge.firmware.lower import lower
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.fixed import IntArray
from trigforge.models.recipe import Quantisation, Recipe
from trigforge.models.train import train
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


@pytest.fixture(scope="session")
def converted(tmp_path_factory) -> Converted:
    contract = small_contract()
    words = toy_words(contract, 6000, 1)
    fitted = contract.fit_normaliser(words)
    quantisation = Quantisation(beta_start=1e-7, beta_end=1e-6, warmup=0.0)
    recipe = Recipe(
        name="small",
        hidden=(8, 6),
        latent=2,
        kl_weight=0.02,
        epochs=15,
        batch=256,
        learning_rate=2e-2,
        quantisation=quantisation,
    )
    trained = train(recipe, fitted, words, np.ones(len(words)))
    graph = convert(trained.keras, Targets(), tmp_path_factory.mktemp("hls") / "small", "small")
    low, high = fitted.limits()
    vectors = np.concatenate(
        [
            words[:1500],
            np.random.default_rng(2).integers(low, high + 1, (1500, fitted.words)),
            low[None],
            high[None],
        ]
    )
    return Converted(trained, graph, compile_csim(graph), lower(graph, fitted), vectors)
