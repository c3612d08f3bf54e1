"""The contributions of single events as a Parquet table."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trigforge.explain.study import ExplainedGroup
from trigforge.fixed import IntArray
from trigforge.value import write_atomic
from trigforge.weighted import FloatArray


def write_table(path: Path, groups: Sequence[ExplainedGroup], program_digest: str) -> None:
    """Write one row an explained event; the file is complete or not there.

    `shap_<object>` and `shap_<word>` are contributions (float64), `error_<word>` standard errors; words are null where
    they were not explained. The exact contributions of objects are `numerator_<object>` / `denominator` (int64), and
    `without_<object>` is the score without the object.
    """
    table = pa.concat_tables([_rows(group) for group in groups])
    table = table.replace_schema_metadata({"trigforge": json.dumps({"program": program_digest})})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


def _rows(group: ExplainedGroup) -> pa.Table:
    objects, words = group.objects, group.by_word
    count = len(group.events)
    columns = {
        "sample": [group.sample] * count,
        "kind": [group.kind.value] * count,
        "event": group.events,
        "drawn": group.copies,
        "score": objects.scores,
        "score_without_objects": np.full(count, int(objects.baseline)),
        "score_of_background": np.full(count, float(words.baseline)),
        "denominator": objects.denominators,
    }
    for j, name in enumerate(objects.players):
        columns[f"shap_{name}"] = objects.values[:, j]
        columns[f"numerator_{name}"] = objects.numerators[:, j]
        columns[f"without_{name}"] = group.without[:, j]
    for j, name in enumerate(words.players):
        columns[f"shap_{name}"] = _at(group.rows, words.values[:, j], count)
        columns[f"error_{name}"] = _at(group.rows, words.errors[:, j], count)
    return pa.table(columns)


def _at(rows: IntArray, values: FloatArray, count: int) -> pa.Array:
    """Values in these rows of `count`, null in the others."""
    column, empty = np.zeros(count), np.ones(count, dtype=np.bool_)
    column[rows], empty[rows] = values, False
    return pa.array(column, mask=empty)
