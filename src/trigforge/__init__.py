"""trigforge: from a trigger idea to verified firmware, calibrated rates and a trigger-level-analysis stream."""

from __future__ import annotations

from .errors import CheckError, ExactnessError, InputError, MissingToolError, TrigforgeError

__version__ = "0.1.0"

__all__ = [
    "CheckError",
    "ExactnessError",
    "InputError",
    "MissingToolError",
    "TrigforgeError",
    "__version__",
]
