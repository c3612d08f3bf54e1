"""Mismatching events as an event file that `trigforge emulate` and `trigforge compare` read."""

from __future__ import annotations

import os
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq

from trigforge.contract import Collection, InputContract
from trigforge.fixed import IntArray
from trigforge.recorded.accumulator import Examples
from trigforge.recorded.columns import Recorded


def write_examples(path: Path, contract: InputContract, recorded: tuple[Recorded, ...], examples: Examples) -> None:
    """Write examples as Parquet: objects, `words`, where the event was, and recorded and emulated integers.

    `entry` is the place in the input. Encoding the objects gives the words again, exactly.
    """
    columns = {
        "weight": np.ones(len(examples.entries)),
        "entry": examples.entries,
        **examples.places,
        **objects_of(contract, examples.words),
        "words": ak.from_regular(ak.Array(examples.words)),
    }
    for i, column in enumerate(recorded):
        known = ak.mask(ak.Array(examples.recorded[:, i]), examples.comparable[:, i] != 0)
        columns |= {f"recorded {column.label}": known, f"emulated {column.label}": examples.emulated[:, i]}
    table = ak.to_arrow_table(ak.zip(columns, depth_limit=1), extensionarray=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, scratch, write_page_checksum=True)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def objects_of(contract: InputContract, words: IntArray) -> dict[str, ak.Array]:
    """The collections of words (n, words) with all their objects, absent ones as zeros, so that none moves up."""
    found, start = {}, 0
    for c in contract.collections:
        block = words[:, start : start + c.width].reshape(len(words), c.count, len(c.fields))
        start += c.width
        found[c.name] = _collection(c, block)
    return found


def _collection(collection: Collection, block: IntArray) -> ak.Array:
    values = {f.name: block[:, :, i] * f.lsb for i, f in enumerate(collection.fields)}
    if collection.count == 1:
        return ak.zip({name: v[:, 0] for name, v in values.items()})
    return ak.zip({name: ak.from_regular(ak.Array(v)) for name, v in values.items()})
