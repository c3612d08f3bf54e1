"""The normalised autoencoder: what its training lowers and raises, that it repeats, and that its firmware is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.exactness import check_exact, make_values
from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.models.langevin import Box, Chain
from trigforge.models.normalised import Normalised, Start, Variant, build_autoencoder
from trigforge.models.normalised_training import energies, make_trainer, train_autoencoder
from trigforge.models.settings import Quantisation

BITS = Quantisation(weight_bits=5, activation_integer=1, activation_fraction=5, beta_start=1e-8, beta_end=1e-8)
SMALL = Normalised(
    name="small", hidden=(6,), latent=1, pretraining=30, epochs=6, batch=64, buffer=128, chain=Chain(steps=3)
)
KIND = FixedType(signed=True, width=9, integer=2, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)


def line(events: int = 640, seed: int = 1) -> np.ndarray:
    """Points of the box near a line, in 2^-7."""
    rng = np.random.default_rng(seed)
    along = rng.uniform(0.3, 0.7, (events, 1))
    return (np.rint(np.clip(along + rng.normal(0, 0.02, (events, 4)), 0, 1) * 128) / 128).astype(np.float32)


VARIANTS = {
    "plain": SMALL.model_copy(update={"variant": Variant.PLAIN}),
    "energy": SMALL.model_copy(
        update={"variant": Variant.ENERGY, "chain": Chain(steps=3, step=0.02, noise=0.03, metropolis=True)}
    ),
    "manifold": SMALL.model_copy(
        update={"variant": Variant.ENERGY, "start": Start.MANIFOLD, "latent_chain": Chain(steps=2)}
    ),
    "wasserstein": SMALL,
}


@pytest.mark.parametrize("name", ["energy", "manifold", "wasserstein"])
def test_training_repeats(name: str) -> None:
    values, said = line(), []
    settings = VARIANTS[name].model_copy(update={"pretraining": 2, "epochs": 2})
    first, second = (
        train_autoencoder(settings, values, None, lambda fraction, text: said.append((fraction, text)))
        for _ in range(2)
    )
    assert_array_equal(energies(first.firmware, values), energies(second.firmware, values))
    assert said[-1][0] == 1
    assert said[-1][1].startswith("epoch 4/4: ")


def test_chains_raise_what_a_plain_autoencoder_reconstructs_by_accident() -> None:
    """Of the line on which data lies, the part beyond the data is reconstructed as well, unless it is pushed up."""
    beyond = np.full((1, 4), 0.05, np.float32)
    ratio = {}
    for name in ("plain", "energy", "wasserstein"):
        settings = VARIANTS[name].model_copy(update={"epochs": 40, "hidden": (12,)})
        model = train_autoencoder(settings, line(), None).firmware
        ratio[name] = energies(model, beyond)[0] / energies(model, line(seed=2)).mean()
    assert ratio["energy"] > 1.1 * ratio["plain"]
    assert ratio["wasserstein"] > 1.5 * ratio["plain"]


def test_the_quantised_network_is_exact_with_its_score(tmp_path: Path) -> None:
    values = line()
    settings = SMALL.model_copy(update={"pretraining": 2, "epochs": 2})
    model = train_autoencoder(settings, values, BITS).firmware
    before = build_autoencoder(settings, 4, BITS).firmware
    assert np.abs(model.layers[1].kernel - before.layers[1].kernel).max() > 0
    conversion = Conversion("small", tmp_path / "small", KIND)
    lowering = check_exact(convert_keras(model, conversion), conversion, make_values(KIND, (4,)))
    lowering.require_no_wrap()
    assert len(np.unique(energies(model, values))) > 50


def test_the_energy_is_the_squared_distance_from_the_reconstruction() -> None:
    parts = build_autoencoder(SMALL, 4, None)
    values = line(10)
    encode, decode = parts.unrounded()
    decoded = decode(encode(values))
    expected = np.square(values - np.asarray(decoded)).sum(axis=1)
    assert energies(parts.firmware, values) == pytest.approx(expected, rel=1e-5)


def test_the_trainer_shares_the_weights_of_the_firmware_model() -> None:
    parts = build_autoencoder(SMALL, 4, None)
    assert_array_equal(make_trainer(SMALL, parts, Variant.PLAIN)(line(5)), parts.firmware(line(5)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"buffer": 10}, "buffer must be at least batch = 64, not 10"),
        ({"chain": {"metropolis": True}}, "metropolis must be false for the Wasserstein variant"),
        (
            {"latent_chain": {"metropolis": True, "noise": 0}},
            "noise of a chain with metropolis must be positive, not 0",
        ),
    ],
)
def test_settings_that_disagree_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Normalised.parse({**SMALL.model_dump(), **change}, where="settings")


def test_data_that_the_training_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"training needs at least a batch of 64 events, not 5"):
        train_autoencoder(SMALL, line(5), None)
    with pytest.raises(InputError, match=r"training values must lie in the box 0\.4\.\.1, not in 0"):
        train_autoencoder(SMALL.model_copy(update={"box": Box(low=0.4)}), line(), None)
