"""Lowering of hls4ml's `ModelGraph` to an `IntegerProgram`, one rule a layer class."""

from trigforge.firmware.lowering.layer import Loss, Width
from trigforge.firmware.lowering.lower import Layer, Lowering, lower

__all__ = ["Layer", "Loss", "Lowering", "Width", "lower"]
