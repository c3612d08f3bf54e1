"""Layers by arithmetic: the same architecture with learnt widths, with fixed widths, or in floating point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from trigforge.fixed import FixedType
from trigforge.models.pruning import fan_in
from trigforge.models.settings import Arithmetic, Pruning, Quantisation

Floats = npt.NDArray[np.float32]


class Layers(ABC):
    """Makes Keras layers. All activations saturate: what is outside the training range cannot wrap to a small score."""

    def __init__(self, quantisation: Quantisation, pruning: Pruning) -> None:
        self.quantisation, self.pruning = quantisation, pruning

    @contextmanager
    def scope(self, activation_integer: int | None = None) -> Iterator[None]:  # noqa: ARG002
        """Where layers are made whose activations begin with so many integer bits; default: the recipe's."""
        yield

    @abstractmethod
    def dense(
        self, width: int, name: str, *, relu: bool = False, output: bool = False, bias: bool = True, kept: int = 0
    ) -> Any:
        """A dense layer; an `output` is quantised itself, any other by the layers that read it.

        `kept`, the weights that a neuron keeps, replaces the recipe's pruning.
        """

    @abstractmethod
    def compact(self, width: int, name: str) -> Any:
        """A dense layer whose outputs are quantised and saturate at -1 and 1."""

    @abstractmethod
    def convolution(self, filters: int, size: tuple[int, int], name: str, *, relu: bool = False) -> Any:
        """A convolution over (rows, columns, channels) without padding."""

    @abstractmethod
    def fixed_dense(self, kernel: Floats, kind: FixedType, name: str, values: Any) -> Any:
        """The product of `values`, of this type, with a kernel of powers of two and zeros, which is not trained."""

    @abstractmethod
    def subtract(self, name: str, *, quantise: bool = False) -> Any:
        """The exact difference of two quantised tensors, or of two that it has to `quantise`."""

    @abstractmethod
    def dot(self, name: str) -> Any:
        """The exact sum (n, 1) of the products of two quantised tensors (n, k)."""

    def squared_distance(self, name: str, a: Any, b: Any) -> Any:
        """`‖a - b‖²`, (n, 1)."""
        difference = self.subtract(f"{name}_difference")([a, b])
        return self.dot(name)([difference, difference])

    def _kernel(self, kept: int = 0) -> dict[str, Any]:
        """Keras arguments of a kernel that is pruned."""
        pruning = Pruning(fan_in=kept) if kept else self.pruning
        return {} if pruning.fan_in is None else {"kernel_constraint": fan_in(pruning)}


@final
class FloatLayers(Layers):
    """Keras's own layers."""

    def dense(
        self, width: int, name: str, *, relu: bool = False, output: bool = False, bias: bool = True, kept: int = 0
    ) -> Any:
        """A dense layer in floating point; it is not pruned, and nothing of it quantised."""
        del output, kept
        import keras

        return keras.layers.Dense(width, activation=_relu(relu), use_bias=bias, name=name)

    def compact(self, width: int, name: str) -> Any:
        """A dense layer in floating point with a hard tanh."""
        import keras

        return keras.layers.Dense(width, activation="hard_tanh", name=name)

    def convolution(self, filters: int, size: tuple[int, int], name: str, *, relu: bool = False) -> Any:
        """A convolution in floating point; it is not pruned."""
        import keras

        return keras.layers.Conv2D(filters, size, activation=_relu(relu), name=name)

    def fixed_dense(self, kernel: Floats, kind: FixedType, name: str, values: Any) -> Any:  # noqa: ARG002
        """A product in floating point."""
        import keras

        layer = keras.layers.Dense(kernel.shape[1], use_bias=False, trainable=False, name=name)
        return _with_kernel(layer, kernel, values)

    def subtract(self, name: str, *, quantise: bool = False) -> Any:  # noqa: ARG002
        """A difference in floating point."""
        import keras

        return keras.layers.Subtract(name=name)

    def dot(self, name: str) -> Any:
        """A scalar product in floating point."""
        import keras

        return keras.layers.Dot(axes=-1, name=name)


class _Hgq(Layers):
    """Layers of HGQ2, whose quantisers a subclass chooses."""

    @abstractmethod
    def _quantisers(self, *, bias: bool, output: bool) -> dict[str, Any]:
        """HGQ2's arguments for the quantisers of a layer with a kernel."""

    @abstractmethod
    def _lane(self, integer: int | None = None) -> Any:
        """HGQ2's quantiser of an activation; default: the integer bits of the scope."""

    def dense(
        self, width: int, name: str, *, relu: bool = False, output: bool = False, bias: bool = True, kept: int = 0
    ) -> Any:
        """A dense layer of HGQ2."""
        from hgq.layers import QDense

        quantisers = self._quantisers(bias=bias, output=output)
        return QDense(width, _relu(relu), bias, name=name, **self._kernel(kept), **quantisers)

    def compact(self, width: int, name: str) -> Any:
        """A dense layer of HGQ2 whose outputs have no integer bits at first."""
        from hgq.layers import QDense

        quantisers = self._quantisers(bias=True, output=True) | {"oq_conf": self._lane(integer=0)}
        return QDense(width, name=name, **self._kernel(), **quantisers)

    def convolution(self, filters: int, size: tuple[int, int], name: str, *, relu: bool = False) -> Any:
        """A convolution of HGQ2."""
        from hgq.layers import QConv2D

        quantisers = self._quantisers(bias=True, output=False)
        return QConv2D(filters, size, activation=_relu(relu), name=name, **self._kernel(), **quantisers)

    def fixed_dense(self, kernel: Floats, kind: FixedType, name: str, values: Any) -> Any:
        """A product at no price, its quantisers as wide as type and kernel."""
        from hgq.layers import QDense
        from qkeras import quantized_bits  # type: ignore[import-untyped, unused-ignore]

        exponents = np.log2(np.abs(kernel[kernel != 0]))
        low, high = int(exponents.min()), int(exponents.max()) + 1
        lane = quantized_bits(
            kind.width - kind.signed, kind.integer - kind.signed, keep_negative=kind.signed, alpha=1.0
        )
        weight = quantized_bits(high - low, high, symmetric=1, alpha=1.0)
        layer = QDense(
            kernel.shape[1],
            use_bias=False,
            trainable=False,
            enable_ebops=False,
            iq_conf=lane,
            kq_conf=weight,
            name=name,
        )
        return _with_kernel(layer, kernel, values)

    def subtract(self, name: str, *, quantise: bool = False) -> Any:
        """A difference of what is quantised already, or here."""
        from hgq.layers import QSubtract

        operands = {"enable_iq": True, "iq_confs": self._lane()} if quantise else {"enable_iq": False}
        return QSubtract(name=name, **operands)

    def dot(self, name: str) -> Any:
        """A scalar product of what is quantised already."""
        from hgq.layers import QDot

        return QDot(enable_iq=False, name=name)


@final
class LearntLayers(_Hgq):
    """HGQ2: a learnt width for every weight and activation."""

    @contextmanager
    def scope(self, activation_integer: int | None = None) -> Iterator[None]:
        """HGQ2's configuration by scope."""
        from hgq.config import LayerConfigScope, QuantizerConfigScope

        q = self.quantisation
        weights = {"b0": q.weight_bits, "i0": q.weight_integer, "overflow_mode": "SAT_SYM", "round_mode": "RND"}
        lanes = self._lanes(activation_integer)
        with ExitStack() as scopes:
            scopes.enter_context(QuantizerConfigScope(place="all", default_q_type="kbi", **weights))
            scopes.enter_context(QuantizerConfigScope(place="datalane", default_q_type="kif", **lanes))
            scopes.enter_context(LayerConfigScope(enable_ebops=True, beta0=q.beta_start))
            yield

    def _quantisers(self, *, bias: bool, output: bool) -> dict[str, Any]:  # noqa: ARG002
        return {"enable_oq": True} if output else {}

    def _lane(self, integer: int | None = None) -> Any:
        from hgq.config import QuantizerConfig

        if integer is None:
            return QuantizerConfig("default", "datalane")
        return QuantizerConfig("kif", "datalane", **self._lanes(integer))

    def _lanes(self, integer: int | None) -> dict[str, Any]:
        q = self.quantisation
        return {
            "i0": q.activation_integer if integer is None else integer,
            "f0": q.activation_fraction,
            "overflow_mode": "SAT",
            "round_mode": q.activation_rounding.value,
        }


@final
class FixedLayers(_Hgq):
    """The QKeras API of HGQ2: `quantized_bits` of one width for weights and of one for activations."""

    def __init__(self, quantisation: Quantisation, pruning: Pruning) -> None:
        super().__init__(quantisation, pruning)
        self._integer = quantisation.activation_integer

    @contextmanager
    def scope(self, activation_integer: int | None = None) -> Iterator[None]:
        """Sets the integer bits of activations."""
        before = self._integer
        self._integer = before if activation_integer is None else activation_integer
        try:
            yield
        finally:
            self._integer = before

    def _quantisers(self, *, bias: bool, output: bool) -> dict[str, Any]:
        from qkeras import quantized_bits

        q, lane = self.quantisation, self._lane()
        weight = quantized_bits(q.weight_bits - 1, q.weight_integer - 1, symmetric=1, alpha=1.0)
        chosen = {"kq_conf": weight, "iq_conf": lane, "enable_iq": True, "enable_ebops": True, "beta0": 0.0}
        chosen |= {"bq_conf": weight} if bias else {}
        return chosen | ({"enable_oq": True, "oq_conf": lane} if output else {})

    def _lane(self, integer: int | None = None) -> Any:
        from qkeras import quantized_bits

        integer = self._integer if integer is None else integer
        return quantized_bits(integer + self.quantisation.activation_fraction, integer, alpha=1.0)


_LAYERS: Final[Mapping[Arithmetic, type[Layers]]] = MappingProxyType(
    {Arithmetic.LEARNT: LearntLayers, Arithmetic.FIXED: FixedLayers, Arithmetic.FLOAT: FloatLayers}
)


def make_layers(quantisation: Quantisation, pruning: Pruning) -> Layers:
    """The layers of a recipe's arithmetic."""
    return _LAYERS[quantisation.arithmetic](quantisation, pruning)


def _with_kernel(layer: Any, kernel: Floats, values: Any) -> Any:
    result = layer(values)
    layer.kernel.assign(kernel)
    return result


def _relu(asked: bool) -> str | None:
    return "relu" if asked else None
