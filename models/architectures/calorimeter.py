"""The networks of calorimeter images: a convolutional autoencoder, and a small student with learnt widths.

Both take normalised words (n, φ·η), φ major.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from trigforge.models.settings import Quantisation
from trigforge.value import Value

Shape = tuple[int, int]

SUM_SHIFT: Final = 3
"""A sum over φ is scaled by 2⁻³, so that its values are of the size of its terms."""


class Autoencoder(Value):
    """Convolution 3×3 - pool 2×2 - convolution 3×3 - dense `latent`, and back, as the teacher of CICADA.

    Of odd sizes the pool leaves half, rounded down, and the decoder's last row is repeated. With `cyclic`, convolutions
    reach over the edge in φ.
    """

    filters: tuple[int, int] = (20, 30)
    latent: int = Field(default=80, ge=1)
    cyclic: bool = True


class Student(Value):
    """Convolution - sum over φ or all positions - dense - dense 1.

    The windows of `window` regions do not overlap. With `summed`, outputs are added over φ, so that a turn of the
    crossing by windows changes no score. The score has `score_fraction` fraction bits and saturates at 0 and 8.
    """

    filters: int = Field(default=3, ge=1)
    window: Shape = (2, 2)
    summed: bool = True
    hidden: int = Field(default=16, ge=1)
    score_fraction: int = Field(default=7, ge=0, le=13)


def build_autoencoder(settings: Autoencoder, shape: Shape) -> Any:
    """The float autoencoder of images of `shape` (φ, η)."""
    import keras
    from keras import layers

    first, second = settings.filters

    def convolved(x: Any, filters: int, name: str, activation: str | None = "relu") -> Any:
        if settings.cyclic:
            x = _around(x)
        padding = "valid" if settings.cyclic else "same"
        return layers.Conv2D(filters, 3, padding=padding, activation=activation, name=name)(x)

    words = keras.Input((shape[0] * shape[1],), name="words")
    x = convolved(layers.Reshape((*shape, 1))(words), first, "encoder_0")
    x = convolved(layers.AveragePooling2D(2, padding="same")(x), second, "encoder_1")
    pooled = tuple(x.shape[1:])
    x = layers.Dense(settings.latent, activation="relu", name="latent")(layers.Flatten()(x))
    x = layers.Dense(pooled[0] * pooled[1] * pooled[2], activation="relu", name="decoder_0")(x)
    x = convolved(layers.Reshape(pooled)(x), second, "decoder_1")
    x = convolved(layers.UpSampling2D(2)(x)[:, : shape[0], : shape[1]], first, "decoder_2")
    x = convolved(x, 1, "decoder_out", activation=None)
    return keras.Model(words, layers.Flatten()(x), name="teacher")


def _around(x: Any) -> Any:
    """Images (n, φ, η, c) with the last row in front, the first one behind, and a column of 0 on either side."""
    from keras import layers, ops

    x = ops.concatenate([x[:, -1:], x, x[:, :1]], axis=1)
    return layers.ZeroPadding2D((0, 1))(x)


def build_student(settings: Student, shape: Shape, quantisation: Quantisation) -> Any:
    """The quantised student of images of `shape` (φ, η), with learnt widths of weights and activations."""
    import keras
    from hgq.config import LayerConfigScope, QuantizerConfig, QuantizerConfigScope
    from hgq.layers import QConv2D, QDense, QEinsumDense

    lane = {
        "k0": False,  # nothing in this network is below 0
        "i0": quantisation.activation_integer,
        "f0": quantisation.activation_fraction,
        "overflow_mode": "SAT",
        "round_mode": quantisation.activation_rounding.value,
    }
    along = {"homogeneous_axis": (0, 1)}
    """One width for all of φ."""
    bits = {"b0": quantisation.weight_bits, "i0": quantisation.weight_integer}
    weights = QuantizerConfigScope(place="all", default_q_type="kbi", **bits, overflow_mode="SAT_SYM", round_mode="RND")
    lanes = QuantizerConfigScope(place="datalane", default_q_type="kif", **lane)
    with weights, lanes, LayerConfigScope(enable_ebops=True, beta0=quantisation.beta_start):
        images = QuantizerConfig("kif", "datalane", **lane, **along)
        score = QuantizerConfig("kif", "datalane", **{**lane, "i0": 3, "f0": settings.score_fraction})
        words = keras.Input((shape[0] * shape[1],), name="words")
        x = keras.layers.Reshape((*shape, 1), name="image")(words)
        x = QConv2D(
            settings.filters, settings.window, strides=settings.window, activation="relu", iq_conf=images, name="conv"
        )(x)
        rows, columns = x.shape[1], x.shape[2] * x.shape[3]
        if settings.summed:
            share = QuantizerConfig("kbi", "weight", b0=1, i0=1 - SUM_SHIFT, overflow_mode="SAT_SYM")
            constant = keras.initializers.Constant(2.0**-SUM_SHIFT)
            total = QEinsumDense(
                "bpq,p->bq", columns, kq_conf=share, iq_conf=images, kernel_initializer=constant, name="sum"
            )
            x = total(keras.layers.Reshape((rows, columns), name="rows")(x))
            total.kernel.trainable = total.kq.trainable = False
        else:
            x = keras.layers.Flatten(name="flat")(x)
        x = QDense(settings.hidden, activation="relu", name="hidden")(x)
        bias = QuantizerConfig("kbi", "bias", b0=3 + settings.score_fraction, i0=3, overflow_mode="SAT_SYM")
        x = QDense(1, bq_conf=bias, enable_oq=True, oq_conf=score, name="score")(x)
    return keras.Model(words, x, name="student")


def build_float_student(settings: Student, shape: Shape) -> Any:
    """The float network of the student's shape."""
    import keras
    from keras import layers

    words = keras.Input((shape[0] * shape[1],), name="words")
    x = layers.Reshape((*shape, 1), name="image")(words)
    x = layers.Conv2D(settings.filters, settings.window, strides=settings.window, activation="relu", name="conv")(x)
    if settings.summed:
        x = layers.AveragePooling2D((x.shape[1], 1), name="sum")(x)
    x = layers.Dense(settings.hidden, activation="relu", name="hidden")(layers.Flatten(name="flat")(x))
    x = layers.Dense(1, name="score")(x)
    return keras.Model(words, x, name="float_student")
