"""Trains `vicreg_l1`: a 57-29-10 backbone by VICReg (arXiv:2105.04906), then a VAE 10-9-6-4-6-9-10 on its output.

Run in trigforge's environment: `python hls_projects/training/vicreg_l1.py`; `--no-training` keeps the model that is
there.
"""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import awkward as ak
import keras
import numpy as np
import numpy.typing as npt
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense
from hgq.utils.sugar import BetaScheduler, FreeEBOPs
from keras import ops
from scipy.stats import rankdata

from trigforge.contract import InputContract, level1_contract
from trigforge.events import read_events
from trigforge.fixed import FixedType
from trigforge.sim.collisions import ZERO_BIAS
from trigforge.sim.collisions.frozen import FROZEN, find_samples
from trigforge.sim.cosim import make_vectors

PROJECT = Path(__file__).parents[1] / "vicreg_l1"
BACKBONE, ENCODER, LATENT, DECODER = (29, 10), (9, 6), 4, (6, 9, 10)
TRAINING_EVENTS, MEASURED_EVENTS = 100_000, 100_000
EPOCHS, BATCH, RATE = 12, 1024, 3e-3
INVARIANCE, VARIANCE, COVARIANCE, KL = 25.0, 25.0, 1.0, 0.02
SMEARING, DROPPED = 0.1, 0.1
BETA = (1e-7, 1e-5)
SEED = 1

Floats = npt.NDArray[np.float32]


@keras.saving.register_keras_serializable("vicreg_l1")
class Sampling(keras.layers.Layer):
    """z = µ + σ·ε in training, µ otherwise."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Draw z from [µ, log σ²]."""
        mean, log_variance = inputs
        if not training:
            return mean
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=SEED)


@keras.saving.register_keras_serializable("vicreg_l1")
class VicregLoss(keras.layers.Layer):
    """Adds λ·s(a, b) + µ·(v(a) + v(b)) + ν·(c(a) + c(b)) of two views' embeddings."""

    def call(self, views: Any) -> Any:
        """Pass the first view on."""
        a, b = views
        self.add_loss(INVARIANCE * ops.mean(ops.square(a - b)) + _spread(a) + _spread(b))
        return a


@keras.saving.register_keras_serializable("vicreg_l1")
class VaeLoss(keras.layers.Layer):
    """Adds ‖decoded - embedding‖² and the weighted KL divergence from N(0, 1)."""

    def call(self, inputs: Any) -> Any:
        """Pass the decoded embedding on."""
        embedding, decoded, mean, log_variance = inputs
        error = ops.sum(ops.square(decoded - embedding), axis=-1)
        clipped = ops.clip(log_variance, -10.0, 10.0)
        divergence = 0.5 * ops.sum(ops.square(mean) + ops.exp(clipped) - 1.0 - clipped, axis=-1)
        self.add_loss(ops.mean(error + KL * divergence))
        return decoded


def _spread(z: Any) -> Any:
    centred = z - ops.mean(z, axis=0)
    count, size = ops.cast(ops.shape(z)[0], z.dtype), z.shape[-1]
    covariance = ops.matmul(ops.transpose(centred), centred) / (count - 1.0)
    deviation = ops.sqrt(ops.mean(ops.square(centred), axis=0) + 1e-4)
    off_diagonal = ops.sum(ops.square(covariance)) - ops.sum(ops.square(ops.diagonal(covariance)))
    return VARIANCE * ops.mean(ops.relu(1.0 - deviation)) + COVARIANCE * off_diagonal / size


def quantisers() -> ExitStack:
    """Learnt widths; weights and activations round and saturate."""
    scopes = ExitStack()
    scopes.enter_context(
        QuantizerConfigScope(place="all", default_q_type="kbi", b0=6, i0=2, overflow_mode="SAT_SYM", round_mode="RND")
    )
    scopes.enter_context(
        QuantizerConfigScope(place="datalane", default_q_type="kif", i0=4, f0=4, overflow_mode="SAT", round_mode="RND")
    )
    scopes.enter_context(LayerConfigScope(enable_ebops=True, beta0=BETA[0]))
    return scopes


def augmented(contract: InputContract, words: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """A view: pt smeared by a relative Gaussian, objects other than MET dropped, normalised for the model."""
    view, start = words.copy(), 0
    for collection in contract.collections:
        for _ in range(collection.count):
            pt = view[:, start]
            high = collection.fields[0].high
            pt[:] = np.clip(np.rint(pt * rng.normal(1, SMEARING, len(pt))), pt > 0, high)
            if collection.count > 1:
                view[rng.random(len(view)) < DROPPED, start : start + len(collection.fields)] = 0
            start += len(collection.fields)
    return normalised(contract, view)


def normalised(contract: InputContract, words: npt.NDArray[np.int64]) -> Floats:
    """The model's input values."""
    return contract.model_input.to_float(contract.normalise(words)).astype(np.float32)


def fit(model: Any, inputs: Any) -> None:
    """Train a model that adds its own losses."""
    steps = -(-TRAINING_EVENTS // BATCH) * EPOCHS
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps)))

    def beta(epoch: int) -> float:
        return float(BETA[0] * (BETA[1] / BETA[0]) ** (epoch / (EPOCHS - 1)))

    callbacks = [BetaScheduler(beta), FreeEBOPs()]
    model.fit(inputs, epochs=EPOCHS, batch_size=BATCH, callbacks=callbacks, verbose=0)


def train_backbone(contract: InputContract, words: npt.NDArray[np.int64]) -> list[Any]:
    """The frozen backbone's layers."""
    with quantisers():
        layers = [
            QDense(BACKBONE[0], activation="relu", name="backbone_0"),
            QDense(BACKBONE[1], enable_oq=True, name="backbone_out"),
        ]
        first, second = keras.Input((contract.words,)), keras.Input((contract.words,))
        views = [layers[1](layers[0](view)) for view in (first, second)]
    expander = [keras.layers.Dense(32, activation="relu"), keras.layers.Dense(32)]
    expanded = [expander[1](expander[0](view)) for view in views]
    rng = np.random.default_rng(SEED)
    model = keras.Model([first, second], VicregLoss()(expanded))
    fit(model, [augmented(contract, words, rng), augmented(contract, words, rng)])
    for layer in layers:
        layer.trainable = False
    return layers


def train_vae(backbone: list[Any], values: Floats) -> Any:
    """The whole model, sampling layer included, from words to the decoded embedding."""
    words = keras.Input((values.shape[1],), name="words")
    embedding = backbone[1](backbone[0](words))
    with quantisers():
        hidden = embedding
        for i, width in enumerate(ENCODER):
            hidden = QDense(width, activation="relu", name=f"encoder_{i}")(hidden)
        mean = QDense(LATENT, enable_oq=True, name="latent_mean")(hidden)
        log_variance = keras.layers.Dense(LATENT, name="latent_log_variance")(hidden)
        decoded = Sampling(name="sampling")([mean, log_variance])
        for i, width in enumerate(DECODER[:-1]):
            decoded = QDense(width, activation="relu", name=f"decoder_{i}")(decoded)
        decoded = QDense(DECODER[-1], enable_oq=True, name="decoder_out")(decoded)
    fit(keras.Model(words, VaeLoss()([embedding, decoded, mean, log_variance])), values)
    return keras.Model(words, decoded, name="vicreg_l1")


def output_grid(layers: list[Any]) -> FixedType:
    """The narrowest type that holds the outputs of all `layers`, by their quantisers."""
    bits = [layer.oq.quantizer.kif for layer in layers]
    integer, fraction = (max(int(ops.max(kif[part])) for kif in bits) for part in (1, 2))
    return FixedType(signed=True, width=1 + integer + fraction, integer=1 + integer)


def scores(model: Any, values: Floats) -> npt.NDArray[np.float64]:
    """`‖decoder - backbone‖²` (n, 1) of Keras's own layers, with the mean for the latent sample; summed in integers."""
    backbone = [model.get_layer(name) for name in ("backbone_0", "backbone_out")]
    grid = output_grid([backbone[1], model.get_layer("decoder_out")])
    embedding = grid.from_float(backbone[1](backbone[0](values)))
    difference = grid.from_float(model.predict(values, batch_size=4096, verbose=0)) - embedding
    return np.ldexp((difference**2).sum(axis=1, keepdims=True).astype(np.float64), -2 * grid.fraction)


def auc(background: npt.NDArray[np.float64], signal: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve."""
    ranks = rankdata(np.concatenate([background, signal]))[len(background) :]
    return float((ranks.sum() - len(signal) * (len(signal) + 1) / 2) / (len(signal) * len(background)))


def words_of(contract: InputContract, sample: str) -> npt.NDArray[np.int64]:
    """Words of a frozen sample."""
    columns = [collection.name for collection in contract.collections]
    return contract.encode(ak.Array(read_events(FROZEN / sample, columns)))


def train(project: Path) -> None:
    """Train both parts; write `model.keras` and `contract.json`."""
    keras.utils.set_random_seed(SEED)
    words = words_of(level1_contract(), ZERO_BIAS)[:TRAINING_EVENTS]
    contract = level1_contract().fit_normaliser(words)
    model = train_vae(train_backbone(contract, words), normalised(contract, words))
    project.mkdir(exist_ok=True)
    contract.save(project / "contract.json")
    model.save(project / "model.keras")


def freeze(project: Path) -> None:
    """Write the scores that the saved model's layers have in Keras on the test vectors."""
    contract, model = saved(project)
    physics = words_of(contract, ZERO_BIAS)[-MEASURED_EVENTS:][:1000]
    words = make_vectors(*contract.limits(), random=1000, saturating=250, seed=SEED, physics=physics).words
    outputs = scores(model, normalised(contract, words))
    np.savez_compressed(project / "framework.npz", words=words.astype(np.int16), outputs=outputs)


def measure(project: Path) -> None:
    """Write what the saved model reaches on crossings that it was not trained on."""
    contract, model = saved(project)
    background = scores(model, normalised(contract, words_of(contract, ZERO_BIAS)[-MEASURED_EVENTS:]))[:, 0]
    signals = [name for name, sample in find_samples(FROZEN).items() if not sample.background]
    figures = {
        "framework": f"HGQ2 on Keras {keras.__version__} ({keras.backend.backend()})",
        "seed": SEED,
        "training_events": TRAINING_EVENTS,
        "background_events": len(background),
        "auc": {
            name: auc(background, scores(model, normalised(contract, words_of(contract, name)))[:, 0])
            for name in signals
        },
    }
    (project / "training.json").write_text(json.dumps(figures, indent=1) + "\n")


def saved(project: Path) -> tuple[InputContract, Any]:
    """The contract and the model of a project."""
    return InputContract.load(project / "contract.json"), keras.saving.load_model(project / "model.keras")


def main() -> None:
    """Train unless told not to; write model, contract, Keras's own scores and the figures of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PROJECT, help="the project's folder")
    parser.add_argument("--no-training", action="store_true", help="freeze and measure the model that is there")
    arguments = parser.parse_args()
    if not arguments.no_training:
        train(arguments.out)
    freeze(arguments.out)
    measure(arguments.out)


if __name__ == "__main__":
    main()
