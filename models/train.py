"""Training on background only: phase after phase, epoch after epoch, with the bit widths learnt along the way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from trigforge.errors import InputError
from trigforge.models.architectures import Phase, TrainingSet
from trigforge.models.backends import Backend, Network, Weights, backend_of
from trigforge.models.checkpoint import FrontPoint, Progress, load_checkpoint, save_checkpoint
from trigforge.models.log import TrainingLog
from trigforge.models.price import Price, controlled, scheduled
from trigforge.models.recipe import Recipe
from trigforge.models.settings import Choice
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

    `merit` judges the firmware's network, from values (n, words) to outputs (n, outputs), higher is better, and chooses
    the epoch; without it the last one is taken, and the front is of minus the validation loss; where the recipe asks
    for the last epoch, of the number of epochs. With a `target` the price of bits, if the training has one, is
    controlled so that the firmware has about so many LUTs.
    """

    merit: Callable[[Network], float] | None = None
    label: str = "validation loss"
    """What the merit is."""
    target: LutTarget | None = None


@dataclass(frozen=True, slots=True)
class LutTarget:
    """A number of LUTs, a quick estimate of a network's, and the proof that one has no more and is in time.

    The best epoch of the front that `fits` is chosen.
    """

    lut: int
    estimate: Callable[[Network], int]
    fits: Callable[[Network], bool]


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: the chosen model, and the front of epochs with the network's weights at each."""

    model: TrainedModel
    teacher: Any
    """A Keras model from values to the score that the model learnt, or None."""
    front: tuple[tuple[FrontPoint, Weights], ...]

    def at(self, index: int) -> TrainedModel:
        """The model of a point of the front; the network is one and the same, and has that point's weights."""
        point, weights = self.front[index]
        self.model.network.assign(weights)
        record = self.model.record.model_copy(update={"chosen": point.epoch, "ebops": point.ebops})
        return TrainedModel(self.model.network, self.model.contract, record)


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
    return _Training(backend_of(recipe), background, report or _silent, aim or Aim(), folder, twin).run(replace)


class _Training:
    """One training; its only state is `progress` and the variables of its models."""

    def __init__(
        self,
        backend: Backend,
        background: TrainingSet,
        report: Report,
        aim: Aim,
        folder: Path | None,
        twin: TrainedModel | None,
    ) -> None:
        self.backend, self.recipe, self.report, self.aim, self.folder = backend, backend.recipe, report, aim, folder
        recipe, self.design = backend.recipe, backend.design(background, twin)
        self.network, self.phases = backend.network(self.design.firmware), self.design.phases
        self.variables = backend.variables(self.design)
        cut = int(len(background) * (1 - recipe.training.validation))
        self.training, self.held_out = background[:cut], background[cut:]
        self.contract = background.contract
        self.log = None if folder is None else TrainingLog(folder)
        total = sum(phase.share for phase in self.phases)
        self.epochs = [max(1, round(recipe.training.epochs * phase.share / total)) for phase in self.phases]
        self.key = _key(recipe, background, aim, "" if twin is None else twin.record.model_digest)
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
            steps = -(-len(self.training) // self.recipe.training.batch) * self.epochs[index]
            optimiser = self.backend.optimiser(phase, steps)
            if stored is not None:
                known = [*self.variables, *self.backend.optimiser_variables(optimiser)]
                self.backend.assign(known if len(values) == len(known) else self.variables, values[: len(known)])
                stored = None
            self._run_phase(index, phase, optimiser)
        if stored is not None:  # everything was finished
            self.backend.assign(self.variables, values[: len(self.variables)])
        return self._finish()

    def _run_phase(self, index: int, phase: Phase, optimiser: Any) -> None:
        seed, last = self.recipe.training.seed, index == len(self.phases) - 1
        validation = phase.inputs(self.held_out, np.random.default_rng([seed, index]))
        while self.progress.epoch < self.epochs[index]:
            start, done = time.monotonic(), self.progress.epoch / self.epochs[index]
            price = self._price(done)
            self.backend.begin(phase, done, price)
            started, rng = time.monotonic(), np.random.default_rng([seed, index, self.progress.epoch])
            inputs = phase.inputs(self.training, rng)
            order, last_epoch = rng.permutation(len(inputs[0])), self.progress.epoch + 1 == self.epochs[index]
            arrays = [x[order] for x in inputs]
            made = time.monotonic()
            loss = self.backend.fit(phase, optimiser, arrays, rng)
            if last_epoch:
                phase.after()
            held_out = self.backend.evaluate(phase, validation)
            merit = self._merit(held_out) if last else None
            finished = Epoch(
                phase=phase.name,
                epoch=self.progress.epoch + 1,
                loss=loss,
                validation_loss=held_out,
                ebops=self.backend.ebops(phase),
                beta=price.beta,
                merit=merit if self.aim.merit is not None else None,
                input_seconds=made - started,
                seconds=time.monotonic() - start,
            )
            self._advance(finished, price, merit)
            self._save([*self.variables, *self.backend.optimiser_variables(optimiser)])
        self.progress.phase, self.progress.epoch = index + 1, 0
        self._save(self.variables)

    def _save(self, variables: list[Any]) -> None:
        if self.folder is not None:
            save_checkpoint(self.folder, self.key, self.progress, self.backend.values(variables))

    def _price(self, done: float) -> Price:
        """The price of the next epoch: by schedule, or after the warm-up by the controller; 0 where there is none."""
        q, before = self.recipe.quantisation, self.progress.price
        if not self.backend.priced:
            return Price(0.0)
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
        return -validation_loss if self.aim.merit is None else self.aim.merit(self.network)

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
            lut = self.aim.target.estimate(self.network)
            progress.lut_per_ebop = lut / max(epoch.ebops, 1)
        point = FrontPoint(epoch=len(progress.epochs) - 1, ebops=epoch.ebops, merit=merit, lut=lut)
        progress.offer(point, self.network.weights)

    def _finish(self) -> Trained:
        """The chosen model: the best of the front that fits its target, the best by its merit, or the last epoch."""
        progress, network = self.progress, self.network
        self.backend.finish(self.design)
        chosen = FrontPoint(epoch=len(progress.epochs) - 1, ebops=progress.epochs[-1].ebops, merit=0.0)
        front = sorted(progress.front, key=lambda item: item[0].ebops)
        if self.aim.target is not None:
            chosen, weights = self._affordable(front, self.aim.target)
            network.assign(weights)
        elif self.aim.merit is not None:
            chosen, weights = max(front, key=lambda item: item[0].merit)
            network.assign(weights)
        record = self._record(chosen)
        return Trained(TrainedModel(network, self.contract, record), self.design.teacher, tuple(front))

    def _affordable(self, front: list[tuple[FrontPoint, Weights]], target: LutTarget) -> tuple[FrontPoint, Weights]:
        """The point of highest merit that fits; `InputError` if none does."""
        for point, weights in sorted(front, key=lambda item: -item[0].merit):
            self.network.assign(weights)
            if target.fits(self.network):
                return point, weights
        raise InputError(
            f"the number of LUTs must be reachable, but none of {len(front)} models on the front has at most "
            f"{target.lut} and keeps its latency; train longer, with a smaller network, or ask for more"
        )

    def _record(self, chosen: FrontPoint) -> TrainingRecord:
        recipe = self.recipe
        return TrainingRecord(
            recipe=recipe.name,
            title=recipe.title,
            network=recipe.architecture.shape,
            settings=recipe.model_dump(mode="json"),
            framework=self.backend.framework,
            events=len(self.training),
            parameters=self.network.parameters,
            ebops=chosen.ebops,
            epochs=tuple(self.progress.epochs),
            chosen=chosen.epoch,
        )


def _key(recipe: Recipe, background: TrainingSet, aim: Aim, twin: str) -> str:
    """What decides a training; `twin` is the digest of what it imitates."""
    target = None if aim.target is None else aim.target.lut
    digest = hashlib.sha256(repr((recipe.digest, background.contract.digest, target, aim.label, twin)).encode())
    for array in (background.words, background.weights):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _silent(fraction: float, text: str) -> None:
    """A report for a training that is not watched."""
