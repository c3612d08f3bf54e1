"""RTL: a program's core as alkaid writes it, and the hand-written trigger around it."""

from __future__ import annotations

from trigforge.firmware.rtl.core import DESIGN_FILE, SUFFIX, DesignRecord, read_pipeline, read_rtl, write_rtl
from trigforge.firmware.rtl.settings import Algorithm, BusWrite
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.firmware.rtl.trigger_model import Decisions, Section, Stimulus, predict

__all__ = [
    "DESIGN_FILE",
    "SUFFIX",
    "Algorithm",
    "BusWrite",
    "Decisions",
    "DesignRecord",
    "Section",
    "Stimulus",
    "TriggerTop",
    "predict",
    "read_pipeline",
    "read_rtl",
    "write_rtl",
]
