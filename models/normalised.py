"""The normalised autoencoder (arXiv:2206.14225) and its Wasserstein variant (arXiv:2510.02168), quantised.

The reconstruction error is an energy, E(x) = ‖x - f(x)‖² with f = decoder ∘ encoder, of the density
p(x) ∝ exp(-E(x)/T) in the box of the inputs. What a plain autoencoder reconstructs although it was never shown it is
found by a Markov chain and pushed up. The chain is of the training alone: firmware is the autoencoder with its error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from trigforge.models.langevin import Box, Chain
from trigforge.models.settings import Quantisation
from trigforge.value import Value

Map = Callable[[Any], Any]
"""Maps TensorFlow tensors (n, …) to tensors."""


class Variant(StrEnum):
    """What the training lowers, with averages over a batch of data and over ends of chains, and γ `regularisation`."""

    PLAIN = "plain"
    """⟨E(data)⟩."""
    ENERGY = "energy"
    """⟨E(data)⟩ - ⟨E(chain)⟩ + γ (⟨E(data)²⟩ + ⟨E(chain)²⟩); the first two are the gradient of -T log p."""
    WASSERSTEIN = "wasserstein"
    """W₁(data, chain) + γ ⟨E(data)⟩, with the gradient through the steps of the chain."""


class Start(StrEnum):
    """Where a chain that does not go on from an earlier one starts."""

    DATA = "data"
    MANIFOLD = "manifold"
    """At the decoded end of a chain in the latent box (on-manifold initialisation)."""


class Normalised(Value):
    """Settings of a normalised autoencoder d - hidden - latent - hidden - d; every input value lies in `box`."""

    name: str = Field(default="normalised", pattern=r"^[a-z][a-z0-9_]*$")
    variant: Variant = Variant.WASSERSTEIN
    hidden: tuple[int, ...] = Field(default=(24,), min_length=1)
    latent: int = Field(default=3, ge=1, le=64)
    """The latent space is the box (-1, 1) of this dimension: compact, which costs firmware a saturation."""
    box: Box = Box()
    chain: Chain = Chain()
    start: Start = Start.DATA
    latent_chain: Chain = Chain(steps=5)
    """Of `Start.MANIFOLD`."""
    replay: float = Field(default=0.95, ge=0, le=1)
    """Probability that a chain goes on from where an earlier one ended."""
    buffer: int = Field(default=10_000, ge=1)
    """Ends of chains that are kept, at first uniform in the box; at least `batch`."""
    regularisation: float = Field(default=0.3, ge=0)
    pretraining: int = Field(default=80, ge=0)
    """Epochs of plain training first."""
    epochs: int = Field(default=10, ge=0)
    """Epochs of the variant's own training; of the plain one, more of the same."""
    batch: int = Field(default=256, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    """Of the pretraining, which falls to a tenth of it."""
    fine_rate: float = Field(default=1e-3, gt=0)
    """Of the variant's own training."""
    averaging: float = Field(default=0.99, gt=0, lt=1)
    """Momentum of the running mean of weights that the variant's own training ends with."""
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _settings_agree(self) -> Normalised:
        if self.buffer < self.batch:
            raise ValueError(f"buffer must be at least batch = {self.batch}, not {self.buffer}")
        if self.variant is Variant.WASSERSTEIN and self.chain.metropolis:
            raise ValueError("metropolis must be false for the Wasserstein variant: a refused step has no gradient")
        if any(chain.metropolis and chain.noise == 0 for chain in (self.chain, self.latent_chain)):
            raise ValueError("noise of a chain with metropolis must be positive, not 0")
        return self


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """`firmware`, a Keras model from words (n, d) to E (n, 1), and dense layers; the last of `encoder` is latent."""

    firmware: Any
    encoder: tuple[Any, ...]
    decoder: tuple[Any, ...]

    def unrounded(self) -> tuple[Map, Map]:
        """Encoder and decoder as maps of tensors, with weights as they are quantised now and activations unrounded.

        Chains walk on these: a fraction of the work, and slopes of the surface that the quantised energy follows.
        """
        return _dense(self.encoder, latent=True), _dense(self.decoder, latent=False)


def build_autoencoder(settings: Normalised, inputs: int, quantisation: Quantisation | None) -> Autoencoder:
    """The autoencoder of `inputs` words, every operation quantised; without `quantisation` its float twin.

    Activations saturate: an input outside the box cannot wrap to a small score. The error is exact from the two
    quantised operands of the difference on.
    """
    import keras

    if quantisation is None:
        return _connect(settings, inputs, *_float_layers(settings, inputs), keras.layers.Subtract, keras.layers.Dot)
    with quantisers(quantisation):
        from hgq.layers import QDot, QSubtract

        encoder, decoder = _quantised_layers(settings, inputs)
        return _connect(
            settings, inputs, encoder, decoder, QSubtract, lambda axes, name: QDot(axes, enable_iq=False, name=name)
        )


def quantisers(quantisation: Quantisation) -> Any:
    """HGQ's scope of learnt widths that start at those of `quantisation`; all saturate."""
    from contextlib import ExitStack

    from hgq.config import LayerConfigScope, QuantizerConfigScope

    lanes = {"i0": quantisation.activation_integer, "f0": quantisation.activation_fraction}
    scopes = ExitStack()
    for scope in (
        QuantizerConfigScope(
            place="all", default_q_type="kbi", b0=quantisation.weight_bits, i0=2, overflow_mode="SAT_SYM",
            round_mode="RND",
        ),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="SAT", round_mode="RND", **lanes),
        LayerConfigScope(enable_ebops=True, beta0=quantisation.beta_start),
    ):  # fmt: skip
        scopes.enter_context(scope)
    return scopes


def _dense(layers: tuple[Any, ...], latent: bool) -> Map:
    """A chain of dense layers; the last one's outputs are limited to the latent box."""
    from keras import ops

    weights = [(x.qkernel, x.qbias) if hasattr(x, "qkernel") else (x.kernel, x.bias) for x in layers]

    def run(x: Any) -> Any:
        for layer, (kernel, bias) in zip(layers, weights, strict=True):
            x = layer.activation(ops.matmul(x, kernel) + bias)
        return ops.clip(x, -1.0, 1.0) if latent else x

    return run


def _connect(
    settings: Normalised, inputs: int, encoder: list[Any], decoder: list[Any], subtract: Any, dot: Any
) -> Autoencoder:
    import keras

    words = decoded = keras.Input((inputs,), name="words")
    for layer in (*encoder, *decoder):
        decoded = layer(decoded)
    difference = subtract(name="difference")([words, decoded])
    score = dot(axes=1, name="score")([difference, difference])
    return Autoencoder(keras.Model(words, score, name=settings.name), tuple(encoder), tuple(decoder))


def _float_layers(settings: Normalised, inputs: int) -> tuple[list[Any], list[Any]]:
    from keras.layers import Dense

    encoder = [Dense(width, activation="relu", name=f"encoder_{i}") for i, width in enumerate(settings.hidden)]
    decoder = [Dense(width, activation="relu", name=f"decoder_{i}") for i, width in enumerate(settings.hidden[::-1])]
    latent = Dense(settings.latent, activation="hard_tanh", name="latent")
    return [*encoder, latent], [*decoder, Dense(inputs, name="decoder_out")]


def _quantised_layers(settings: Normalised, inputs: int) -> tuple[list[Any], list[Any]]:
    from hgq.config import QuantizerConfig
    from hgq.layers import QDense

    compact = QuantizerConfig("kif", "datalane", i0=0, f0=6, overflow_mode="SAT", round_mode="RND")
    encoder = [QDense(width, activation="relu", name=f"encoder_{i}") for i, width in enumerate(settings.hidden)]
    decoder = [QDense(width, activation="relu", name=f"decoder_{i}") for i, width in enumerate(settings.hidden[::-1])]
    latent = QDense(settings.latent, enable_oq=True, oq_conf=compact, name="latent")
    return [*encoder, latent], [*decoder, QDense(inputs, name="decoder_out")]
