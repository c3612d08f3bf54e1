"""A small HGQ2 model whose quantisers differ from lane to lane, down to one bit and none, and its test vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from trigforge.fixed import FixedType

INPUT_TYPE = FixedType(signed=True, width=16, integer=8)
FRACTION = INPUT_TYPE.fraction


def mixed_model(seed: int, overflow: str = "SAT", rounding: str = "RND") -> Any:
    """6 words, 8 hidden units, 3 outputs; lanes of 0 to 8 bits."""
    import keras
    from hgq.config import LayerConfigScope, QuantizerConfigScope
    from hgq.layers import QDense

    keras.utils.set_random_seed(seed)
    weights = QuantizerConfigScope(
        place="all", default_q_type="kbi", b0=5, i0=1, overflow_mode="SAT_SYM", round_mode="RND"
    )
    lanes = QuantizerConfigScope(
        place="datalane", default_q_type="kif", i0=3, f0=4, overflow_mode=overflow, round_mode=rounding
    )
    with weights, lanes, LayerConfigScope(enable_ebops=False):
        words = hidden = keras.Input((6,), name="words")
        hidden = QDense(8, activation="relu", name="hidden")(hidden)
        hidden = QDense(3, enable_oq=True, name="scores")(hidden)
    model = keras.Model(words, hidden, name=f"mixed_{seed}")
    _spread_bits(model, seed)
    return model


def _spread_bits(model: Any, seed: int) -> None:
    """Give every lane its own bits, as training against EBOPs does: one hidden lane gets one bit, one none."""
    rng = np.random.default_rng(seed)
    hidden, scores = model.layers[1:]
    for quantiser, special in ((hidden._iq, 0), (scores._iq, 2), (scores._oq, 0)):
        bits = {v.path.rsplit("/", 1)[-1]: v for v in quantiser.quantizer.variables}
        integer = rng.integers(1, 4, bits["i"].shape)
        fraction = rng.integers(1, 6, bits["f"].shape)
        signed = np.array(bits["k"])
        signed[0, :special] = 0
        fraction[0, :special] = 1 - integer[0, :special] + [0, -1][:special]
        bits["k"].assign(signed)
        bits["i"].assign(integer.astype(np.float32))
        bits["f"].assign(fraction.astype(np.float32))


def vectors(count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Inputs (count, 6): random over the whole input type, around zero, all low, all high and zero."""
    rng = np.random.default_rng(seed)
    low, high = INPUT_TYPE.low, INPUT_TYPE.high
    wide = rng.integers(low, high + 1, (count // 2, 6))
    narrow = rng.integers(-1024, 1025, (count - count // 2 - 3, 6))
    corners = np.array([[low] * 6, [high] * 6, [0] * 6])
    return np.ldexp(np.concatenate([wide, narrow, corners]).astype(np.float64), -FRACTION)


@pytest.fixture(scope="session")
def mixed() -> Any:
    return mixed_model(1)
