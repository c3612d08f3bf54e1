"""A small quantised model with a score, converted once for all firmware tests."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from small_model import Converted, small_contract, toy_words

from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.hls import compile_csim
from trigforge.firmware.lowering import lower
from trigforge.models.architectures import TrainingSet
from trigforge.models.architectures.vae import Vae
from trigforge.models.recipe import Recipe
from trigforge.models.settings import Quantisation, Training
from trigforge.models.train import train


@pytest.fixture(scope="session")
def converted(tmp_path_factory) -> Converted:
    contract = small_contract()
    words = toy_words(contract, 6000, 1)
    fitted = contract.fit_normaliser(words)
    quantisation = Quantisation(beta_start=1e-7, beta_end=1e-6, warmup=0.0)
    recipe = Recipe(
        name="small",
        architecture=Vae(hidden=(8, 6), latent=2, kl_weight=0.02),
        training=Training(epochs=15, batch=256, learning_rate=2e-2),
        quantisation=quantisation,
    )
    trained = train(recipe, TrainingSet(fitted, words, np.ones(len(words)))).model
    folder = tmp_path_factory.mktemp("hls") / "small"
    graph = convert_keras(trained.keras, Conversion("small", folder, fitted.model_input)).graph
    low, high = fitted.limits()
    vectors = np.concatenate(
        [
            words[:1500],
            np.random.default_rng(2).integers(low, high + 1, (1500, fitted.words)),
            low[None],
            high[None],
        ]
    )
    return Converted(trained, graph, compile_csim(graph), lower(graph, fitted).program, vectors)
