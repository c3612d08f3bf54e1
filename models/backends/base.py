"""`Backend` and `Network`: what training needs of a framework, so that one loop trains with all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from trigforge.models.architectures import Design, Phase, TrainingSet
from trigforge.models.price import Price

if TYPE_CHECKING:
    from trigforge.models.recipe import Recipe
    from trigforge.models.trained import TrainedModel

Weights = list[np.ndarray[Any, Any]]
Arrays = Sequence[npt.NDArray[np.float32]]
FloatArray = npt.NDArray[np.float64]


class Network(ABC):
    """A network in its own framework's arithmetic: values (n, words) to outputs (n, outputs)."""

    file: ClassVar[str]
    """The model file that firmware is made of."""

    @abstractmethod
    def __call__(self, values: npt.NDArray[Any]) -> FloatArray:
        """The outputs (n, outputs) of values (n, words)."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Outputs an event."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Weights and biases."""

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """Copies of all variables."""

    @abstractmethod
    def assign(self, weights: Weights) -> None:
        """Set all variables."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model file, and what is needed to load the network again."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Network:
        """Read what `save` wrote; a foreign file raises `InputError`."""


class Backend(ABC):
    """How the models of one framework are built, trained and read.

    A phase's model and a design's firmware are the framework's own. Variables are what it trains and keeps; their
    values are arrays.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @property
    @abstractmethod
    def framework(self) -> str:
        """The framework with its version."""

    @property
    @abstractmethod
    def priced(self) -> bool:
        """Whether training pays for bits."""

    @abstractmethod
    def design(self, background: TrainingSet, twin: TrainedModel | None) -> Design:
        """The recipe's network, everything random in it fixed by the recipe's seed; it may imitate its `twin`."""

    @abstractmethod
    def network(self, firmware: Any) -> Network:
        """A design's firmware as a network that shares its variables."""

    @abstractmethod
    def variables(self, design: Design) -> list[Any]:
        """The variables of all phases and of the firmware, each once."""

    @abstractmethod
    def optimiser(self, phase: Phase, steps: int) -> Any:
        """An optimiser, its variables made, that reaches its end after so many steps."""

    @abstractmethod
    def optimiser_variables(self, optimiser: Any) -> list[Any]:
        """The variables of an optimiser."""

    @abstractmethod
    def values(self, variables: Sequence[Any]) -> Weights:
        """Copies of the values of variables."""

    @abstractmethod
    def assign(self, variables: Sequence[Any], values: Sequence[Any]) -> None:
        """Set variables."""

    @abstractmethod
    def begin(self, phase: Phase, done: float, price: Price) -> None:
        """Prepare an epoch that begins when a fraction `done` of the phase is over."""

    @abstractmethod
    def fit(self, phase: Phase, optimiser: Any, inputs: Arrays, rng: np.random.Generator) -> float:
        """Train for an epoch on inputs in their order; the mean loss. What is drawn comes from `rng` or the model."""

    @abstractmethod
    def evaluate(self, phase: Phase, inputs: Arrays) -> float:
        """The mean loss of inputs that are not trained on."""

    @abstractmethod
    def ebops(self, phase: Phase) -> int:
        """Effective bit operations (arXiv:2405.00645) of a phase's model."""

    @abstractmethod
    def finish(self, design: Design) -> None:
        """Take off a trained design what only training needs."""
