"""The loop that puts objects in order, compiled.

numba takes half a second to load, so this module is imported where it is used.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

kernel: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@kernel
def put_in_order(objects, by):  # type: ignore[no-untyped-def]
    """Sort the objects of every event (n, objects, fields) in place, field `by` falling.

    Where it is equal, objects that are not padding come first; what is equal in both keeps its order.
    """
    count, fields = objects.shape[1], objects.shape[2]
    keys, order, copy = np.empty(count, np.int64), np.empty(count, np.int64), np.empty((count, fields), objects.dtype)
    for event in range(len(objects)):
        rows = objects[event]
        sorted_already = True
        for i in range(count):
            there = 0
            for k in range(fields):
                there |= rows[i, k] != 0
            key = 2 * np.int64(rows[i, by]) + there
            at = i
            while at > 0 and keys[at - 1] < key:
                keys[at], order[at] = keys[at - 1], order[at - 1]
                at -= 1
                sorted_already = False
            keys[at], order[at] = key, i
        if not sorted_already:
            copy[:] = rows
            for i in range(count):
                for k in range(fields):
                    rows[i, k] = copy[order[i], k]
