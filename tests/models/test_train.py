"""Training: repeats, goes on after a kill to the same end, keeps a front, reaches a number of LUTs; refusals."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.models.backgrounds import toy_background
from tests.models.test_architectures import SMALL
from trigforge.errors import InputError
from trigforge.models.architectures.importance import Reconstruction
from trigforge.models.architectures.vae import Vae
from trigforge.models.backends import load_keras
from trigforge.models.checkpoint import FrontPoint, Progress
from trigforge.models.price import MARGIN, Price, controlled, scheduled
from trigforge.models.recipe import Recipe, changed, find_recipe
from trigforge.models.settings import Arithmetic, Decorrelation, Pruning, Quantisation, Training
from trigforge.models.train import Aim, LutTarget, train
from trigforge.models.trained import load_trained

TRAINING = Training(epochs=3, batch=256)
RECIPE = Recipe(
    name="t", architecture=Vae(hidden=(4,), latent=2), training=TRAINING, quantisation=Quantisation(weight_bits=4)
)
EVENTS = 1500


class KilledError(Exception):
    """What a report raises in place of a kill."""


def test_rare_words_count_as_much_as_common_ones() -> None:
    background = toy_background(400)
    background.words[:300, 15:27] = 0  # muons in a quarter of the events
    importance = Reconstruction().importance(background)
    asked = importance > 0
    assert_array_equal(asked, [f.name == "pt" for f in background.contract.fields])
    assert (importance * (background.values.astype(float) ** 2).mean(axis=0))[asked] == pytest.approx(1.0)
    assert Reconstruction(max_importance=0.5).importance(background).max() == 0.5


def test_fields_that_the_contract_lacks_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"reconstruct must name fields of the contract \(eta, phi, pt\), not \['mass'\]"
    ):
        Reconstruction(fields=("pt", "mass")).importance(toy_background(10))


def test_too_few_events_are_refused() -> None:
    with pytest.raises(InputError, match="training needs at least 570 events, not 100; generate more"):
        train(RECIPE, toy_background(100))


def test_training_repeats_and_survives_saving(tmp_path: Path) -> None:
    background, said = toy_background(EVENTS), []  # type: Any, list[str]
    first = train(RECIPE, background, lambda fraction, text: said.append(text)).model
    second = train(RECIPE, background).model
    assert [e.loss for e in first.record.epochs] == [e.loss for e in second.record.epochs]
    assert [e.epoch for e in first.record.epochs] == [1, 2, 3]
    assert said[-1].startswith("vae 3: loss ")
    first.save(tmp_path)
    loaded = load_trained(tmp_path)
    assert_array_equal(loaded(background.words), first(background.words))
    (tmp_path / "model.keras").write_bytes((tmp_path / "model.keras").read_bytes() + b"x")
    with pytest.raises(InputError, match="its digest differs; train again"):
        load_trained(tmp_path)


@pytest.mark.parametrize(
    ("name", "arithmetic", "killed_after"),
    [("vae_l1", "learnt", 1), ("vicreg_l1", "float", 3), ("one_class_l1", "float", 2)],
)
def test_a_killed_training_goes_on_to_the_same_end(
    tmp_path: Path, name: str, arithmetic: str, killed_after: int
) -> None:
    smaller = {f"architecture.{key}": value for key, value in SMALL[name].items()}
    asked = {"quantisation.arithmetic": arithmetic, "training.epochs": 4, "training.batch": 256}
    recipe = changed(find_recipe(name), {**smaller, **asked})
    background, said = toy_background(EVENTS), []  # type: Any, list[str]

    def report(fraction: float, text: str) -> None:
        said.append(text)
        if len(said) == killed_after + 1:
            raise KilledError  # the epoch is finished, its checkpoint not written

    whole = train(recipe, background)
    with pytest.raises(KilledError):
        train(recipe, background, report, folder=tmp_path)
    rest: list[str] = []
    resumed = train(recipe, background, lambda fraction, text: rest.append(text), folder=tmp_path)
    assert len(rest) == 4 - killed_after
    assert_array_equal(resumed.model(background.words), whole.model(background.words))
    assert [e.validation_loss for e in resumed.model.record.epochs] == [
        e.validation_loss for e in whole.model.record.epochs
    ]
    assert [point for point, _ in resumed.front] == [point for point, _ in whole.front]
    again: list[str] = []
    finished = train(recipe, background, lambda fraction, text: again.append(text), folder=tmp_path)
    assert (again, finished.model.record.chosen) == ([], 3)
    assert_array_equal(finished.model(background.words), whole.model(background.words))


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    background = toy_background(EVENTS)
    train(RECIPE, background, folder=tmp_path)
    other = RECIPE.model_copy(update={"training": TRAINING.model_copy(update={"seed": 2})})
    with pytest.raises(InputError, match=r"checkpoint\.npz must be of this recipe, sample and options, but it is of"):
        train(other, background, folder=tmp_path)
    (tmp_path / "checkpoint.npz").write_bytes(b"PK")
    with pytest.raises(
        InputError, match=r"checkpoint\.npz must be a checkpoint: .*; remove it to train from the start"
    ):
        train(RECIPE, background, folder=tmp_path)


def test_every_epoch_is_logged_once(tmp_path: Path) -> None:
    record = train(RECIPE, toy_background(EVENTS), folder=tmp_path).model.record
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [epoch.loss for epoch in record.epochs]
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def test_the_front_keeps_what_no_other_beats() -> None:
    progress = Progress()
    offered = [(0, 100, 0.5), (1, 90, 0.6), (2, 90, 0.6), (3, 80, 0.55), (4, 200, 0.5), (5, 70, 0.7), (6, 60, 0.1)]
    for epoch, ebops, merit in offered:
        progress.offer(FrontPoint(epoch=epoch, ebops=ebops, merit=merit), [])
    assert [point.epoch for point, _ in progress.front] == [5, 6]
    progress.offer(FrontPoint(epoch=7, ebops=80, merit=0.9), [])
    assert [point.epoch for point, _ in progress.front] == [5, 6, 7]


def test_a_point_of_the_front_is_the_model_of_its_epoch() -> None:
    background, scores = toy_background(EVENTS), []  # type: Any, list[Any]

    def merit(firmware: Any) -> float:
        scores.append(firmware(background.values))
        return float(len(scores))  # every epoch better than the one before

    trained = train(RECIPE, background, aim=Aim(merit=merit))
    for index, (point, _) in enumerate(trained.front):
        model = trained.at(index)
        assert (model.record.chosen, model.record.ebops) == (point.epoch, point.ebops)
        assert_array_equal(model(background.words), scores[point.epoch])
    assert [epoch.merit for epoch in trained.model.record.epochs] == [1.0, 2.0, 3.0]


def test_the_best_epoch_that_fits_is_chosen_or_the_target_is_refused() -> None:
    background, asked = toy_background(EVENTS), []  # type: Any, list[int]

    def fits(firmware: Any) -> bool:
        asked.append(1)
        return len(asked) == 2  # not the best, but the second best

    aim = Aim(lambda firmware: float(np.random.default_rng(len(asked)).random()), "dice", LutTarget(100, _lut, fits))
    free = RECIPE.model_copy(update={"quantisation": Quantisation(weight_bits=4, beta_start=1e-4)})
    trained = train(free, background, aim=aim)
    best = sorted((point.merit for point, _ in trained.front), reverse=True)
    if len(best) > 1:
        chosen = next(p for p, _ in trained.front if p.epoch == trained.model.record.chosen)
        assert chosen.merit == best[1]
    never = Aim(target=LutTarget(100, _lut, lambda firmware: False))
    with pytest.raises(InputError, match=r"none of \d+ models on the front has at most 100 and keeps its latency"):
        train(RECIPE, background, aim=never)


def _lut(firmware: Any) -> int:
    return 500


def test_the_controller_brings_a_plant_to_its_target() -> None:
    """EBOPs that answer a price as those of a network do: they fall with the logarithm of β, slowly."""
    price, ebops, target = Price(1e-6), 80_000.0, 12_000.0
    for _ in range(60):
        price = controlled(price, ebops, target)
        ebops += 0.5 * (80_000.0 * (price.beta / 1e-6) ** -0.4 - ebops)
    assert ebops == pytest.approx(MARGIN * target, rel=0.05)


def test_the_schedule_waits_and_rises_log_linearly() -> None:
    q = Quantisation(beta_start=1e-6, beta_end=1e-4, warmup=0.5)
    assert [scheduled(q, done) for done in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1e-6, 1e-6, 1e-5, 1e-4])


def test_neurons_keep_no_more_weights_than_asked() -> None:
    recipe = RECIPE.model_copy(update={"pruning": Pruning(fan_in=3, begin=0.0, end=0.5)})
    model = train(recipe, toy_background(EVENTS)).model
    kernel = np.asarray(model.keras.get_layer("encoder_0").kernel)
    assert (np.count_nonzero(kernel, axis=0) == 3).all()


def test_a_score_is_decorrelated_of_a_quantity() -> None:
    background = toy_background(4000)
    plain = RECIPE.model_copy(update={"training": TRAINING.model_copy(update={"epochs": 6})})
    asked = plain.model_copy(update={"decorrelation": Decorrelation(against="nPU", weight=100.0)})
    known = [
        abs(np.corrcoef(train(recipe, background).model(background.words)[:, 0], background.quantities["nPU"])[0, 1])
        for recipe in (plain, asked)
    ]
    assert known[1] < 0.5 * known[0]
    wrong = plain.model_copy(update={"decorrelation": Decorrelation(against="mass")})
    with pytest.raises(
        InputError, match=r"decorrelation\.against must be a quantity of the events \(nPU\), not 'mass'"
    ):
        train(wrong, background)


def test_a_quantised_network_starts_as_its_twin_and_imitates_it(tmp_path: Path) -> None:
    background = toy_background(EVENTS)
    twin = train(changed(RECIPE, {"quantisation.arithmetic": "float"}), background).model
    asked = changed(RECIPE, {"training.imitate": True, "quantisation.weight_bits": 8, "training.epochs": 2})
    whole = train(asked, background, twin=twin)
    likeness = np.corrcoef(whole.model(background.words)[:, 0], twin(background.words)[:, 0])[0, 1]
    assert likeness > 0.98
    assert [epoch.phase for epoch in whole.model.record.epochs] == ["imitation"] * 2
    assert whole.model.record.epochs[-1].loss < 0.1

    def killed(fraction: float, text: str) -> None:
        if text.startswith("imitation 2"):
            raise KilledError

    with pytest.raises(KilledError):
        train(asked, background, killed, folder=tmp_path, twin=twin)
    resumed = train(asked, background, folder=tmp_path, twin=twin)
    assert_array_equal(resumed.model(background.words), whole.model(background.words))
    with pytest.raises(InputError, match="recipe t imitates its floating-point twin, which must be trained first"):
        train(asked, background)


def test_a_float_twin_has_no_bits() -> None:
    quantisation = Quantisation(arithmetic=Arithmetic.FLOAT)
    record = train(RECIPE.model_copy(update={"quantisation": quantisation}), toy_background(EVENTS)).model.record
    assert (record.ebops, record.framework.split()[0]) == (0, "Keras")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"must hold a trained model and its training\.json; 'trigforge train' writes them"
    ):
        load_trained(tmp_path)
    (tmp_path / "model.keras").write_text("no")
    with pytest.raises(InputError, match=r"model\.keras must be a Keras 3 model file"):
        load_keras(tmp_path / "model.keras")
