"""The normalised autoencoder: what its training lowers and raises, that it repeats, and that its firmware is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.exactness import check_exact, make_values
from trigforge.contract import Collection, Field, InputContract
from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.models.architectures import TrainingSet
from trigforge.models.architectures.langevin import Box, Chain
from trigforge.models.architectures.normalised_autoencoder import NormalisedAutoencoder, Start, Variant, error
from trigforge.models.layers import make_layers
from trigforge.models.recipe import Recipe
from trigforge.models.settings import Arithmetic, Decorrelation, Pruning, Quantisation, Training
from trigforge.models.train import train

KIND = FixedType(signed=True, width=9, integer=2, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
FIELDS = tuple(Field(name=n, unit="", lsb=2.0**-7, bits=8, signed=False, low=0, high=128, shift=7) for n in "abcd")
CONTRACT = InputContract(name="toy", collections=(Collection(name="Toy", count=1, fields=FIELDS),), model_input=KIND)
BITS = Quantisation(weight_bits=5, activation_integer=1, activation_fraction=5, beta_start=1e-8, beta_end=1e-8)
FLOAT = BITS.model_copy(update={"arithmetic": Arithmetic.FLOAT})
SMALL = NormalisedAutoencoder(hidden=(6,), latent=1, buffer=128, chain=Chain(steps=3), normalising=0.5)
VARIANTS = {
    "plain": {"variant": Variant.PLAIN},
    "energy": {"variant": Variant.ENERGY, "chain": Chain(steps=3, step=0.02, noise=0.03, metropolis=True)},
    "manifold": {
        "variant": Variant.ENERGY,
        "chain": Chain(steps=3, step=0.02, noise=0.03, metropolis=True),
        "start": Start.MANIFOLD,
        "latent_chain": Chain(steps=2),
    },
    "wasserstein": {},
}


class KilledError(Exception):
    """What a report raises in place of a kill."""


def line(events: int = 640, seed: int = 1) -> TrainingSet:
    """Points of the box near a line."""
    rng = np.random.default_rng(seed)
    along = rng.uniform(0.3, 0.7, (events, 1))
    words = np.rint(np.clip(along + rng.normal(0, 0.02, (events, 4)), 0, 1) * 128).astype(np.int64)
    return TrainingSet(CONTRACT, words, np.ones(events))


def recipe(name: str, epochs: int, quantisation: Quantisation = FLOAT, **changes: Any) -> Recipe:
    architecture = SMALL.model_copy(update={**VARIANTS[name], **changes})
    training = Training(epochs=epochs, batch=64, learning_rate=2e-3)
    return Recipe(name="toy", architecture=architecture, training=training, quantisation=quantisation)


def energies(model: Any, background: TrainingSet) -> np.ndarray:
    return np.asarray(model.predict(background.values, verbose=0), dtype=np.float64)[:, 0]


@pytest.mark.parametrize("name", ["manifold", "wasserstein"])
def test_a_killed_training_goes_on_to_the_same_end(name: str, tmp_path: Path) -> None:
    """Also with the ends of its chains and its random numbers."""

    def killed(fraction: float, text: str) -> None:
        if text.startswith(f"{VARIANTS[name].get('variant', 'wasserstein')} 2"):
            raise KilledError  # the epoch is finished, its checkpoint not written

    background, asked = line(), recipe(name, 4)
    whole = train(asked, background).model
    with pytest.raises(KilledError):
        train(asked, background, killed, folder=tmp_path)
    rest: list[str] = []
    resumed = train(asked, background, lambda fraction, text: rest.append(text), folder=tmp_path).model
    assert len(rest) == 1
    assert_array_equal(energies(resumed.keras, background), energies(whole.keras, background))
    assert [e.loss for e in resumed.record.epochs] == [e.loss for e in whole.record.epochs]


def test_chains_raise_what_a_plain_autoencoder_reconstructs_by_accident() -> None:
    """Of the line on which data lies, the part beyond the data is reconstructed as well, unless it is pushed up."""
    beyond = TrainingSet(CONTRACT, np.full((1, 4), 6), np.ones(1))
    found = {}
    for name in ("plain", "energy", "wasserstein"):
        model = train(recipe(name, 16, hidden=(12,)), line(3200)).model.keras
        found[name] = energies(model, beyond)[0]
        assert found[name] > 5 * energies(model, line(seed=2)).mean()
    assert found["energy"] > 1.2 * found["plain"]
    assert found["wasserstein"] > 2 * found["plain"]


def test_the_quantised_network_is_exact_with_its_score(tmp_path: Path) -> None:
    for arithmetic in (Arithmetic.LEARNT, Arithmetic.FIXED):
        bits = BITS.model_copy(update={"arithmetic": arithmetic})
        model = train(recipe("wasserstein", 2, bits), line()).model.keras
        conversion = Conversion("small", tmp_path / arithmetic, KIND)
        lowering = check_exact(convert_keras(model, conversion), conversion, make_values(KIND, (4,)))
        lowering.require_no_wrap()
        assert len(np.unique(energies(model, line()))) > 50


def test_the_energy_is_the_squared_distance_from_the_reconstruction() -> None:
    background = line(10)
    parts = SMALL._build(make_layers(FLOAT, Pruning()), 4)
    encode, decode = parts.unrounded()
    expected = np.square(background.values - np.asarray(decode(encode(background.values)))).sum(axis=1)
    assert energies(parts.firmware, background) == pytest.approx(expected, rel=1e-5)
    assert np.asarray(error(encode, decode, background.values)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"buffer": 10}, r"buffer must be at least training\.batch = 64, not 10"),
        ({"chain": {"metropolis": True}}, "metropolis must be false for the Wasserstein variant"),
        (
            {"latent_chain": {"metropolis": True, "noise": 0}},
            "noise of a chain with metropolis must be positive, not 0",
        ),
    ],
)
def test_settings_that_disagree_are_refused(change: dict[str, Any], message: str) -> None:
    asked = recipe("wasserstein", 2).model_dump()
    with pytest.raises(InputError, match=message):
        Recipe.parse({**asked, "architecture": {**asked["architecture"], **change}}, where="recipe")


def test_what_the_training_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"training values must lie in the box 0\.4\.\.1, not in 0"):
        train(recipe("wasserstein", 2, box=Box(low=0.4)), line())
    uneven = TrainingSet(CONTRACT, line().words, np.linspace(1, 2, 640))
    with pytest.raises(InputError, match="must be trained on events of one weight, but theirs differ"):
        train(recipe("wasserstein", 2), uneven)
    against = recipe("wasserstein", 2).model_copy(update={"decorrelation": Decorrelation(against="mass")})
    with pytest.raises(InputError, match="decorrelation must be of a network that trains a score"):
        train(against, line())
