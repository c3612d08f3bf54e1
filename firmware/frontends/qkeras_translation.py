"""What every rule of a QKeras layer shares: where it translates to, its activation, and the refusal of an option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.qkeras_activations import activation_steps
from trigforge.firmware.frontends.qkeras_network import Network, Tensor
from trigforge.firmware.frontends.qkeras_parameters import Parameters, SavedLayer
from trigforge.firmware.frontends.qkeras_quantizers import read_quantizer


@dataclass(frozen=True, slots=True)
class Translation:
    """Where a model's layers are translated to, and what makes their parameters exact."""

    network: Network
    parameters: Parameters


Rule = Callable[[Translation, SavedLayer, Sequence[Tensor]], Tensor]
"""From a saved layer and its inputs to the result of its plain layers."""

INEXACT = frozenset(
    {"softmax", "sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "gelu", "exponential", "swish"}
)


def activated(to: Translation, layer: SavedLayer, source: Tensor, own: bool = False) -> Tensor:
    """The layer's `activation`, as a layer of its own name if the layer is nothing else."""
    saved = layer.config.get("activation")
    text = saved if isinstance(saved, str) else None
    if saved is None or text == "linear":
        return source
    if text in INEXACT:
        raise ExactnessError(
            f"{layer.label}: its activation must be exact, not {text!r}; cut it off (thresholds and argmax of logits "
            "are the same decision) or train with a quantised activation"
        )
    if text == "relu":
        return to.network.relu(layer.name if own else f"{layer.name}_relu", source)
    quantizer = read_quantizer(saved, f"{layer.label}, activation")
    name = layer.name if own else f"{layer.name}_{quantizer.name}"
    return to.network.steps(name, source, activation_steps(quantizer, source.fraction))


def require(layer: SavedLayer, key: str, allowed: Sequence[Any], remedy: str) -> None:
    """Raise `InputError` unless an option of the layer has an allowed value."""
    value = layer.config.get(key)
    if value not in allowed:
        raise InputError(f"{layer.label}: its {key} must be {allowed[0]!r}, not {value!r}; {remedy}")
