"""The models of the zoo: every supported layer and quantiser of QKeras 0.9, many to a model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from qkeras import (
    QActivation,
    QBatchNormalization,
    QConv1D,
    QConv2D,
    QConv2DBatchnorm,
    QDense,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QSeparableConv1D,
    QSeparableConv2D,
    binary,
    quantized_bits,
    quantized_po2,
    quantized_relu,
    quantized_relu_po2,
    quantized_sigmoid,
    quantized_tanh,
    stochastic_binary,
    stochastic_ternary,
    ternary,
)
from qkeras.qpooling import QAveragePooling2D, QGlobalAveragePooling2D
from tensorflow.keras import Model, Sequential, layers

BITS = {"kernel_quantizer": "quantized_bits(6,1,alpha=1)", "bias_quantizer": "quantized_bits(7,2)"}
SPREAD = {"bias_initializer": "random_uniform"}


def leave(model):
    """Keep what training gave."""


@dataclass(frozen=True)
class Entry:
    """A model, the input type (signed, width, integer bits), and what is set after training."""

    build: Callable
    kind: tuple = (True, 10, 4)
    finish: Callable = leave


def weights(quantizer, bias="quantized_bits(7,2)"):
    return {"kernel_quantizer": quantizer, "bias_quantizer": bias, **SPREAD}


def mlp():
    inputs = x = layers.Input((16,), name="words")
    x = QActivation("quantized_bits(8,3,alpha=1)", name="input_quantiser")(x)
    x = QDense(24, name="first", **weights("quantized_bits(6,1,alpha=1)"))(x)
    x = QActivation(quantized_relu(6, 2), name="relu1")(x)
    x = layers.Dropout(0.1)(x)
    x = QDense(20, activation="quantized_relu(5,1)", name="scaled", **weights("quantized_bits(5,0)"))(x)
    x = QDense(12, name="positive", **weights(quantized_bits(4, 1, keep_negative=False, alpha=1.0)))(x)
    x = QActivation("quantized_bits(7,3,1)", name="symmetric")(x)
    x = QDense(10, use_bias=False, name="symmetric_kernel", kernel_quantizer=quantized_bits(4, 0, 1, alpha=0.5))(x)
    x = QActivation(quantized_bits(6, 2, keep_negative=False, use_stochastic_rounding=True), name="unsigned")(x)
    return Model(inputs, QDense(5, name="logits", **weights("quantized_bits(8,1,alpha='auto_po2')"))(x))


def small_mlp():
    inputs = x = layers.Input((8,), name="words")
    x = QDense(12, activation="quantized_relu(6,2)", name="first", **weights("quantized_bits(6,1,alpha=1)"))(x)
    x = QActivation("quantized_tanh(5)", name="tanh")(x)
    return Model(inputs, QDense(3, name="logits", **weights("ternary()"))(x))


def signs():
    """Binary and ternary weights and activations, and their stochastic forms."""
    inputs = layers.Input((12,), name="words")
    x = QDense(16, name="mixed", **weights("quantized_bits(5,0,alpha=1)"))(inputs)
    activations = {
        "binary": "binary",
        "binary_scaled": binary(alpha=0.5),
        "binary_01": binary(use_01=True, alpha=1.0),
        "ternary": "ternary",
        "ternary_half": ternary(alpha=2.0, threshold=0.5),
        "ternary_zero": ternary(threshold=0.0),
        "stochastic_binary": "stochastic_binary",
        "stochastic_ternary": stochastic_ternary(),
        "one_bit": "quantized_bits(1,0)",
        "step": "binary_sigmoid",
        "sign": "binary_tanh",
    }
    kernels = [
        "binary(alpha=1)",
        "binary()",
        stochastic_binary(alpha=1.0),
        "stochastic_binary()",
        "ternary(alpha=1)",
        "ternary()",
        ternary(alpha=0.5, threshold=0.2),
        stochastic_ternary(alpha="auto_po2"),
        binary(use_01=True, alpha=1.0),
        ternary(alpha="auto_po2", use_stochastic_rounding=True),
        quantized_bits(1, 0, alpha=1.0),
    ]
    branches = [QActivation(a, name=name)(x) for name, a in activations.items()]
    dense = [
        QDense(3, name=f"kernel{i}", **weights(k, "binary(alpha=0.5)" if i % 2 else "ternary(alpha=1)"))(b)
        for i, (k, b) in enumerate(zip(kernels, branches, strict=True))
    ]
    return Model(inputs, layers.Concatenate(name="all")(dense))


def powers():
    """Powers of two as weights and as activations."""
    inputs = layers.Input((8,), name="words")
    x = QDense(12, name="mixed", **weights("quantized_po2(4)", "quantized_po2(4)"))(inputs)
    activations = [
        quantized_po2(4),
        quantized_po2(4, max_value=2),
        quantized_relu_po2(3),
        quantized_relu_po2(3, max_value=4),
        quantized_po2(4, use_stochastic_rounding=True),
        quantized_po2(4, log2_rounding="floor"),
        "quantized_bits(6,2)",
    ]
    kernels = [
        quantized_po2(4, max_value=2),
        quantized_relu_po2(3, max_value=1),
        quantized_relu_po2(3, negative_slope=0.25),
        quantized_po2(4, quadratic_approximation=True),
        quantized_po2(4, use_stochastic_rounding=True),
        quantized_po2(3, log2_rounding="floor"),
        "quantized_po2(4)",
    ]
    branches = [QActivation(a, name=f"act{i}")(x) for i, a in enumerate(activations)]
    dense = [
        QDense(3, name=f"kernel{i}", **weights(k))(b) for i, (k, b) in enumerate(zip(kernels, branches, strict=True))
    ]
    return Model(inputs, layers.Concatenate(name="all")(dense))


def curves():
    """Tanh, sigmoid and leaky slopes, and quantisers that follow one another or a plain activation."""
    inputs = layers.Input((10,), name="words")
    x = QDense(8, name="mixed", **weights("quantized_bits(6,1,alpha=1)"))(inputs)
    activations = [
        "quantized_tanh(6)",
        quantized_tanh(5, symmetric=True),
        quantized_tanh(4, use_real_tanh=True),
        "quantized_sigmoid(6)",
        quantized_sigmoid(5, symmetric=True),
        quantized_sigmoid(4, use_real_sigmoid=True),
        quantized_relu(7, 2, negative_slope=0.25),
        quantized_relu(5, 1, negative_slope=0.0625, use_stochastic_rounding=True),
        quantized_bits(6, 2, alpha=4.0),
        quantized_bits(5, 1, keep_negative=False),
    ]
    branches = [QActivation(a, name=f"act{i}")(x) for i, a in enumerate(activations)]
    leaky = layers.LeakyReLU(0.125, name="leaky")(x)
    plain = layers.Activation("relu", name="relu")(x)
    again = QActivation("quantized_bits(4,1)", name="again")(QActivation("quantized_bits(7,2)", name="once")(x))
    slope = QActivation(quantized_relu(4, 0, negative_slope=0.5), name="slope_again")(branches[0])
    limited = QActivation("quantized_relu(4,1)", name="limited")(layers.Activation("linear", name="linear")(plain))
    keras_relu = layers.ReLU(name="keras_relu")(branches[0])
    branches += [leaky, plain, again, slope, limited, keras_relu]
    joined = layers.Concatenate(name="all")(branches)
    out = QDense(6, name="logits", **weights("quantized_bits(4,0,alpha=1)"))(joined)
    return Model(inputs, layers.Concatenate(name="outputs")([out, joined]))


def sequence():
    """One-dimensional convolutions, pooling, and dense layers over the last axis."""
    inputs = x = layers.Input((12, 3), name="words")
    x = QConv1D(5, 3, padding="same", name="same", **BITS, **SPREAD)(x)
    x = QActivation("quantized_relu(6,2)", name="relu1")(x)
    x = layers.MaxPooling1D(2, name="max")(x)
    x = QSeparableConv1D(
        4, 2, depthwise_quantizer="quantized_bits(5,0,alpha=1)", pointwise_quantizer="quantized_bits(5,0)",
        bias_quantizer="quantized_bits(6,1)", activation="quantized_bits(7,2)", name="separable", **SPREAD,
    )(x)  # fmt: skip
    x = QConv1D(4, 2, strides=2, name="strided", **weights("quantized_bits(5,1)"))(x)
    x = QActivation("quantized_bits(7,2)", name="act2")(x)
    mean = layers.GlobalAveragePooling1D(name="mean")(layers.AveragePooling1D(2, strides=1, name="average")(x))
    x = QDense(4, name="over_last", **weights("quantized_bits(5,0,alpha=1)"))(x)
    x = QActivation("ternary", name="stairs")(x)
    x = layers.Flatten(name="flat")(x)
    x = QActivation("quantized_bits(3,1)", name="after_flat")(x)
    x = QDense(5, name="logits", **weights("quantized_bits(5,0)"))(x)
    return Model(inputs, layers.Concatenate(name="outputs")([x, mean]))


def image():
    """Two-dimensional convolutions and pooling."""
    inputs = x = layers.Input((8, 8, 2), name="words")
    x = QConv2D(4, (3, 3), padding="same", name="same", **BITS, **SPREAD)(x)
    x = QActivation("quantized_relu(5,2)", name="relu1")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="padded_max")(x)
    x = QDepthwiseConv2D(
        (2, 2), depth_multiplier=2, depthwise_quantizer="quantized_bits(5,0)", bias_quantizer="quantized_bits(6,1)",
        activation="quantized_bits(6,2)", name="depthwise", **SPREAD,
    )(x)  # fmt: skip
    x = QSeparableConv2D(
        4, (2, 2), padding="same", depthwise_quantizer="quantized_bits(4,0,alpha=1)", pointwise_quantizer="ternary()",
        bias_quantizer="quantized_bits(6,1)", name="separable", **SPREAD,
    )(x)  # fmt: skip
    x = QActivation("quantized_relu(6,3)", name="relu2")(x)
    x = QConv2D(4, 2, strides=(1, 1), name="valid", **weights("quantized_bits(5,0,alpha=1)"))(x)
    x = QActivation("quantized_tanh(5)", name="tanh")(x)
    best = layers.GlobalMaxPooling2D(name="best")(x)
    mean = layers.AveragePooling2D(2, name="average")(x)
    own = QAveragePooling2D(2, average_quantizer="quantized_bits(6,0)", activation="quantized_bits(5,0)", name="own")(x)
    whole = QGlobalAveragePooling2D(average_quantizer=quantized_bits(6, 0, alpha=1.0), name="whole")(x)
    parts = [best, layers.Flatten(name="flat_mean")(mean), layers.Flatten(name="flat_own")(own), whole]
    return Model(inputs, layers.Concatenate(name="outputs")(parts))


class QDenseBatchnorm(QDense):
    """A dense layer with folded batch normalisation, after `QConv2DBatchnorm`; QKeras 0.9.0 does not have it."""

    def __init__(self, units, epsilon=0.001, momentum=0.8, **options):
        super().__init__(units, **options)
        self.batchnorm = layers.BatchNormalization(epsilon=epsilon, momentum=momentum)

    def call(self, inputs, training=None):
        outputs = tf.matmul(inputs, self.kernel) + self.bias
        self.batchnorm(outputs, training=training)
        inverse = tf.math.rsqrt(self.batchnorm.moving_variance + self.batchnorm.epsilon) * self.batchnorm.gamma
        kernel = self.kernel_quantizer_internal(inverse * self.kernel)
        bias = inverse * (self.bias - self.batchnorm.moving_mean) + self.batchnorm.beta
        outputs = tf.matmul(inputs, kernel) + self.bias_quantizer_internal(bias)
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.batchnorm.epsilon, "momentum": self.batchnorm.momentum}


def folded():
    """Batch normalisation folded into convolutions and dense layers."""
    inputs = x = layers.Input((7, 7, 2), name="words")
    x = QActivation("quantized_bits(7,3)", name="input_quantiser")(x)
    x = QConv2DBatchnorm(4, 3, strides=2, momentum=0.8, name="ema", **BITS, **SPREAD)(x)
    x = QActivation("quantized_relu(6,2)", name="relu1")(x)
    x = QDepthwiseConv2DBatchnorm(
        (2, 2), momentum=0.8, depthwise_quantizer="quantized_bits(6,1,alpha=1)", bias_quantizer="quantized_bits(8,3)",
        name="depthwise", **SPREAD,
    )(x)  # fmt: skip
    x = QActivation("quantized_relu(6,3)", name="relu2")(x)
    x = QConv2DBatchnorm(
        5, 2, momentum=0.8, folding_mode="batch_stats_folding", activation="quantized_relu(5,2)", name="batch",
        **weights("quantized_bits(5,1)", "quantized_bits(8,3)"),
    )(x)  # fmt: skip
    x = layers.Flatten(name="flat")(x)
    x = QDenseBatchnorm(6, name="dense", **weights("quantized_bits(6,1,alpha=1)", "quantized_bits(8,3)"))(x)
    return Model(inputs, QActivation("quantized_bits(8,3)", name="last")(x))


def merges():
    """Merging, reshaping and permuting."""
    inputs = layers.Input((6, 4), name="words")
    a = QActivation("quantized_bits(6,3)", name="a")(inputs)
    b = QActivation("quantized_relu(5,2)", name="b")(inputs)
    c = QDense(4, name="c", **weights("quantized_bits(4,0,alpha=1)"))(a)
    merged = [
        layers.Add(name="add")([a, b, c]),
        layers.Subtract(name="subtract")([b, c]),
        layers.Multiply(name="multiply")([a, b]),
        layers.Average(name="average")([a, b]),
        layers.Maximum(name="maximum")([a, b, c]),
        layers.Minimum(name="minimum")([b, c]),
    ]
    stacked = layers.Concatenate(axis=1, name="stacked")([merged[0], merged[1]])
    turned = layers.Permute((2, 1), name="turned")(QActivation("quantized_bits(7,4)", name="quantised")(stacked))
    turned = QActivation("quantized_bits(4,2)", name="after_turn")(turned)
    shaped = layers.Reshape((4, -1), name="shaped")(turned)
    x = QDense(3, name="dense", **weights("quantized_bits(4,0)"))(layers.Flatten(name="flat0")(shaped))
    rest = [layers.Flatten(name=f"flat{i}")(m) for i, m in enumerate(merged, 1)]
    residual = layers.Add(name="residual")([x, QActivation("quantized_bits(5,3)", name="skip")(x)])
    return Model(inputs, layers.Concatenate(name="outputs")([x, residual, *rest]))


def normalised():
    """Batch normalisation with parameters on short grids; a sequential model."""
    return Sequential(
        [
            QConv2D(4, 2, input_shape=(5, 5, 2), name="conv", **BITS),
            layers.BatchNormalization(epsilon=2.0**-10, name="plain"),
            QActivation("quantized_relu(6,2)", name="relu1"),
            QBatchNormalization(
                epsilon=2.0**-10, name="mixed", gamma_quantizer="quantized_bits(6,1,alpha=1)",
                beta_quantizer="quantized_bits(6,1)", mean_quantizer="quantized_bits(6,1)", variance_quantizer=None,
            ),
            QActivation("quantized_bits(6,2)", name="act"),
            layers.Flatten(name="flat"),
            QDense(6, name="dense", **BITS),
            QBatchNormalization(
                epsilon=0.0, name="powers",
                gamma_quantizer="quantized_relu_po2(4,4)", beta_quantizer="quantized_po2(4)",
                mean_quantizer="quantized_po2(4)",
                variance_quantizer="quantized_relu_po2(4,quadratic_approximation=True)",
            ),
            QActivation("quantized_bits(9,4)", name="last"),
        ]
    )  # fmt: skip


def set_statistics(model):
    """Variances whose inverse roots are short: σ² + ε = 1/4, 1, 4 or 16."""
    rng = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.moving_variance.shape[0]
            layer.moving_variance.assign(4.0 ** rng.integers(-1, 3, size) - layer.epsilon)
            for variable in (layer.gamma, layer.beta, layer.moving_mean):
                variable.assign(np.rint(variable.numpy() * 16) / 16 + rng.integers(-8, 9, size) / 16)


def open_model():
    """Parameters that QKeras leaves in float: the reader needs types for them."""
    inputs = x = layers.Input((8,), name="words")
    x = QDense(6, kernel_quantizer="quantized_bits(6,1,alpha=1)", name="first", **SPREAD)(x)
    x = layers.BatchNormalization(momentum=0.8, name="norm")(x)
    x = QActivation("quantized_relu(6,2)", name="relu")(x)
    return Model(inputs, layers.Dense(3, name="last")(x))


ZOO = {
    "frozen": Entry(small_mlp, (True, 9, 4)),
    "mlp": Entry(mlp),
    "signs": Entry(signs, (True, 8, 3)),
    "powers": Entry(powers, (True, 8, 3)),
    "curves": Entry(curves, (True, 8, 3)),
    "sequence": Entry(sequence, (True, 8, 3)),
    "image": Entry(image, (True, 8, 3)),
    "folded": Entry(folded, (True, 9, 4)),
    "merges": Entry(merges, (True, 9, 4)),
    "normalised": Entry(normalised, (True, 8, 3), set_statistics),
    "open": Entry(open_model, (True, 8, 3)),
}
CUSTOM = {
    "QDenseBatchnorm": QDenseBatchnorm,
    "QAveragePooling2D": QAveragePooling2D,
    "QGlobalAveragePooling2D": QGlobalAveragePooling2D,
}
