"""The loop that puts objects in order, compiled.

numba takes half a second to load, so this module is imported where it is used.
"""

from __future__ import annotations

from typing import Any

import numba

kernel: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@kernel
def put_in_order(objects, by):  # type: ignore[no-untyped-def]
    """Sort the objects of every event (n, objects, fields) in place, field `by` falling.

    Where it is equal, objects that are not padding come first; what is equal in both keeps its order.
    """
    for event in range(objects.shape[0]):
        for here in range(1, objects.shape[1]):
            at = here
            while at > 0 and _comes_before(objects[event, at], objects[event, at - 1], by):
                for k in range(objects.shape[2]):
                    word = objects[event, at, k]
                    objects[event, at, k] = objects[event, at - 1, k]
                    objects[event, at - 1, k] = word
                at -= 1


@kernel
def _comes_before(one, other, by):  # type: ignore[no-untyped-def]
    """Whether an object is harder than another, or as hard and the other is padding."""
    if one[by] != other[by]:
        return one[by] > other[by]
    if one[by] != 0:
        return False
    one_is_there = other_is_there = False
    for k in range(len(one)):
        one_is_there |= one[k] != 0
        other_is_there |= other[k] != 0
    return one_is_there and not other_is_there
