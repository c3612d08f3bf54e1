"""`Architecture`: a kind of network, how it is built and trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.fixed import IntArray
from trigforge.value import Value

if TYPE_CHECKING:
    from trigforge.models.layers import Layers
    from trigforge.models.settings import Quantisation, Training

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainingSet:
    """Events without signal: words (n, words), weights (n,), quantities (n,) to decorrelate a score of."""

    contract: InputContract
    words: IntArray
    weights: npt.NDArray[np.float64]
    quantities: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, which: slice | IntArray) -> TrainingSet:
        quantities = {name: values[which] for name, values in self.quantities.items()}
        return TrainingSet(self.contract, self.words[which], self.weights[which], quantities)

    @cached_property
    def values(self) -> Floats:
        """What the network sees (n, words): the normalised words."""
        return normalised(self.contract, self.words)

    @property
    def shares(self) -> Floats:
        """Weights (n, 1) of mean 1."""
        shares: npt.NDArray[np.float64] = self.weights / self.weights.mean()
        return shares[:, None].astype(np.float32)


def normalised(contract: InputContract, words: IntArray) -> Floats:
    """The values (n, words) that a network sees of contract words (n, words)."""
    values: npt.NDArray[np.float64] = contract.model_input.to_float(contract.normalise(words))
    return values.astype(np.float32)


Inputs = Callable[[TrainingSet, np.random.Generator], tuple[Floats, ...]]


def values_and_shares(background: TrainingSet, rng: np.random.Generator) -> tuple[Floats, ...]:  # noqa: ARG001
    """The inputs of most phases: values (n, words) and weights (n, 1)."""
    return background.values, background.shares


def decaying_adam(rate: float, steps: int) -> Any:
    """Adam with a learning rate that falls to 0 as a cosine over so many steps: the optimiser of most phases."""
    import keras

    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))


def _nothing() -> None:
    """What most phases do before they begin."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the training: a model that knows its own loss, and the arrays that it is trained on.

    The model is a Keras model that adds its losses, or a `Learner` of PyTorch, which has no `score`.

    `inputs` makes them from background events, anew for every epoch. `score` is a tensor of the model's graph, the
    firmware's output for the first input, or None. `share` is the phase's share of all epochs. `optimiser` makes one of
    Keras's from the recipe's learning rate and the number of steps; `before` is called when the phase or a later one
    begins, `after` when its last step is done.
    """

    name: str
    model: Any
    inputs: Inputs = values_and_shares
    score: Any = None
    share: float = 1.0
    before: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing
    optimiser: Callable[[float, int], Any] = decaying_adam


@dataclass(frozen=True, slots=True)
class Design:
    """A built network: what goes to firmware, from normalised words to its output, and how that is trained.

    `teacher`, if there is one, is a Keras model from values to the score that the firmware learns.
    """

    firmware: Any
    phases: tuple[Phase, ...]
    teacher: Any = None


class Architecture(Value, ABC):
    """A kind of network. Subclasses hold its shape and its loss, and have a field `kind` that names them."""

    @abstractmethod
    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:
        """The network for such background, built from `layers`, initial weights and sampling fixed by `seed`."""

    def check(self, training: Training, quantisation: Quantisation) -> None:
        """Raise `ValueError` where the network cannot be trained with such settings."""

    @property
    def scores(self) -> bool:
        """Whether the firmware's output is one score, higher for what is rarer."""
        return True

    @property
    @abstractmethod
    def shape(self) -> str:
        """The network in one line, such as `57-32-16-3`."""
