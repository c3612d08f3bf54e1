"""The headers of `ap_fixed` and `ap_int` that hls4ml brings along."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from trigforge.errors import MissingToolError

PLACE: Final = "templates/vivado/ap_types"


def ap_types() -> Path:
    """Their folder, found without importing hls4ml."""
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        raise MissingToolError("hls4ml must be installed for its ap_types headers; or give a folder with --ap-types")
    return Path(found.submodule_search_locations[0]) / PLACE
