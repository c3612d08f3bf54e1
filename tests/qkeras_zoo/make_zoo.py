"""Train the zoo with the real QKeras 0.9 and export every model with inputs and the outputs QKeras gives them.

Runs in the second environment (see requirements.txt); it does not import trigforge. For each model it writes
`<name>.h5` and `<name>.npz`: `mantissas` (int, n × words) of inputs on the grid of the type `kind`, and `outputs`
(n × words), which are those of the model loaded again from the file, called eagerly: `predict` lets the graph
optimiser reorder QKeras's `x + (q - x)`, which adds float32 noise of 1e-7 to some quantisers.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ.update(
    TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_DETERMINISTIC_OPS="1", TF_ENABLE_ONEDNN_OPTS="0"
)
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from qkeras.utils import load_qmodel  # noqa: E402
from zoo_models import CUSTOM, ZOO  # noqa: E402

EVENTS = 10_000
FROZEN = ("frozen", 1_500)


def grid(signed, width, integer, shape, events, seed):
    """Mantissas: all low, all high, zero, mixed extremes (saturating), small values, the rest uniform."""
    rng, words = np.random.default_rng(seed), int(np.prod(shape))
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    corners = np.array([[low] * words, [high] * words, [0] * words])
    extremes = np.where(rng.integers(0, 2, (events // 10, words)) == 1, low, high)
    small = np.clip(np.rint(rng.normal(0, 3, (events // 10, words))), low, high)
    spread = rng.integers(low, high + 1, (events - 2 * (events // 10), words))
    return np.concatenate([corners, extremes, small, spread]).astype(np.int32)


def train(model, inputs, seed):
    """A few steps, so that weights and moving statistics leave their initial values."""
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(512, *model.output_shape[1:])).astype(np.float32)
    batch = inputs[rng.integers(0, len(inputs), 512)]
    model.compile(optimizer=tf.keras.optimizers.Adam(1e-2), loss="mse")
    model.fit(batch, targets, batch_size=64, epochs=2, verbose=0, shuffle=False)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, entry) in enumerate(ZOO.items()):
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(seed)
        model = entry.build()
        signed, width, integer = entry.kind
        shape = model.input_shape[1:]
        mantissas = grid(signed, width, integer, shape, FROZEN[1] if name == FROZEN[0] else EVENTS, seed)
        inputs = np.ldexp(mantissas.astype(np.float32), integer - width).reshape(-1, *shape)
        train(model, inputs, seed)
        entry.finish(model)
        path = folder / f"{name}.h5"
        model.save(path, include_optimizer=False)
        outputs = np.asarray(load_qmodel(str(path), custom_objects=dict(CUSTOM), compile=False)(inputs, training=False))
        kind = f"{'' if signed else 'u'}fixed<{width},{integer},RND_CONV,SAT>"
        flat = outputs.reshape(len(outputs), -1)
        np.savez_compressed(folder / f"{name}.npz", mantissas=mantissas, outputs=flat, kind=np.array(kind))
        distinct = [len(np.unique(column)) for column in flat.T]
        sys.stdout.write(f"{name}: {flat.shape} outputs, {min(distinct)}..{max(distinct)} values each\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
