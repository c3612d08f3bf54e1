"""Post-training quantisation: a float network with calibrated types is exact, and better with more bits."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.models.backgrounds import toy_background
from tests.models.test_architectures import SMALL
from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.hls import compile_csim
from trigforge.firmware.lowering import lower
from trigforge.firmware.project import Precision
from trigforge.models.architectures.base import TrainingSet
from trigforge.models.layers import make_layers
from trigforge.models.post_training import PostTraining, calibrate
from trigforge.models.recipe import changed, find_recipe
from trigforge.models.settings import Arithmetic, Pruning


def float_network(name: str, background: TrainingSet) -> keras.Model:
    recipe = changed(find_recipe(name), {f"architecture.{key}": value for key, value in SMALL[name].items()})
    keras.utils.set_random_seed(3)
    quantisation = recipe.quantisation.model_copy(update={"arithmetic": Arithmetic.FLOAT})
    model: keras.Model = recipe.architecture.design(make_layers(quantisation, Pruning()), background, 1).firmware
    return model


@pytest.mark.parametrize("name", ["vae_l1", "vicreg_l1"])
def test_calibrated_types_are_exact_never_wrap_and_converge(tmp_path: Path, name: str) -> None:
    background = toy_background(2000)
    model, contract = float_network(name, background), background.contract
    wanted = model.predict(background.values, verbose=0)[:, 0]
    errors = []
    for bits in (6, 12):
        types = calibrate(
            model, contract.model_input, background.values, PostTraining(weight_bits=bits, activation_bits=bits)
        )
        precision = Precision(default=f"fixed<{bits},4,RND,SAT>", layers=types)
        conversion = Conversion(f"{name}_{bits}", tmp_path / str(bits), contract.model_input, precision=precision)
        source = convert_keras(model, conversion)
        lowering = lower(source.graph, contract)
        lowering.require_no_wrap()
        program = lowering.program
        found = program.to_float(program(background.words))
        assert_array_equal(found, compile_csim(source.graph)(background.values.astype(float)))
        errors.append(np.abs(found[:, 0] - wanted).mean() / wanted.mean())
    assert errors[1] < 0.02
    assert errors[1] < 0.2 * errors[0]


def test_layers_without_a_rule_are_refused() -> None:
    words = keras.Input((4,), name="words")
    for layer, message in (
        (
            keras.layers.Softmax(name="shares"),
            r"layer 'shares' \(Softmax\) must be Dense, Conv2D, .*; train it quantised",
        ),
        (
            keras.layers.Dense(2, activation="tanh", name="bent"),
            r"activation of layer 'bent' must be linear or relu, not tanh",
        ),
    ):
        with pytest.raises(InputError, match=message):
            calibrate(
                keras.Model(words, layer(words)),
                toy_background(2).contract.model_input,
                np.zeros((5, 4), dtype=np.float32),
                PostTraining(),
            )
