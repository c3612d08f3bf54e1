"""RTL: a program's core as alkaid writes it, and what is hand-written around it: trigger, links, streams."""

from __future__ import annotations

from trigforge.firmware.rtl.core import DESIGN_FILE, SUFFIX, DesignRecord, read_pipeline, read_rtl, write_rtl
from trigforge.firmware.rtl.project_tops import Tops, read_tops, write_tops
from trigforge.firmware.rtl.register_model import predict_bus
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
    "Tops",
    "TriggerTop",
    "predict",
    "predict_bus",
    "read_pipeline",
    "read_rtl",
    "read_tops",
    "write_rtl",
    "write_tops",
]
