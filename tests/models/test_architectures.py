"""Every shipped recipe, trained for an epoch, is exact in firmware: trainer = csim = program. Losses, augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.models.backgrounds import toy_background
from trigforge.conversion import convert_network
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.hls import compile_csim
from trigforge.firmware.lowering import lower
from trigforge.fixed import Rounding
from trigforge.models.architectures import normalised
from trigforge.models.architectures.augment import Augmentation
from trigforge.models.architectures.autoencoder import scales
from trigforge.models.architectures.losses import distance_correlation
from trigforge.models.recipe import changed, find_recipe, shipped_recipes
from trigforge.models.settings import Arithmetic, Kind
from trigforge.models.train import train

SMALL = {
    "vae_l1": {"hidden": (8, 4), "latent": 2},
    "conv_l1": {"filters": (2, 2), "latent": 3, "hidden": (4,)},
    "one_class_l1": {"hidden": (8, 4), "outputs": 2},
    "compression_l1": {"hidden": (8,), "code": 3, "decoder": (8,)},
    "vicreg_l1": {"backbone": (9, 5), "encoder": (4, 3), "latent": 2},
}
"""Recipes of Level-1 words made small, which compile fast; those of other words have tests of their own."""
FIXED = [("vae_l1", Arithmetic.FIXED), ("conv_l1", Arithmetic.FIXED)]
BREVITAS = [(name, Arithmetic.BREVITAS) for name in ("vae_l1", "one_class_l1", "compression_l1")]


@pytest.mark.parametrize(("name", "arithmetic"), [*((n, Arithmetic.LEARNT) for n in SMALL), *FIXED, *BREVITAS])
def test_recipes_are_exact_in_firmware(tmp_path: Path, name: str, arithmetic: Arithmetic) -> None:
    smaller = {f"architecture.{key}": value for key, value in SMALL[name].items()}
    quantised = {"quantisation.arithmetic": arithmetic, "quantisation.activation_rounding": Rounding.RND_CONV}
    asked = {**quantised, "training.epochs": 1, "training.batch": 256}
    background = toy_background(1500)
    model = train(changed(find_recipe(name), {**smaller, **asked}), background).model
    contract = model.contract
    conversion = Conversion(f"{name}_core", tmp_path / "hls", contract.model_input)
    source = convert_network(model.network, contract.words, conversion)
    lowering = lower(source.graph, contract)
    lowering.require_no_wrap()
    low, high = contract.limits()
    words = np.concatenate([background.words, [low, high, np.zeros_like(low)]])
    program = lowering.program
    values = np.stack([t.to_float(c) for t, c in zip(program.outputs, program(words).T, strict=True)], axis=1)
    assert len(np.unique(values)) > 10
    assert_array_equal(model(words), values)
    assert_array_equal(compile_csim(source.graph)(normalised(contract, words).astype(float)), values)


def test_every_shipped_recipe_of_level_1_words_is_among_them() -> None:
    found = {name for name in shipped_recipes() if find_recipe(name).data.kind is Kind.LEVEL1}
    assert {find_recipe(name).architecture.kind for name in found} == {
        find_recipe(name).architecture.kind for name in SMALL
    }


def test_views_stay_within_the_contract_and_turn_as_one() -> None:
    contract = toy_background(10).contract
    rng = np.random.default_rng(5)
    low, high = contract.limits()
    words = np.where(rng.random((500, len(low))) < 0.7, rng.integers(low, high + 1, (500, len(low))), 0)
    view = Augmentation().augmented(contract, words, rng)
    assert (view >= low).all()
    assert (view <= high).all()
    turned = Augmentation(smearing=0.0, dropped=0.0, reflected=False).augmented(contract, words, rng)
    jets, moved = words[:, 27:].reshape(500, 10, 3), turned[:, 27:].reshape(500, 10, 3)
    assert_array_equal(moved[:, :, :2], jets[:, :, :2])
    here = (jets != 0).any(axis=2)
    assert_array_equal(moved[~here], jets[~here])
    for event in range(500):
        steps = (moved[event, here[event], 2] - jets[event, here[event], 2]) % 144
        assert len(set(steps.tolist())) <= 1
    same = Augmentation(smearing=0.0, dropped=0.0, reflected=False, turned=False).augmented(contract, words, rng)
    assert_array_equal(same, words)


def test_distance_correlation_is_one_of_a_line_and_zero_of_what_is_independent() -> None:
    rng = np.random.default_rng(1)
    a, b, weights = (rng.normal(size=(2000, 1)).astype(np.float32) for _ in range(3))
    ones = np.ones_like(a)
    assert float(distance_correlation(a, 3 - 2 * a, ones)) == pytest.approx(1.0, abs=1e-4)
    assert float(distance_correlation(a, b, ones)) < 0.01
    assert float(distance_correlation(a, a**2, ones)) > 0.1
    shares = np.abs(weights) + 0.1
    doubled = np.concatenate([a, a]), np.concatenate([a**2, a**2]), np.concatenate([shares, shares])
    assert float(distance_correlation(*doubled)) == pytest.approx(
        float(distance_correlation(a, a**2, shares)), abs=1e-4
    )


def test_scales_are_powers_of_two_of_the_chosen_words() -> None:
    assert_array_equal(scales(np.array([0.0, 4.0, 0.0, 17.0])), [[0, 0], [2, 0], [0, 0], [0, 4]])
