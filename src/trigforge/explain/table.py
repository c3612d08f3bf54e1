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
from trigforge.value import write_atomic


def write_table(path: Path, groups: Sequence[ExplainedGroup], program_digest: str) -> None:
    """Write one row an explained event; the file is complete or not there.

    `shap_<object>` and `shap_<word>` are contributions (float64), `error_<word>` standard errors, `numerator_<object>` /
    `denominator` the exact contributions of objects (int64), `without_<object>` the score without the object.
    """
    table = pa.concat_tables([_rows(group) for group in groups])
    table = table.replace_schema_metadata({"trigforge": json.dumps({"program": program_digest})})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


def _rows(group: ExplainedGroup) -> pa.Table:
    objects, words = group.found.objects, group.found.by_word
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
        columns[f"without_{name}"] = group.found.without[:, j]
    for j, name in enumerate(words.players):
        columns[f"shap_{name}"] = words.values[:, j]
        columns[f"error_{name}"] = words.errors[:, j]
    return pa.table(columns)
