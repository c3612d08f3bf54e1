"""The writer: hls4ml's Vitis HLS project, and beside it the integer program and its RTL."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from hls4ml.writer import VitisWriter

from trigforge.errors import InputError

OBJECTS: Final = ("OnnxModel", "PytorchModel")
"""Keys of hls4ml's configuration under which it keeps the model itself, or its file."""


class TrigforgeWriter(VitisWriter):  # type: ignore[misc]
    """Writes the project of a graph; a graph without exact integer meaning is refused before anything is written."""

    def write_hls(self, model: Any) -> None:
        """Write HLS, program, interface and RTL; RTL that cannot meet the device's clock is left out with a warning."""
        from trigforge.hls4ml_backend.files import lower_graph, save_project

        lowering, interface = lower_graph(model)
        super().write_hls(model)
        project = save_project(Path(model.config.get_output_dir()), lowering.program, interface)
        try:
            project.rtl()
        except InputError as error:
            warnings.warn(f"no RTL was written: {error}", stacklevel=2)
        if interface.may_wrap:
            warnings.warn(
                f"{len(interface.may_wrap)} types wrap for some inputs, first the {interface.may_wrap[0]}; csim and "
                "RTL wrap alike, but widen them or let them saturate (SAT) if that is not meant",
                stacklevel=2,
            )
        self.write_tar(model)

    def write_yml(self, model: Any) -> None:
        """Write the configuration without models that YAML cannot hold, so that hls4ml can link the project again."""
        config = model.config.config
        model.config.config = {k: _plain(v) for k, v in config.items() if k not in OBJECTS or isinstance(v, str)}
        try:
            super().write_yml(model)
        finally:
            model.config.config = config


def _plain(value: Any) -> Any:
    """Tuples as lists, which YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple | list) else value
