"""Pruning: every neuron keeps its largest weights, more and more of the others are 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trigforge.models.settings import Pruning


def fan_in(pruning: Pruning) -> Any:
    """A Keras constraint that keeps the largest weights of every neuron; `advance` says how many."""
    import keras
    from keras import ops

    class FanIn(keras.constraints.Constraint):  # type: ignore[misc, unused-ignore]
        """Zeroes all but the `kept` largest weights of every neuron of a kernel (..., neurons)."""

        def __init__(self) -> None:
            self.pruning = pruning
            self.kept = keras.Variable(2**30, dtype="int32", trainable=False, name="kept")

        def __call__(self, kernel: Any) -> Any:
            flat = ops.reshape(ops.abs(kernel), (-1, kernel.shape[-1]))
            inputs = flat.shape[0]
            least = ops.take(ops.sort(flat, axis=0), inputs - ops.minimum(self.kept, inputs), axis=0)
            return ops.where(ops.abs(kernel) >= least, kernel, 0.0)

    return FanIn()


def advance(model: Any, done: float) -> None:
    """Tell the pruned kernels of a model that a fraction `done` of its training is over."""
    for constraint, kernel in _pruned(model):
        inputs = 1
        for size in kernel.shape[:-1]:
            inputs *= size
        constraint.kept.assign(constraint.pruning.kept(inputs, done))


def release(model: Any) -> None:
    """Take the constraints off a trained model, which is saved without them."""
    for layer in model._flatten_layers():
        if getattr(layer, "kernel_constraint", None) is not None:
            layer.kernel_constraint = None


def _pruned(model: Any) -> Iterator[tuple[Any, Any]]:
    for variable in model.trainable_variables:
        if hasattr(variable.constraint, "pruning"):
            yield variable.constraint, variable
