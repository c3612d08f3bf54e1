"""`DenseArchitecture`: networks whose firmware is dense layers one behind the other, which Brevitas trains too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pydantic import Field

from trigforge.models.architectures.base import Architecture, Phase, TrainingSet
from trigforge.value import Value

if TYPE_CHECKING:
    from trigforge.models.backends.brevitas_layers import DenseModule
    from trigforge.models.layers import Layers


class DenseLayer(Value):
    """A dense layer."""

    name: str
    width: int = Field(ge=1)
    relu: bool = True
    bias: bool = True


class DenseNetwork(Value):
    """Dense layers one behind the other; the last one's output is quantised."""

    layers: tuple[DenseLayer, ...] = Field(min_length=1)
    squared: bool = False
    """Whether the firmware's output is Σ of the squares of the last layer's, instead of these."""

    @property
    def shape(self) -> str:
        """Widths of all layers."""
        return "-".join(str(layer.width) for layer in self.layers)


class DenseArchitecture(Architecture, ABC):
    """A kind of network that is nothing but dense layers in firmware."""

    @property
    @abstractmethod
    def dense(self) -> DenseNetwork:
        """The firmware's layers."""

    @property
    def shape(self) -> str:
        """Widths of all layers."""
        return self.dense.shape

    @abstractmethod
    def brevitas(self, network: DenseModule, background: TrainingSet) -> Phase:
        """The phase that trains the network in PyTorch; its model is a `Learner`."""


def build(network: DenseNetwork, layers: Layers, words: Any) -> tuple[list[Any], list[Any], Any]:
    """The Keras layers of a network, their outputs for `words`, and the firmware's output."""
    made: list[Any] = []
    tensors, values = [], words
    for layer in network.layers:
        last = layer is network.layers[-1]
        made.append(layers.dense(layer.width, layer.name, relu=layer.relu, output=last, bias=layer.bias))
        values = made[-1](values)
        tensors.append(values)
    return made, tensors, layers.dot("score")([values, values]) if network.squared else values
