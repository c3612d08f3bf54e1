"""The price of bits: how much EBOPs cost the training, by a schedule or by a controller that aims at a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trigforge.models.settings import Quantisation

PROPORTIONAL: Final = 1.0
INTEGRAL: Final = 0.2
DERIVATIVE: Final = 0.1
"""Gains of the controller, in decades of β a decade of EBOPs, for an error, its sum and its change an epoch."""
MARGIN: Final = 0.95
"""Share of the target that the controller aims at: EBOPs still move when the learning rate falls."""
REACH: Final = (1e-12, 1.0)


@dataclass(frozen=True, slots=True)
class Price:
    """β of the next epoch, and what the controller remembers: log10(EBOPs / aim) and its change in the last epoch."""

    beta: float
    error: float = 0.0
    change: float = 0.0


def scheduled(quantisation: Quantisation, done: float) -> float:
    """β when a fraction `done` of the training is over: log-linear behind the warm-up."""
    q = quantisation
    share = max(0.0, (done - q.warmup) / max(1.0 - q.warmup, 1e-9))
    return float(q.beta_start * (q.beta_end / q.beta_start) ** min(share, 1.0))


def controlled(price: Price, ebops: float, target: float) -> Price:
    """The price after an epoch that ended with `ebops`, to bring them to `target`: a PID controller in logarithms.

    `log β` moves by P·Δe + I·e + D·Δ²e with e = log10(EBOPs / aim), at most a decade an epoch.
    """
    error = float(np.log10(max(ebops, 1.0) / (MARGIN * target)))
    change = error - price.error
    step = PROPORTIONAL * change + INTEGRAL * error + DERIVATIVE * (change - price.change)
    return Price(float(np.clip(price.beta * 10.0 ** np.clip(step, -1, 1), *REACH)), error, change)


def set_beta(model: Any, beta: float) -> None:
    """Charge β for every EBOP of a model's layers."""
    for layer in model._flatten_layers():
        if getattr(layer, "_beta", None) is not None:
            layer._beta.assign(beta)


def ebops_of(model: Any) -> int:
    """EBOPs of a model's layers after their last training step."""
    from keras import ops

    priced = (layer for layer in model._flatten_layers() if getattr(layer, "enable_ebops", False))
    return sum(int(ops.convert_to_numpy(layer._ebops)) for layer in priced)
