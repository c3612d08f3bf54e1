"""HGQ2 models with bits of their own for every element, without training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def scopes(overflow: str) -> Iterator[None]:
    """Quantisers of layers that are made inside: weights of 5 bits, tables of 8, data that overflows as named."""
    from hgq.config import LayerConfigScope, QuantizerConfigScope

    weights = QuantizerConfigScope(
        place="all", default_q_type="kbi", b0=5, i0=1, overflow_mode="SAT_SYM", round_mode="RND"
    )
    lanes = QuantizerConfigScope(
        place="datalane", default_q_type="kif", i0=3, f0=3, overflow_mode=overflow, round_mode="RND"
    )
    tables = QuantizerConfigScope(
        place="table", default_q_type="kif", i0=1, f0=6, overflow_mode="SAT", round_mode="RND"
    )
    with weights, lanes, tables, LayerConfigScope(enable_ebops=False):
        yield


def assign_bits(model: Any, seed: int) -> None:
    """Integer and fraction bits at random to every quantiser of data that has them element by element."""
    from hgq.quantizer import Quantizer

    rng = np.random.default_rng(seed)
    for quantiser in (layer for layer in model._flatten_layers() if isinstance(layer, Quantizer)):
        bits = {variable.path.rsplit("/", 1)[-1]: variable for variable in quantiser.quantizer.variables}
        if {"i", "f"} <= bits.keys() and np.prod(bits["i"].shape) > 1:
            bits["i"].assign(rng.integers(1, 4, bits["i"].shape).astype(np.float32))
            bits["f"].assign(rng.integers(0, 5, bits["f"].shape).astype(np.float32))


def spread_statistics(model: Any, seed: int) -> None:
    """Means, variances, scales, offsets and biases as training leaves them: neither 0 nor 1."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.rsplit("/", 1)[-1]
        if name == "moving_variance":
            variable.assign(rng.uniform(0.3, 3, variable.shape))
        elif name in ("moving_mean", "bn_gamma", "bn_beta", "bias"):
            variable.assign(rng.normal(0.2, 0.8, variable.shape))
