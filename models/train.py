"""Training on background only: phase after phase, epoch after epoch, with the bit widths learnt along the way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from trigforge.errors import InputError
from trigforge.models.architectures import Design, Phase, TrainingSet
from trigforge.models.architectures.losses import add_loss, distance_correlation
from trigforge.models.checkpoint import (
    FrontPoint,
    Progress,
    Weights,
    assign,
    load_checkpoint,
    save_checkpoint,
    values_of,
)
from trigforge.models.imitation import imitation
from trigforge.models.layers import make_layers
from trigforge.models.log import TrainingLog
from trigforge.models.price import Price, controlled, ebops_of, scheduled, set_beta
from trigforge.models.pruning import advance, release
from trigforge.models.recipe import Recipe
from trigforge.models.settings import Arithmetic, Choice
from trigforge.models.trained import Epoch, TrainedModel, TrainingRecord

Report = Callable[[float, str], None]
"""Called with the finished fraction and a short text."""
EVENTS_A_WORD: Final = 10
LUT_PER_EBOP: Final = 0.2
"""Assumed until the first estimate."""
ESTIMATES: Final = 8
"""Estimates of LUTs over a training that aims at a number of them."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a training is after beyond its loss.

    `merit` judges the firmware model (a Keras model from values to output), higher is better, and chooses the epoch;
    without it the last one is taken, and the front is of minus the validation loss; where the recipe asks for the last
    epoch, of the number of epochs. With a `target` the price of bits
    is controlled so that the firmware has about so many LUTs.
    """

    merit: Callable[[Any], float] | None = None
    label: str = "validation loss"
    """What the merit is."""
    target: LutTarget | None = None


@dataclass(frozen=True, slots=True)
class LutTarget:
    """A number of LUTs, a quick estimate of a firmware model's, and the proof that a model has no more and is in time.

    The best epoch of the front that `fits` is chosen.
    """

    lut: int
    estimate: Callable[[Any], int]
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: the chosen model, and the front of epochs with the firmware model's weights at each."""

    model: TrainedModel
    teacher: Any
    """A Keras model from values to the score that the model learnt, or None."""
    front: tuple[tuple[FrontPoint, Weights], ...]

    def at(self, index: int) -> TrainedModel:
        """The model of a point of the front; the Keras model is one and the same, and has that point's weights."""
        point, weights = self.front[index]
        assign(self.model.keras.variables, weights)
        record = self.model.record.model_copy(update={"chosen": point.epoch, "ebops": point.ebops})
        return TrainedModel(self.model.keras, self.model.contract, record)


def train(
    recipe: Recipe,
    background: TrainingSet,
    report: Report | None = None,
    aim: Aim | None = None,
    folder: Path | None = None,
    *,
    twin: TrainedModel | None = None,
    replace: bool = False,
) -> Trained:
    """Train the recipe's network on background events.

    The last `training.validation` of the events are held out. The seed fixes initial weights, order and sampling. With
    a `folder`, every epoch is logged there and the training goes on from the last finished one; what lies there of
    another training is refused, or may be replaced. A recipe that imitates needs its floating-point `twin`.
    """
    if len(background) < EVENTS_A_WORD * background.contract.words:
        least = EVENTS_A_WORD * background.contract.words
        raise InputError(f"training needs at least {least} events, not {len(background)}; generate more")
    _make_deterministic(recipe.training.seed)
    layers = make_layers(recipe.quantisation, recipe.pruning)
    design = recipe.architecture.design(layers, background, recipe.training.seed)
    if recipe.training.imitate:
        if twin is None:
            raise InputError(f"recipe {recipe.name} imitates its floating-point twin, which must be trained first")
        design = imitation(design, twin, background)
    digest = "" if twin is None else twin.record.model_digest
    return _Training(recipe, design, background, report or _silent, aim or Aim(), folder, digest).run(replace)


class _Training:
    """One training; its only state is `progress` and the variables of its models."""

    def __init__(
        self,
        recipe: Recipe,
        design: Design,
        background: TrainingSet,
        report: Report,
        aim: Aim,
        folder: Path | None,
        twin: str,
    ) -> None:
        self.recipe, self.design, self.report, self.aim, self.folder = recipe, design, report, aim, folder
        cut = int(len(background) * (1 - recipe.training.validation))
        self.training, self.held_out = background[:cut], background[cut:]
        self.contract = background.contract
        self.log = None if folder is None else TrainingLog(folder)
        total = sum(phase.share for phase in design.phases)
        self.epochs = [max(1, round(recipe.training.epochs * phase.share / total)) for phase in design.phases]
        self.phases = [_decorrelated(phase, recipe, background) for phase in design.phases]
        self.variables = _unique(v for p in self.phases for v in (*p.model.variables, *design.firmware.variables))
        if recipe.decorrelation.against and all(phase.score is None for phase in design.phases):
            raise InputError(
                f"decorrelation must be of a network that trains a score, but that of {recipe.name} has none; "
                "leave [decorrelation] out"
            )
        self.key = _key(recipe, background, aim, twin)
        self.progress = Progress()

    def run(self, replace: bool) -> Trained:
        """All phases that are not finished yet."""
        stored = None if self.folder is None else load_checkpoint(self.folder, self.key, replace=replace)
        if stored is not None:
            self.progress, values = stored
        for index in range(self.progress.phase, len(self.phases)):
            phase = self.phases[index]
            for earlier in self.phases[: index + 1]:
                earlier.before()
            optimiser = self._compile(phase, self.epochs[index])
            if stored is not None:
                known = [*self.variables, *optimiser.variables]
                assign(known if len(values) == len(known) else self.variables, values[: len(known)])
                stored = None
            self._run_phase(index, phase, optimiser)
        if stored is not None:  # everything was finished
            assign(self.variables, values[: len(self.variables)])
        return self._finish()

    def _compile(self, phase: Phase, epochs: int) -> Any:
        steps = -(-len(self.training) // self.recipe.training.batch) * epochs
        optimiser = phase.optimiser(self.recipe.training.learning_rate, steps)
        phase.model.compile(optimizer=optimiser)
        optimiser.build(phase.model.trainable_variables)
        return optimiser

    def _run_phase(self, index: int, phase: Phase, optimiser: Any) -> None:
        seed, last = self.recipe.training.seed, index == len(self.phases) - 1
        validation = phase.inputs(self.held_out, np.random.default_rng([seed, index]))
        while self.progress.epoch < self.epochs[index]:
            start, done = time.monotonic(), self.progress.epoch / self.epochs[index]
            advance(phase.model, done)
            price = self._price(done)
            set_beta(phase.model, price.beta)
            started, rng = time.monotonic(), np.random.default_rng([seed, index, self.progress.epoch])
            inputs = phase.inputs(self.training, rng)
            order, last_epoch = rng.permutation(len(inputs[0])), self.progress.epoch + 1 == self.epochs[index]
            arrays = [x[order] for x in inputs]
            made = time.monotonic()
            losses = self._fit(phase, arrays, validation, last=last_epoch)
            merit = self._merit(losses[1]) if last else None
            finished = Epoch(
                phase=phase.name,
                epoch=self.progress.epoch + 1,
                loss=losses[0],
                validation_loss=losses[1],
                ebops=ebops_of(phase.model),
                beta=price.beta,
                merit=merit if self.aim.merit is not None else None,
                input_seconds=made - started,
                seconds=time.monotonic() - start,
            )
            self._advance(finished, price, merit)
            if self.folder is not None:
                save_checkpoint(self.folder, self.key, self.progress, [*self.variables, *optimiser.variables])
        self.progress.phase, self.progress.epoch = index + 1, 0
        if self.folder is not None:
            save_checkpoint(self.folder, self.key, self.progress, self.variables)

    def _fit(self, phase: Phase, inputs: list[Any], validation: tuple[Any, ...], *, last: bool) -> tuple[float, float]:
        batch = self.recipe.training.batch
        history = phase.model.fit(_fed(inputs), batch_size=batch, shuffle=False, verbose=0).history
        if last:
            phase.after()
        held_out = phase.model.evaluate(_fed(validation), batch_size=max(batch, 4096), verbose=0, return_dict=True)
        return float(history["loss"][-1]), float(held_out["loss"])

    def _price(self, done: float) -> Price:
        """The price of the next epoch: by schedule, or after the warm-up by the controller."""
        q, before = self.recipe.quantisation, self.progress.price
        if self.aim.target is None:
            return Price(scheduled(q, done))
        if before is None or done <= q.warmup:
            return Price(q.beta_start)
        target = self.aim.target.lut / (self.progress.lut_per_ebop or LUT_PER_EBOP)
        return controlled(before, self.progress.epochs[-1].ebops, target)

    def _merit(self, validation_loss: float) -> float:
        """What chooses between epochs: the later one, the merit that is aimed at, or the validation loss."""
        if self.recipe.training.choice is Choice.LAST:
            return float(len(self.progress.epochs))
        return -validation_loss if self.aim.merit is None else self.aim.merit(self.design.firmware)

    def _advance(self, epoch: Epoch, price: Price, merit: float | None) -> None:
        """Note a finished epoch; of the last phase, ask what it costs now and then and offer it to the front."""
        progress = self.progress
        progress.epochs.append(epoch)
        progress.epoch, progress.price = progress.epoch + 1, price
        if self.log is not None:
            self.log.write(len(progress.epochs), epoch)
        self.report(len(progress.epochs) / sum(self.epochs), str(epoch))
        if merit is None:
            return
        lut = None
        if self.aim.target is not None and progress.epoch % max(1, self.epochs[-1] // ESTIMATES) == 0:
            lut = self.aim.target.estimate(self.design.firmware)
            progress.lut_per_ebop = lut / max(epoch.ebops, 1)
        point = FrontPoint(epoch=len(progress.epochs) - 1, ebops=epoch.ebops, merit=merit, lut=lut)
        progress.offer(point, values_of(self.design.firmware.variables))

    def _finish(self) -> Trained:
        """The chosen model: the best of the front that fits its target, the best by its merit, or the last epoch."""
        progress, firmware = self.progress, self.design.firmware
        for phase in self.phases:
            release(phase.model)
        chosen = FrontPoint(epoch=len(progress.epochs) - 1, ebops=progress.epochs[-1].ebops, merit=0.0)
        front = sorted(progress.front, key=lambda item: item[0].ebops)
        if self.aim.target is not None:
            chosen, weights = self._affordable(front, self.aim.target)
            assign(firmware.variables, weights)
        elif self.aim.merit is not None:
            chosen, weights = max(front, key=lambda item: item[0].merit)
            assign(firmware.variables, weights)
        record = self._record(chosen)
        return Trained(TrainedModel(firmware, self.contract, record), self.design.teacher, tuple(front))

    def _affordable(self, front: list[tuple[FrontPoint, Weights]], target: LutTarget) -> tuple[FrontPoint, Weights]:
        """The point of highest merit that fits; `InputError` if none does."""
        for point, weights in sorted(front, key=lambda item: -item[0].merit):
            assign(self.design.firmware.variables, weights)
            if target.fits(self.design.firmware):
                return point, weights
        raise InputError(
            f"the number of LUTs must be reachable, but none of {len(front)} models on the front has at most "
            f"{target.lut} and keeps its latency; train longer, with a smaller network, or ask for more"
        )

    def _record(self, chosen: FrontPoint) -> TrainingRecord:
        import keras

        recipe = self.recipe
        made = {Arithmetic.FLOAT: "Keras", Arithmetic.FIXED: "HGQ2 (QKeras API)", Arithmetic.LEARNT: "HGQ2"}
        library = made[recipe.quantisation.arithmetic]
        on = "" if library == "Keras" else "on Keras "
        return TrainingRecord(
            recipe=recipe.name,
            title=recipe.title,
            network=recipe.architecture.shape,
            settings=recipe.model_dump(mode="json"),
            framework=f"{library} {on}{keras.__version__} ({keras.backend.backend()})",
            events=len(self.training),
            parameters=_parameters(self.design.firmware),
            ebops=chosen.ebops,
            epochs=tuple(self.progress.epochs),
            chosen=chosen.epoch,
        )


def _fed(inputs: Sequence[Any]) -> Any:
    """Arrays as Keras takes them: one by itself, several as a list."""
    return inputs[0] if len(inputs) == 1 else list(inputs)


def _decorrelated(phase: Phase, recipe: Recipe, background: TrainingSet) -> Phase:
    """The phase with a penalty on the distance correlation of its score with a quantity of the background."""
    asked = recipe.decorrelation
    if not asked.against or phase.score is None:
        return phase
    if asked.against not in background.quantities:
        known = ", ".join(sorted(background.quantities)) or "none"
        raise InputError(f"decorrelation.against must be a quantity of the events ({known}), not {asked.against!r}")
    import keras

    quantity = keras.Input((1,), name="quantity")
    shares = phase.model.inputs[1]

    def loss(_: Any, score: Any, quantity: Any, shares: Any) -> Any:
        return asked.weight * distance_correlation(score, quantity, shares)

    trained = add_loss("decorrelation", loss, phase.model.output, phase.score, quantity, shares)
    values = background.quantities[asked.against]
    mean, spread = float(values.mean()), float(values.std()) or 1.0

    def inputs(events: TrainingSet, rng: np.random.Generator) -> tuple[Any, ...]:
        column = (events.quantities[asked.against] - mean) / spread
        return (*phase.inputs(events, rng), column.astype(np.float32)[:, None])

    model = keras.Model([*phase.model.inputs, quantity], trained)
    return replace(phase, model=model, inputs=inputs)


def _make_deterministic(seed: int) -> None:
    """Fixed seeds and deterministic operations; TensorFlow repeats to the last bit only on one thread."""
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def _key(recipe: Recipe, background: TrainingSet, aim: Aim, twin: str) -> str:
    """What decides a training; `twin` is the digest of what it imitates."""
    target = None if aim.target is None else aim.target.lut
    digest = hashlib.sha256(repr((recipe.digest, background.contract.digest, target, aim.label, twin)).encode())
    for array in (background.words, background.weights):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _unique(variables: Iterable[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def _parameters(firmware: Any) -> int:
    """Weights and biases of the firmware model, the quantisers' own variables not counted."""
    named = (w for layer in firmware.layers for w in (*layer.trainable_variables, *layer.non_trainable_variables))
    return int(sum(np.prod(w.shape) for w in named if w.name in ("kernel", "bias")))


def _silent(fraction: float, text: str) -> None:
    """A report for a training that is not watched."""
