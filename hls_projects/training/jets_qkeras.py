"""Trains `jets_qkeras`, the 16-64-32-32-5 jet tagger with 6-bit weights and activations, with QKeras 0.9.

Run in the environment of tests/qkeras_zoo/requirements.txt, after jets_features.py:
`python hls_projects/training/jets_qkeras.py FEATURES.npz`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from qkeras import QActivation, QDense
from tensorflow.keras import Model, layers, regularizers

PROJECT = Path(__file__).parents[1] / "jets_qkeras"
HIDDEN, CLASSES = (64, 32, 32), 5
EPOCHS, BATCH, RATE, L1 = 30, 512, 2e-3, 1e-4
SEED = 1


def build() -> Any:
    """The quantised tagger; its outputs are logits."""
    inputs = x = layers.Input((16,), name="features")
    types = {"kernel_quantizer": "quantized_bits(6,0,alpha=1)", "bias_quantizer": "quantized_bits(6,0,alpha=1)"}
    for i, width in enumerate(HIDDEN):
        x = QDense(width, name=f"dense_{i}", kernel_regularizer=regularizers.l1(L1), **types)(x)
        x = QActivation("quantized_relu(6,2)", name=f"relu_{i}")(x)
    return Model(inputs, QDense(CLASSES, name="logits", **types)(x))


def one_against_rest(logits: Any, labels: Any) -> list[float]:
    """Area under the ROC curve of each class's softmax against all others."""
    softmax = tf.nn.softmax(logits).numpy()
    areas = []
    for k in range(CLASSES):
        order = np.argsort(np.argsort(softmax[:, k], kind="stable")) + 1.0
        signal = labels == k
        n_s, n_b = signal.sum(), (~signal).sum()
        areas.append(float((order[signal].sum() - n_s * (n_s + 1) / 2) / (n_s * n_b)))
    return areas


def main(source: Path) -> None:
    """Train; write `model.h5`, QKeras's own logits of the test vectors, and the figures of the training."""
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    data = np.load(source)
    cut = int(data["training"])
    model = build()
    steps = -(-cut // BATCH) * EPOCHS
    model.compile(
        tf.keras.optimizers.legacy.Adam(tf.keras.optimizers.schedules.CosineDecay(RATE, steps)),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(data["inputs"][:cut], data["labels"][:cut], BATCH, EPOCHS, verbose=0).history
    model.save(PROJECT / "model.h5", include_optimizer=False)
    outputs = model.predict(data["vectors"], batch_size=1000, verbose=0)
    np.savez_compressed(PROJECT / "framework.npz", words=data["vector_words"].astype(np.int32), outputs=outputs)
    held_out = data["labels"][cut:]
    logits = model.predict(data["inputs"][cut:], batch_size=1000, verbose=0)
    figures = {
        "framework": f"QKeras 0.9 on TensorFlow {tf.__version__}",
        "seed": SEED,
        "training_jets": cut,
        "loss": history["loss"][-1],
        "held_out_jets": len(held_out),
        "accuracy": float((logits.argmax(1) == held_out).mean()),
        "auc": dict(zip("gqwzt", one_against_rest(logits, held_out), strict=True)),
    }
    (PROJECT / "training.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
