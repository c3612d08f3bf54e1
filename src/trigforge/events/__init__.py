"""Events: one schema, its Parquet files, and readers for the field's formats that return it."""

from __future__ import annotations

from trigforge.events.files import iterate_events, read_events, read_metadata, write_events
from trigforge.events.schema import COLLECTIONS, KINEMATICS, check_events
from trigforge.events.words import iterate_words

__all__ = [
    "COLLECTIONS",
    "KINEMATICS",
    "check_events",
    "iterate_events",
    "iterate_words",
    "read_events",
    "read_metadata",
    "write_events",
]
