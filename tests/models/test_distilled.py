"""Distillation: the target's type, invariances of the student, a short training, and exactness in firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.models.backgrounds import toy_background
from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import lower
from trigforge.fixed import IntArray
from trigforge.models.architectures import TrainingSet, normalised
from trigforge.models.architectures.calorimeter import Autoencoder, Student, build_autoencoder, build_student
from trigforge.models.architectures.distilled import TARGET, DistilledStudent, _log_error, exposed, quantised
from trigforge.models.recipe import Recipe, changed
from trigforge.models.settings import Arithmetic, Quantisation, Training
from trigforge.models.train import train
from trigforge.regions import COARSE, REGIONS, region_contract

CONTRACT = region_contract(COARSE)
BITS = Quantisation(
    weight_bits=5, weight_integer=1, activation_integer=3, activation_fraction=4, beta_start=1e-5, beta_end=1e-3
)
SMALL = DistilledStudent(
    teacher=Autoencoder(filters=(2, 3), latent=4), student=Student(filters=2, hidden=3), teaching=0.4
)


def crossings(n: int) -> IntArray:
    rng = np.random.default_rng(4)
    words = rng.poisson(6, (n, REGIONS)) + (rng.random((n, REGIONS)) < 0.01) * rng.integers(0, 250, (n, REGIONS))
    return np.minimum(words, 1023).astype(np.int64)


def recipe(arithmetic: Arithmetic = Arithmetic.LEARNT) -> Recipe:
    return Recipe(
        name="toy",
        architecture=SMALL,
        training=Training(epochs=5, batch=100, learning_rate=2e-2),
        quantisation=BITS.model_copy(update={"arithmetic": arithmetic}),
    )


def predicted(model: Any, values: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(values, verbose=0), dtype=np.float64)


def test_the_target_is_that_of_cicada() -> None:
    found = quantised(np.log(np.array([1.0, np.e, 55.0**2, 1e6])))
    assert_array_equal(found, [0.0, 32.0, 32767.5 / 128, 32767.5 / 128])
    exact = np.random.default_rng(1).uniform(0, 8, 1000)
    assert_allclose(quantised(exact), np.minimum(32 * exact, TARGET.high * TARGET.lsb), atol=TARGET.lsb / 2, rtol=0)
    assert_array_equal(quantised(exact) * 256, np.rint(quantised(exact) * 256))


def test_the_error_is_in_counts() -> None:
    nothing = keras.Sequential([keras.Input((REGIONS,)), keras.layers.Rescaling(0.0)])
    words = np.minimum(crossings(50), 1020) // 4 * 4
    words[0] = 0
    expected = np.log(np.maximum((words.astype(float) ** 2).mean(axis=1), 1))
    assert_allclose(predicted(_log_error(nothing, CONTRACT), normalised(CONTRACT, words))[:, 0], expected, rtol=1e-5)


def test_a_cyclic_convolution_turns_with_its_input() -> None:
    keras.utils.set_random_seed(1)
    teacher = build_autoencoder(Autoencoder(filters=(2, 2), latent=3), (18, 14))
    probe = keras.Model(teacher.inputs, teacher.get_layer("encoder_0").output)
    values = normalised(CONTRACT, crossings(3))
    rolled = np.roll(values.reshape(3, 18, 14), 5, axis=1).reshape(3, -1)
    assert_allclose(predicted(probe, rolled), np.roll(predicted(probe, values), 5, axis=1), atol=1e-6)
    assert teacher.output_shape == (None, REGIONS)


def test_the_full_teacher_has_the_parameters_of_cicadas() -> None:
    assert build_autoencoder(Autoencoder(), (18, 14)).count_params() == 323_731


@pytest.mark.parametrize(("summed", "same"), [(True, True), (False, False)])
def test_a_summed_student_does_not_see_turns(summed: bool, same: bool) -> None:
    keras.utils.set_random_seed(2)
    student = build_student(Student(summed=summed), (18, 14), BITS)
    student.get_layer("score").bias.assign([1.0])
    values = normalised(CONTRACT, crossings(100))
    rolled = np.roll(values.reshape(-1, 18, 14), 2, axis=1).reshape(-1, REGIONS)
    scores = predicted(student, values)
    assert len(np.unique(scores)) > 5
    assert np.array_equal(scores, predicted(student, rolled)) == same
    assert scores.min() >= 0


def test_outliers_stand_behind_the_background() -> None:
    words = crossings(1000)
    found = exposed(SMALL, CONTRACT, words, seed=1)
    assert found.shape == (1500, REGIONS)
    assert_array_equal(found[:1000], words)
    CONTRACT.check(found)
    assert found[1000:].mean() > 1.3 * words.mean()
    assert_array_equal(found, exposed(SMALL, CONTRACT, words, seed=1))


def test_a_student_learns_goes_on_after_a_kill_and_is_exact_in_firmware(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def killed(fraction: float, text: str) -> None:
        if text.startswith("student 2"):
            raise KilledError

    background = TrainingSet(CONTRACT, crossings(2600), np.ones(2600))
    whole = train(recipe(), background)
    with pytest.raises(KilledError):
        train(recipe(), background, killed, folder=tmp_path)
    resumed = train(recipe(), background, folder=tmp_path)
    epochs = whole.model.record.epochs
    assert [e.phase for e in epochs] == ["teacher"] * 2 + ["student"] * 3
    assert epochs[1].loss < epochs[0].loss
    assert epochs[4].validation_loss < epochs[2].validation_loss
    assert epochs[4].ebops < epochs[2].ebops
    assert [e.loss for e in resumed.model.record.epochs] == [e.loss for e in epochs]
    values = background.values
    own = predicted(whole.model.keras, values)
    assert_array_equal(predicted(resumed.model.keras, values), own)
    assert len(np.unique(own)) > 20
    assert np.corrcoef(predicted(whole.teacher, values)[:, 0], own[:, 0])[0, 1] > 0.5
    conversion = Conversion("student", tmp_path / "hls", CONTRACT.model_input)
    program = lower(convert_keras(whole.model.keras, conversion).graph, CONTRACT).program
    assert_array_equal(program.to_float(program(background.words)), own)


def test_the_float_student_follows_the_same_teacher() -> None:
    background = TrainingSet(CONTRACT, crossings(2600), np.ones(2600))
    epochs = train(recipe(Arithmetic.FLOAT), background).model.record.epochs
    assert epochs[4].validation_loss < epochs[2].validation_loss
    assert epochs[4].ebops == 0


def test_what_the_student_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"must read images of 18 × 14 words, but the events have 57; set data\.kind"):
        train(recipe(), toy_background(1000))
    with pytest.raises(InputError, match="arithmetic must be learnt for distilled_student, not fixed"):
        changed(recipe(), {"quantisation.arithmetic": "fixed"})


def test_a_filter_that_was_pruned_is_exact_in_firmware(tmp_path: Path) -> None:
    keras.utils.set_random_seed(2)
    student = build_student(Student(filters=2, hidden=3), (18, 14), BITS)
    student.get_layer("score").bias.assign([1.0])
    for weight in student.get_layer("conv").trainable_variables:
        if weight.name in ("kernel", "bias"):
            weight.assign(weight.numpy() * [0.0, 1.0])
    conversion = Conversion("pruned", tmp_path / "hls", CONTRACT.model_input)
    program = lower(convert_keras(student, conversion).graph, CONTRACT).program
    words = crossings(100)
    assert_array_equal(program.to_float(program(words)), predicted(student, normalised(CONTRACT, words)))
