"""Random integer programs over all ALIR operations, for the tests of everything that evaluates programs."""

from __future__ import annotations

import numpy as np
from alkaid.trace import FVariable, FVArray

from trigforge.firmware.program import IntegerProgram, trace_program
from trigforge.fixed import FixedType, IntArray

OPERATIONS = (
    "matmul",
    "relu",
    "quantise",
    "product",
    "max",
    "and",
    "or",
    "xor",
    "not",
    "any",
    "table",
    "abs",
    "scale",
)


def random_program(seed: int, inputs: int = 4, depth: int = 5, width: int = 14) -> IntegerProgram:
    """A program of `depth` random layers on `inputs` words of random types, values cut to `width` bits."""
    rng = np.random.default_rng(seed)
    types = tuple(
        FixedType(signed=bool(rng.integers(2)), width=int(w), integer=int(rng.integers(1, w + 3)))
        for w in rng.integers(2, 9, inputs)
    )
    k = np.array([t.signed for t in types]).astype(int)
    i = np.array([t.integer - t.signed for t in types])
    f = np.array([t.fraction for t in types])
    words = values = FVArray.from_kif(k, i, f)
    for _ in range(depth):
        values = FVArray(np.array([_limited(v, width, rng) for v in apply(str(rng.choice(OPERATIONS)), values, rng)]))
    return trace_program(words, values, types)


def apply(operation: str, x: FVArray, rng: np.random.Generator) -> list[FVariable]:  # noqa: C901  (one case an operation)
    """One layer; the result has as many values as `x`, or more."""
    v = list(np.asarray(x))
    a, b = rng.integers(0, len(v), 2)
    match operation:
        case "matmul":
            return list(np.asarray(x @ (rng.integers(-9, 10, (len(v), 5)) / 2.0 ** rng.integers(0, 4))))
        case "relu":
            return list(np.asarray(x.relu()))
        case "quantise":
            mode = str(rng.choice(["WRAP", "SAT", "SAT_SYM"])), str(rng.choice(["TRN", "RND", "RND_CONV"]))
            return [
                u.quantize(int(rng.integers(2)), int(rng.integers(0, 4)), int(rng.integers(0, 4)), *mode) for u in v
            ]
        case "product":
            return [*v, v[a] * v[b]]
        case "max":
            return [*v, v[a].max_of(v[b]), v[a].min_of(v[b])]
        case "and" | "or" | "xor":
            return [*v, v[a].binary_bit_op(v[b], operation)]
        case "not" | "any":
            return [*v, v[a].unary_bit_op(operation)]
        case "table":
            short = v[a].quantize(int(rng.integers(2)), 2, 2)
            if short.low == short.high:
                return v
            size = round((short.high - short.low) / short.step) + 1
            return [*v, short.lookup(rng.integers(-20, 20, size) / 4.0)]
        case "abs":
            return [abs(u) for u in v]
        case _:
            return [u * 2.0 ** int(rng.integers(-3, 4)) for u in v]


def _limited(value: FVariable, width: int, rng: np.random.Generator) -> FVariable:
    """Keep values narrow, so that many layers fit into 62 bits."""
    k, i, f = value.kif
    if k + i + f <= width:
        return value
    return value.quantize(k, min(i, 8), width - 2 - min(i, 8), "SAT", str(rng.choice(["TRN", "RND"])))


def random_words(program: IntegerProgram, events: int, seed: int) -> IntArray:
    """Words over the whole range of every input, the extremes included."""
    low = np.array([t.low for t in program.inputs])
    high = np.array([t.high for t in program.inputs])
    body = np.random.default_rng(seed).integers(low, high + 1, (events, len(low)))
    return np.concatenate([body, low[None], high[None]])
