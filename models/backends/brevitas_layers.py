"""Brevitas's layers on PyTorch with the types that a recipe fixes, and what trains a network of them.

Importing it needs the extra `brevitas`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an optional kernel that is not installed
    import brevitas.nn as qnn
    from brevitas.inject.enum import FloatToIntImplType, ScalingImplType
    from brevitas.quant.fixed_point import (
        Int8ActPerTensorFixedPointMinMaxInit,
        Int8BiasPerTensorFixedPointInternalScaling,
        Int8WeightPerTensorFixedPoint,
        Uint8ActPerTensorFixedPointMaxInit,
    )

from trigforge.fixed import Rounding
from trigforge.models.architectures.dense import DenseNetwork
from trigforge.models.settings import Quantisation

ROUNDINGS: Final = {Rounding.RND_CONV: FloatToIntImplType.ROUND, Rounding.TRN: FloatToIntImplType.FLOOR}
EPSILON: Final = 1e-7
"""Adam's, as in Keras."""
OPS: Final = SimpleNamespace(
    cast=lambda tensor, dtype: tensor.to(dtype),
    clip=torch.clip,
    convert_to_tensor=torch.as_tensor,
    exp=torch.exp,
    log=torch.log,
    mean=torch.mean,
    minimum=torch.minimum,
    relu=torch.relu,
    sqrt=torch.sqrt,
    square=torch.square,
    stop_gradient=torch.detach,
    sum=torch.sum,
)
"""The operations of losses, under the names of `keras.ops`."""


class DenseModule(nn.Module):  # type: ignore[misc, unused-ignore]
    """A network of dense layers in Brevitas: fixed-point types with constant scales, activations that saturate.

    As with HGQ2's QKeras API, weights and biases have `weight_bits` bits, `weight_integer` of them, sign included,
    before the point, and no lowest code; activations `activation_integer` and `activation_fraction` bits, and a sign
    where they may be negative. Inputs are quantised as activations.
    """

    def __init__(self, inputs: int, network: DenseNetwork, quantisation: Quantisation) -> None:
        super().__init__()
        self.inputs, self.network, self.quantisation = inputs, network, quantisation
        widths = [inputs, *(layer.width for layer in network.layers)]
        self.words = _signed(quantisation)
        self.dense = nn.ModuleList(
            _linear(before, layer.width, layer.bias, quantisation)
            for before, layer in zip(widths, network.layers, strict=False)
        )
        self.lanes = nn.ModuleList(
            _positive(quantisation) if layer.relu else _signed(quantisation) for layer in network.layers
        )

    def tensors(self, words: Tensor) -> list[Tensor]:
        """The quantised outputs of every layer for values (n, words)."""
        found, values = [], self.words(words)
        for dense, lane in zip(self.dense, self.lanes, strict=True):
            values = lane(dense(values))
            found.append(values)
        return found

    def output(self, last: Tensor) -> Tensor:
        """The firmware's output (n, outputs) of the last layer's."""
        return torch.einsum("ni,ni->n", last, last)[:, None] if self.network.squared else last

    def forward(self, words: Tensor) -> Tensor:
        """The firmware's output (n, outputs) of values (n, words)."""
        return self.output(self.tensors(words)[-1])

    def centre(self, values: npt.NDArray[np.float32]) -> None:
        """Make the mean output of the last layer the origin, by its bias, which is then not trained."""
        bias = self.dense[-1].bias.requires_grad_(False)
        with torch.no_grad():
            bias -= self.tensors(torch.from_numpy(values))[-1].mean(dim=0)

    @property
    def ebops(self) -> int:
        """Σ of bits of an input times bits between the highest and the lowest non-zero one of its weight.

        That is the definition for constants of arXiv:2405.00645; signs are not counted, biases once.
        """
        lane = self.quantisation.activation_integer + self.quantisation.activation_fraction
        step = 2.0 ** (self.quantisation.weight_integer - self.quantisation.weight_bits)
        total = 0
        with torch.no_grad():
            for dense in self.dense:
                total += lane * _digits(dense.quant_weight().value, step)
                total += 0 if dense.bias is None else _digits(dense.quant_bias().value, step)
        return total


class Learner(nn.Module):  # type: ignore[misc, unused-ignore]
    """What a phase trains: `forward(learner, *inputs)` is the loss (n,), of modules whose parameters learn."""

    def __init__(self, forward: Callable[..., Tensor], network: DenseModule, *modules: nn.Module) -> None:
        super().__init__()
        self.loss, self.network, self.others = forward, network, nn.ModuleList(modules)
        self.generator = torch.Generator()

    def forward(self, *inputs: Tensor) -> Tensor:
        """The loss (n,)."""
        return self.loss(self, *inputs)

    def sample(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """`µ + σ·ε` in training, `µ` otherwise."""
        if not self.training:
            return mean
        noise = torch.randn(mean.shape, generator=self.generator)
        return mean + torch.exp(0.5 * log_variance) * noise


class DecayingAdam:
    """Adam with a learning rate that falls to 0 as a cosine over so many steps, its state there from the start."""

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, steps: int) -> None:
        self.rate, self.steps = rate, steps
        self.parameters = [p for p in parameters if p.requires_grad]
        self.adam = torch.optim.Adam(self.parameters, rate, eps=EPSILON)
        state = {
            i: {"step": torch.zeros(()), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            for i, p in enumerate(self.parameters)
        }
        self.adam.load_state_dict({"state": state, "param_groups": self.adam.state_dict()["param_groups"]})

    @property
    def variables(self) -> list[Tensor]:
        """Steps and moments of every parameter."""
        return [tensor for p in self.parameters for tensor in self.adam.state[p].values()]

    def step(self, loss: Tensor) -> None:
        """Go down the gradient of a loss."""
        done = min(1.0, float(self.variables[0]) / self.steps)
        for group in self.adam.param_groups:
            group["lr"] = self.rate * 0.5 * (1.0 + float(np.cos(np.pi * done)))
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


def plain(widths: Sequence[int]) -> nn.Sequential:
    """Dense layers in floating point, a ReLU behind all but the last: training only."""
    layers: list[nn.Module] = []
    for before, width in pairwise(widths):
        layers += [_begun(nn.Linear(before, width)), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _linear(inputs: int, width: int, bias: bool, q: Quantisation) -> nn.Module:
    largest = 2.0 ** (q.weight_integer - 1)
    kind = {"bit_width": q.weight_bits, "scaling_impl_type": ScalingImplType.CONST, "scaling_init": largest}
    arguments = {f"weight_{key}": value for key, value in kind.items()}
    if bias:
        arguments |= {f"bias_{key}": value for key, value in kind.items()}
        arguments |= {"bias_quant": Int8BiasPerTensorFixedPointInternalScaling, "bias_narrow_range": True}
    return _begun(qnn.QuantLinear(inputs, width, bias, weight_quant=Int8WeightPerTensorFixedPoint, **arguments))


def _signed(q: Quantisation) -> nn.Module:
    reach, bits = 2.0**q.activation_integer, 1 + q.activation_integer + q.activation_fraction
    quantiser = Int8ActPerTensorFixedPointMinMaxInit
    return qnn.QuantIdentity(act_quant=quantiser, bit_width=bits, min_val=-reach, max_val=reach, **_constant(q))


def _positive(q: Quantisation) -> nn.Module:
    reach, bits = 2.0**q.activation_integer, q.activation_integer + q.activation_fraction
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPointMaxInit, bit_width=bits, max_val=reach, **_constant(q))


def _constant(q: Quantisation) -> dict[str, Any]:
    return {"scaling_impl_type": ScalingImplType.CONST, "float_to_int_impl_type": ROUNDINGS[q.activation_rounding]}


def _begun(layer: Any) -> Any:
    """The layer with the initial weights of Keras's: Glorot's, biases 0."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _digits(values: Tensor, step: float) -> int:
    """Bits between the highest and the lowest non-zero one of multiples of a step, summed up."""
    codes = np.rint(np.abs(values.numpy()) / step).astype(np.int64).ravel()
    codes = codes[codes > 0]
    lowest = codes & -codes
    return int((np.floor(np.log2(codes)) - np.log2(lowest) + 1).sum())
