"""Emulators for an experiment's software: a program as a package of C++ or C source, and foreign ones run on events."""

from __future__ import annotations

from trigforge.firmware.package.cpp_types import parse_input, parse_type
from trigforge.firmware.package.experiment import Experiment
from trigforge.firmware.package.load import EmulatorLibrary, load_emulator
from trigforge.firmware.package.package import FORMS, Package, write_package

__all__ = [
    "FORMS",
    "EmulatorLibrary",
    "Experiment",
    "Package",
    "load_emulator",
    "parse_input",
    "parse_type",
    "write_package",
]
