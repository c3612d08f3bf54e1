"""Training on background only, with the bit widths learnt along the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.models.recipe import Recipe
from trigforge.models.trained import TrainedModel, TrainingRecord
from trigforge.models.vae import build_vae

Progress = Callable[[float, str], None]
"""Called with the finished fraction and a short text."""


def train(
    recipe: Recipe,
    contract: InputContract,
    words: IntArray,
    weights: npt.NDArray[np.float64],
    progress: Progress | None = None,
) -> TrainedModel:
    """Train the recipe's model on background words (n, words) with event weights (n,).

    The last `recipe.validation` of the events are held out. The seed fixes initial weights, order and sampling.
    """
    import keras

    if len(words) < 10 * contract.words:
        raise InputError(f"training needs at least {10 * contract.words} events, not {len(words)}; generate more")
    _make_deterministic(recipe.seed)
    values = contract.model_input.to_float(contract.normalise(words)).astype(np.float32)
    scaled = (weights / weights.mean()).astype(np.float32)[:, None]
    cut = int(len(values) * (1 - recipe.validation))
    vae = build_vae(recipe, word_importance(recipe, contract, values, weights))
    steps = -(-cut // recipe.batch) * recipe.epochs
    schedule = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    vae.training.compile(optimizer=keras.optimizers.Adam(schedule))
    history = vae.training.fit(
        [values[:cut], scaled[:cut]],
        epochs=recipe.epochs,
        batch_size=recipe.batch,
        validation_data=([values[cut:], scaled[cut:]],),
        callbacks=_callbacks(recipe, progress),
        verbose=0,
    ).history
    record = TrainingRecord(
        recipe=recipe,
        framework=f"HGQ2 on Keras {keras.__version__} ({keras.backend.backend()})",
        events=cut,
        parameters=_parameters(vae.firmware),
        ebops=int(history["ebops"][-1]),
        loss=_floats(history["loss"]),
        validation_loss=_floats(history["val_loss"]),
        ebops_history=_floats(history["ebops"]),
    )
    return TrainedModel(vae.firmware, contract, record)


def _make_deterministic(seed: int) -> None:
    """Fixed seeds and deterministic operations; TensorFlow repeats to the last bit only on one thread."""
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def word_importance(
    recipe: Recipe, contract: InputContract, values: npt.NDArray[np.float32], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Weight (words,) of every word in the reconstruction error: 1 / mean square over all events, padding included.

    So a rare object, such as a muon, counts as much as a common one. It is at most `recipe.max_importance`, and 0 for
    fields that the recipe does not reconstruct.
    """
    names = [field.name for field in contract.fields]
    unknown = sorted(set(recipe.reconstruct) - set(names))
    if unknown:
        raise InputError(
            f"reconstruct must name fields of the contract ({', '.join(sorted(set(names)))}), not {unknown}"
        )
    square = np.average(values.astype(np.float64) ** 2, axis=0, weights=weights)
    asked = np.array([name in recipe.reconstruct for name in names])
    return np.where(asked, 1.0 / np.maximum(square, 1.0 / recipe.max_importance), 0.0)


def _callbacks(recipe: Recipe, progress: Progress | None) -> list[Any]:
    import keras
    from hgq.utils.sugar import BetaScheduler, FreeEBOPs

    q = recipe.quantisation
    start = q.warmup * recipe.epochs

    def beta(epoch: int) -> float:
        done = max(0.0, (epoch - start) / max(recipe.epochs - 1 - start, 1.0))
        return float(q.beta_start * (q.beta_end / q.beta_start) ** min(done, 1.0))

    def report(epoch: int, logs: dict[str, float]) -> None:
        text = f"loss {logs['loss']:.3f}, EBOPs {logs['ebops']:.0f}"
        if progress is not None:
            progress((epoch + 1) / recipe.epochs, f"epoch {epoch + 1}/{recipe.epochs}: {text}")

    ebops = FreeEBOPs()
    return [BetaScheduler(beta), ebops, keras.callbacks.LambdaCallback(on_epoch_end=report)]


def _parameters(firmware: Any) -> int:
    """Weights and biases of the firmware model, the quantisers' own variables not counted."""
    named = (w for layer in firmware.layers for w in layer.trainable_variables)
    return int(sum(np.prod(w.shape) for w in named if w.name in ("kernel", "bias")))


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
