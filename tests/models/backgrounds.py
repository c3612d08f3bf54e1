"""Toy background events for trainings that take seconds."""

from __future__ import annotations

import numpy as np

from trigforge.contract import level1_contract
from trigforge.models.architectures import TrainingSet


def toy_background(events: int, seed: int = 3) -> TrainingSet:
    """Words over the whole range of the Level-1 contract, pile-up that goes with MET."""
    contract = level1_contract()
    low, high = contract.limits()
    words = np.random.default_rng(seed).integers(low, high + 1, (events, contract.words))
    quantities = {"nPU": words[:, 0].astype(float)}
    return TrainingSet(contract.fit_normaliser(words), words, np.ones(events), quantities)
