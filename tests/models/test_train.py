"""Training: word importance, reproducibility, the saved model and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract, level1_contract
from trigforge.errors import InputError
from trigforge.models.recipe import Quantisation, Recipe
from trigforge.models.train import train, word_importance
from trigforge.models.trained import load_keras, load_trained

RECIPE = Recipe(name="t", hidden=(4,), latent=2, epochs=2, batch=256, quantisation=Quantisation(weight_bits=4))


def toy(events: int) -> tuple[InputContract, np.ndarray]:
    contract = level1_contract()
    low, high = contract.limits()
    words = np.random.default_rng(3).integers(low, high + 1, (events, contract.words))
    return contract.fit_normaliser(words), words


def test_rare_words_count_as_much_as_common_ones() -> None:
    contract, words = toy(400)
    words[:300, 15:27] = 0  # muons in a quarter of the events
    values = contract.model_input.to_float(contract.normalise(words))
    importance = word_importance(RECIPE, contract, values, np.ones(len(words)))
    asked = importance > 0
    assert_array_equal(asked, [f.name == "pt" for f in contract.fields])
    assert (importance * (values**2).mean(axis=0))[asked] == pytest.approx(1.0)
    capped = RECIPE.model_copy(update={"max_importance": 0.5})
    assert word_importance(capped, contract, values, np.ones(len(words))).max() == 0.5


def test_fields_that_the_contract_lacks_are_refused() -> None:
    contract, words = toy(10)
    asked = RECIPE.model_copy(update={"reconstruct": ("pt", "mass")})
    with pytest.raises(
        InputError, match=r"reconstruct must name fields of the contract \(eta, phi, pt\), not \['mass'\]"
    ):
        word_importance(asked, contract, words.astype(np.float32), np.ones(10))


def test_too_few_events_are_refused() -> None:
    contract, words = toy(100)
    with pytest.raises(InputError, match="training needs at least 570 events, not 100; generate more"):
        train(RECIPE, contract, words, np.ones(100))


def test_training_repeats_and_survives_saving(tmp_path: Path) -> None:
    contract, words = toy(1500)
    said: list[str] = []
    first = train(RECIPE, contract, words, np.ones(len(words)), lambda fraction, text: said.append(text))
    second = train(RECIPE, contract, words, np.ones(len(words)))
    assert first.record.loss == second.record.loss
    assert len(first.record.loss) == 2
    assert said[-1].startswith("epoch 2/2: loss ")
    first.save(tmp_path)
    loaded = load_trained(tmp_path)
    assert_array_equal(loaded(words), first(words))
    (tmp_path / "model.keras").write_bytes((tmp_path / "model.keras").read_bytes() + b"x")
    with pytest.raises(InputError, match="its digest differs; train again"):
        load_trained(tmp_path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold a trained model \(model.keras\); 'trigforge train' writes one"):
        load_trained(tmp_path)
    (tmp_path / "model.keras").write_text("no")
    with pytest.raises(InputError, match=r"model\.keras must be a Keras 3 model file"):
        load_keras(tmp_path / "model.keras")
