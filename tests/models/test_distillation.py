"""Distillation: the target's type, invariances of the student, a short training, and exactness in firmware."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import lower
from trigforge.fixed import IntArray
from trigforge.models.calo_networks import Autoencoder, Student, build_autoencoder, build_student
from trigforge.models.distillation import (
    TARGET,
    Distillation,
    Schedule,
    exposed,
    normalised,
    predicted,
    target,
    teacher_error,
    train_student,
    train_teacher,
)
from trigforge.regions import COARSE, REGIONS, region_contract

CONTRACT = region_contract(COARSE)
SMALL = Distillation(
    teacher=Autoencoder(filters=(2, 3), latent=4),
    teaching=Schedule(epochs=1, batch=250),
    student=Student(filters=2, hidden=3),
    learning=Schedule(epochs=5, batch=50, learning_rate=1e-2),
    beta=(1e-6, 3e-5),
)


def crossings(n: int) -> IntArray:
    rng = np.random.default_rng(4)
    words = rng.poisson(6, (n, REGIONS)) + (rng.random((n, REGIONS)) < 0.01) * rng.integers(0, 250, (n, REGIONS))
    return np.minimum(words, 1023).astype(np.int64)


def test_the_target_is_that_of_cicada() -> None:
    found = target(np.array([0.0, 1.0, np.e, 55.0**2, 1e6]))
    assert_array_equal(found, [0.0, 0.0, 32.0, 32767.5 / 128, 32767.5 / 128])
    errors = np.exp(np.random.default_rng(1).uniform(0, 8, 1000))
    exact = 32 * np.log(errors)
    assert_allclose(target(errors), np.minimum(exact, TARGET.high * TARGET.lsb), atol=TARGET.lsb / 2, rtol=0)
    assert_array_equal(target(errors) * 256, np.rint(target(errors) * 256))


def test_the_error_is_in_counts() -> None:
    nothing = keras.Sequential([keras.Input((REGIONS,)), keras.layers.Rescaling(0.0)])
    words = crossings(50)
    words = np.minimum(words, 1020) // 4 * 4
    assert_allclose(teacher_error(nothing, CONTRACT, words), (words.astype(float) ** 2).mean(axis=1), rtol=1e-5)


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
    student = build_student(Student(summed=summed), (18, 14), 1.0, 1e-8)
    values = normalised(CONTRACT, crossings(100))
    rolled = np.roll(values.reshape(-1, 18, 14), 2, axis=1).reshape(-1, REGIONS)
    scores = predicted(student, values)
    assert len(np.unique(scores)) > 5
    assert np.array_equal(scores, predicted(student, rolled)) == same
    assert scores.min() >= 0


def test_outliers_stand_behind_the_background() -> None:
    words = crossings(1000)
    found = exposed(SMALL, CONTRACT, words)
    assert found.shape == (1500, REGIONS)
    assert_array_equal(found[:1000], words)
    CONTRACT.check(found)
    assert found[1000:].mean() > 1.3 * words.mean()
    assert_array_equal(found, exposed(SMALL, CONTRACT, words))


def test_too_few_crossings_are_refused() -> None:
    with pytest.raises(InputError, match=r"^a distillation needs at least 1000 crossings, not 999; generate more"):
        train_teacher(SMALL, CONTRACT, crossings(999))


def test_a_student_learns_repeats_and_is_exact_in_firmware(tmp_path: Path) -> None:
    words, said = crossings(1500), list[str]()
    wanted = target(np.square(words - 6.0).mean(axis=1))
    first = train_student(SMALL, CONTRACT, words, wanted, progress=lambda fraction, text: said.append(text))
    again = train_student(SMALL, CONTRACT, words, wanted)
    assert first.loss == again.loss
    assert len(first.loss) == len(first.ebops) == len(said) == 5
    assert said[-1].startswith("student: epoch 5/5: loss ")
    assert first.ebops[-1] < first.ebops[0]
    first.model.save(tmp_path / "model.keras")
    conversion = Conversion("student", tmp_path / "hls", CONTRACT.model_input)
    program = lower(convert_keras(first.model, conversion).graph, CONTRACT).program
    own = predicted(first.model, normalised(CONTRACT, words))
    assert_array_equal(program.to_float(program(words)), own)
    assert len(np.unique(own)) > 20


def test_a_teacher_learns_and_its_float_student_follows() -> None:
    words = crossings(1500)
    settings = SMALL.model_copy(update={"teaching": Schedule(epochs=2, batch=100), "turns": False})
    teacher = train_teacher(settings, CONTRACT, words)
    assert teacher.loss[1] < teacher.loss[0]
    assert teacher.ebops == ()
    wanted = target(teacher_error(teacher.model, CONTRACT, words))
    student = train_student(settings, CONTRACT, words, wanted, quantised=False)
    assert student.loss[-1] < student.loss[0]
    assert student.ebops == ()


def test_a_filter_that_was_pruned_is_exact_in_firmware(tmp_path: Path) -> None:
    keras.utils.set_random_seed(2)
    student = build_student(Student(filters=2, hidden=3), (18, 14), 1.0, 1e-8)
    for weight in student.get_layer("conv").trainable_variables:
        if weight.name in ("kernel", "bias"):
            weight.assign(weight.numpy() * [0.0, 1.0])
    conversion = Conversion("pruned", tmp_path / "hls", CONTRACT.model_input)
    program = lower(convert_keras(student, conversion).graph, CONTRACT).program
    words = crossings(100)
    assert_array_equal(program.to_float(program(words)), predicted(student, normalised(CONTRACT, words)))
