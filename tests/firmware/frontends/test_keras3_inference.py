"""A saved VAE becomes its inference graph: the sampling layer dropped, its mean kept, no code of the file run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exactness import check_exact, make_values

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras, predict
from trigforge.firmware.frontends.keras3_inference import load_keras
from trigforge.firmware.scores import Reconstructed, ReconstructionError
from trigforge.fixed import FixedType, Overflow, Rounding

INPUT = FixedType(signed=True, width=8, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
WORDS = 5


@pytest.fixture(scope="module", params=["list", "positional"])
def vae(request, tmp_path_factory) -> tuple[Path, object]:
    """A VAE with its own sampling layer, and the same network without it, sharing its weights."""
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense

    class Draw(keras.layers.Layer):
        def call(self, *inputs):
            mean, log_variance = inputs[0] if isinstance(inputs[0], list | tuple) else inputs
            return mean + keras.ops.exp(log_variance / 2) * keras.random.normal(keras.ops.shape(mean))

    keras.utils.set_random_seed(5)
    with QuantizerConfigScope(
        place="datalane", default_q_type="kif", i0=3, f0=4, overflow_mode="SAT", round_mode="RND"
    ):
        words = keras.Input((WORDS,), name="words")
        hidden = QDense(6, activation="relu", name="hidden")(words)
        mean, spread = QDense(3, name="mean", enable_oq=True)(hidden), QDense(3, name="spread", enable_oq=True)(hidden)
        decoder = QDense(WORDS, name="decoded", enable_oq=True)
        drawn = Draw(name="z")([mean, spread]) if request.param == "list" else Draw(name="z")(mean, spread)
        model = keras.Model(words, decoder(drawn))
    path = tmp_path_factory.mktemp("vae") / "vae.keras"
    model.save(path)
    return path, keras.Model(words, [mean, decoder(mean)])


def test_the_decoder_follows_the_mean(vae) -> None:
    path, expected = vae
    values = make_values(INPUT, (WORDS,))
    np.testing.assert_array_equal(predict(load_keras(path, "z"), values), predict(expected, values)[:, 3:])


def test_a_saved_vae_is_scored_exactly(vae, tmp_path: Path) -> None:
    path, expected = vae
    score = ReconstructionError(decoded="decoded", groups=(Reconstructed(words=tuple(range(WORDS))),))
    conversion = Conversion("vae", tmp_path / "vae", INPUT, score=score)
    values = make_values(INPUT, (WORDS,))
    error = (values - predict(expected, values)[:, 3:]) * (values != 0)
    check_exact(convert_keras(load_keras(path, "z"), conversion), conversion, values, (error**2).sum(axis=1))


def test_custom_layers_and_broken_files_are_refused(vae, tmp_path: Path) -> None:
    path, _ = vae
    with pytest.raises(ExactnessError, match=r"layer 'z' of .* must be of Keras or HGQ2, not the custom class 'Draw'"):
        load_keras(path)
    with pytest.raises(InputError, match=r"sampling must name a layer of .*, not 'latent'"):
        load_keras(path, "latent")
    with pytest.raises(InputError, match=r"must be a Keras 3 model file .* there is none"):
        load_keras(tmp_path / "none.keras")
    short = tmp_path / "short.keras"
    short.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="must be a whole Keras 3 model file"):
        load_keras(short, "z")
