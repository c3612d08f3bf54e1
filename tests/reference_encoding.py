"""The words of events, formulated with whole padded arrays: slow and obviously right."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.contract import Collection, Field, InputContract, OutOfRange
from trigforge.errors import InputError
from trigforge.fixed import IntArray


def reference_encode(contract: InputContract, events: ak.Array, policy: OutOfRange) -> IntArray:
    """Words int64 (n, words)."""
    return np.concatenate([_encode(c, events[c.name], policy) for c in contract.collections], axis=1)


def _encode(collection: Collection, objects: ak.Array, policy: OutOfRange) -> IntArray:
    if objects.ndim == 1:
        objects = ak.unflatten(objects, 1)
    columns = []
    for field in collection.fields:
        values = ak.fill_none(ak.pad_none(objects[field.name], collection.count, axis=1, clip=True), 0.0)
        columns.append(_to_words(field, collection.name, ak.to_numpy(values).astype(np.float64), policy))
    return np.stack(columns, axis=2).reshape(len(objects), collection.width)


def _to_words(field: Field, owner: str, values: npt.NDArray[np.float64], policy: OutOfRange) -> IntArray:
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise InputError(f"{owner}.{field.name} must be finite, not {bad}")
    steps = np.rint(values / field.lsb)
    if field.cyclic:
        return np.mod(steps, field.high + 1).astype(np.int64)
    if policy is OutOfRange.REFUSE and ((steps < field.low) | (steps > field.high)).any():
        bad = values[(steps < field.low) | (steps > field.high)][0]
        raise InputError(
            f"{owner}.{field.name} must be in {field.low * field.lsb:g}..{field.high * field.lsb:g} {field.unit}, "
            f"not {bad:g}; the policy 'saturate' clips it"
        )
    return np.clip(steps, field.low, field.high).astype(np.int64)
