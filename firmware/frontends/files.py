"""Saved models by their file's suffix."""

from __future__ import annotations

from pathlib import Path

from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion, Source
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.frontends.keras3_inference import load_keras
from trigforge.firmware.frontends.onnx import convert_onnx
from trigforge.firmware.frontends.qkeras_h5 import convert_qkeras

SUFFIXES = (".keras", ".h5", ".hdf5", ".onnx")


def convert_file(path: Path, conversion: Conversion, sampling: str = "") -> Source:
    """Convert a saved model and write its HLS project: `.keras` (Keras 3), `.h5` (QKeras 0.9), `.onnx` (QONNX, ONNX).

    `sampling` is the layer of a Keras VAE that is replaced by the mean. Raises `InputError` or `ExactnessError`.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path} must be a model file ({', '.join(SUFFIXES)}), not {path.suffix or 'without a suffix'!r}"
        )
    if sampling and path.suffix != ".keras":
        raise InputError(f"sampling must be given for Keras 3 models (.keras) only, not for {path}")
    match path.suffix:
        case ".keras":
            return convert_keras(load_keras(path, sampling), conversion)
        case ".onnx":
            if not path.is_file():
                raise InputError(f"{path} must be an ONNX file, but there is none; check the path")
            return convert_onnx(path, conversion)
        case _:
            return convert_qkeras(path, conversion)
