"""Trains `vicreg_l1`: a 57-29-10 backbone by VICReg (arXiv:2105.04906), then a VAE 10-9-6-4-6-9-10 on its output.

Run in trigforge's environment: `python hls_projects/training/vicreg_l1.py`; `--no-training` keeps the model that is
there.

The backbone learns what smearing, lost objects, a turn in φ and a reflection in η leave, as in AXOL1TL. Widths, weights
a neuron and integer bits below were chosen by a rule: of the models that were tried, those that `choose_pipeline` puts
at no more than 50 ns at 200 MHz, the trigger's two clocks behind the core included; of these, the one with the highest
mean AUC on zero-bias crossings 150 000 to 199 999 and the first half of each signal. None of these is trained on; the
figures of the training are those of the last 100 000 crossings and of all signal events.

On one thread, four runs gave one integer program; some learnt widths differed in their last bit, which is not rounded
away for certain.
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
import tensorflow
from hgq.config import LayerConfigScope, QuantizerConfig, QuantizerConfigScope
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
TRAINING_EVENTS, MEASURED_EVENTS = 150_000, 100_000
EPOCHS, BATCH, RATE = 6, 1024, 5e-3
INVARIANCE, VARIANCE, COVARIANCE, KL = 25.0, 25.0, 1.0, 0.02
SMEARING, DROPPED = 0.1, 0.1
BETA = (1e-4, 1e-3)
FAN_IN, FAN_IN_VAE = (19, 9), 3
"""Weights of a neuron that are not 0: the depth of its adder tree."""
INTEGER, INTEGER_VAE, INTEGER_DECODED = 5, 4, 4
"""Integer bits at the start. The embedding reaches further than the latent layers: what is hard saturates these, is not
reconstructed, and has a high score."""
ACCEPTED = 1 / 3000
"""Share of the background that is accepted: 10 kHz of 30 MHz of filled crossings."""
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


class FanIn(keras.constraints.Constraint):
    """Keeps the `count` largest weights of every neuron; the others are 0."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, w: Any) -> Any:
        """The kernel (inputs, neurons) with at most `count` weights a neuron."""
        size = ops.abs(w)
        least = ops.sort(size, axis=0)[-min(self.count, w.shape[0])]
        return ops.where(size >= least, w, 0.0)


def quantisers(integer: int) -> ExitStack:
    """Learnt widths, 2 bits for a weight and 1 fraction bit for an activation at the start; all saturate.

    Activations are rounded down, which needs no adder.
    """
    scopes = ExitStack()
    scopes.enter_context(
        QuantizerConfigScope(place="all", default_q_type="kbi", b0=2, i0=1, overflow_mode="SAT_SYM", round_mode="RND")
    )
    scopes.enter_context(QuantizerConfigScope(place="datalane", default_q_type="kif", **activation(integer)))
    scopes.enter_context(LayerConfigScope(enable_ebops=True, beta0=BETA[0]))
    return scopes


def quantised_output(integer: int) -> dict[str, Any]:
    """Arguments of a layer whose output is quantised, with its own integer bits."""
    return {"enable_oq": True, "oq_conf": QuantizerConfig("kif", "datalane", **activation(integer))}


def activation(integer: int) -> dict[str, Any]:
    """Widths and modes of an activation's quantiser before the training."""
    return {"i0": integer, "f0": 1, "overflow_mode": "SAT", "round_mode": "TRN"}


def augmented(contract: InputContract, words: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """A view: the event turned in φ and reflected in η, pt smeared, objects other than MET dropped; normalised."""
    view, start = words.copy(), 0
    turn, reflected = rng.random(len(view)), rng.random(len(view)) < 0.5
    for collection in contract.collections:
        for _ in range(collection.count):
            pt, eta, phi = view[:, start : start + len(collection.fields)].T
            here, around = (pt > 0) | (eta != 0) | (phi != 0), collection.fields[2].high + 1
            pt[:] = np.clip(np.rint(pt * rng.normal(1, SMEARING, len(pt))), pt > 0, collection.fields[0].high)
            eta[reflected] *= -1
            phi[here] = (phi + np.int64(turn * around))[here] % around
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
    first_kernel, second_kernel = ({"kernel_constraint": FanIn(count)} for count in FAN_IN)
    with quantisers(INTEGER):
        layers = [
            QDense(BACKBONE[0], activation="relu", name="backbone_0", **first_kernel),
            QDense(BACKBONE[1], name="backbone_out", **second_kernel, **quantised_output(INTEGER)),
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
    kernel = {"kernel_constraint": FanIn(FAN_IN_VAE)}
    with quantisers(INTEGER_VAE):
        hidden = embedding
        for i, width in enumerate(ENCODER):
            hidden = QDense(width, activation="relu", name=f"encoder_{i}", **kernel)(hidden)
        mean = QDense(LATENT, enable_oq=True, name="latent_mean", **kernel)(hidden)
        log_variance = keras.layers.Dense(LATENT, name="latent_log_variance")(hidden)
        decoded = Sampling(name="sampling")([mean, log_variance])
        for i, width in enumerate(DECODER[:-1]):
            decoded = QDense(width, activation="relu", name=f"decoder_{i}", **kernel)(decoded)
        out = QDense(DECODER[-1], name="decoder_out", **kernel, **quantised_output(INTEGER_DECODED))
        decoded = out(decoded)
    fit(keras.Model(words, VaeLoss()([embedding, decoded, mean, log_variance])), values)
    model = keras.Model(words, decoded, name="vicreg_l1")
    for layer in model.layers:
        layer.kernel_constraint = None  # of the training, not of the model
    return model


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


def efficiency(background: npt.NDArray[np.float64], signal: npt.NDArray[np.float64]) -> float:
    """Share of the signal above the lowest threshold that at most `ACCEPTED` of the background reaches."""
    allowed = int(ACCEPTED * len(background))
    return float((signal > np.sort(background)[-allowed - 1]).mean())


def words_of(contract: InputContract, sample: str) -> npt.NDArray[np.int64]:
    """Words of a frozen sample."""
    columns = [collection.name for collection in contract.collections]
    return contract.encode(ak.Array(read_events(FROZEN / sample, columns)))


def train(project: Path) -> None:
    """Train both parts; write `model.keras` and `contract.json`."""
    keras.utils.set_random_seed(SEED)
    tensorflow.config.experimental.enable_op_determinism()
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
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
    names = [name for name, sample in find_samples(FROZEN).items() if not sample.background]
    signals = {name: scores(model, normalised(contract, words_of(contract, name)))[:, 0] for name in names}
    figures = {
        "framework": f"HGQ2 on Keras {keras.__version__} ({keras.backend.backend()})",
        "seed": SEED,
        "training_events": TRAINING_EVENTS,
        "background_events": len(background),
        "auc": {name: auc(background, signal) for name, signal in signals.items()},
        "efficiency_at_10_khz": {name: efficiency(background, signal) for name, signal in signals.items()},
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
