"""The errors that trigforge reports to its user.

`InputError` ends the command line with exit code 2, `CheckError` with 1; both print one line, never a traceback.
A message says what is wrong, where, what was expected and the remedy.
"""

from __future__ import annotations


class TrigforgeError(Exception):
    """Base of every error that a user can cause or mend."""


class InputError(TrigforgeError, ValueError):
    """What the user gave cannot be used: a value, a file, a folder, a configuration."""


class MissingToolError(InputError):
    """A program that the task needs is not installed, or too old."""


class ExactnessError(InputError):
    """A construct has no exact integer meaning, so it is refused rather than approximated."""


class CheckError(TrigforgeError):
    """A verification ran and failed."""
