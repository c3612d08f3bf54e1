"""The HLS tools that hls4ml writes projects for, and what sets each of them apart: the one table of differences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from trigforge.errors import InputError
from trigforge.firmware.project import Targets

XILINX_PART: Final = r"x[acq]\w+-[\w-]+"
INTEL_PART: Final = r"(Agilex|Arria|Cyclone|MAX|Stratix)\w*|(1[0-9SX]|A[GN]|5[A-Z])[A-Z0-9]{6,}"
LIBERO_FAMILIES: Final = {"MPFS": "PolarFireSoC", "MPF": "PolarFire"}
"""Device families of Microchip by the beginning of the part; the longer beginning comes first."""


@dataclass(frozen=True, slots=True)
class HlsTool:
    """One HLS tool as a target of hls4ml."""

    backend: str
    """Name of hls4ml's backend."""
    vendor: str
    part: str
    """Regular expression of the devices that the tool builds for."""
    example: str
    """Such a device."""
    programs: tuple[str, ...]
    """Programs that build the project; any one of them will do."""
    namespace: bool
    """Whether hls4ml puts the model's symbols into a namespace of their own."""
    emulates: bool
    """Whether the project's C++ compiles with g++ and the headers that hls4ml brings along."""


HLS_TOOLS: Final = {
    "vitis": HlsTool("Vitis", "AMD", XILINX_PART, "xcvu13p-flga2577-2-e", ("vitis-run", "vitis_hls"), True, True),
    "oneapi": HlsTool("oneAPI", "Intel", INTEL_PART + r"|\w+:\w+", "Agilex7", ("icpx",), False, False),
    "quartus": HlsTool("Quartus", "Intel", INTEL_PART, "Arria10", ("i++",), False, True),
    "catapult": HlsTool("Catapult", "Siemens", XILINX_PART, "xcku115-flvb2104-2-i", ("catapult",), False, True),
    "libero": HlsTool("Libero", "Microchip", r"MPFS?\w+", "MPF300", ("shls",), True, False),
}


def find_hls_tool(name: str) -> HlsTool:
    """The HLS tool of that name; others raise `InputError`."""
    try:
        return HLS_TOOLS[name.lower()]
    except KeyError:
        raise InputError(f"the HLS tool must be one of {', '.join(HLS_TOOLS)}, not {name!r}") from None


def backend_settings(tool: HlsTool, targets: Targets, namespace: str) -> dict[str, Any]:
    """The keyword arguments by which hls4ml's backends differ; a device of another vendor raises `InputError`.

    Catapult's backend refuses keywords that it does not know; the other ones ignore them in silence.
    """
    check_part(tool.backend, tool.part, tool.example, targets)
    settings: dict[str, Any] = {"part": targets.part, "clock_period": targets.clock_ns}
    if tool.namespace:
        settings["namespace"] = namespace
        # Read from text files, weights would collide all the same: the reader is nnet's, of either model's folder.
        settings["write_weights_txt"] = False
    if tool.backend == "Libero":
        settings["fpga_family"] = next(f for start, f in LIBERO_FAMILIES.items() if targets.part.startswith(start))
        settings["smarthls_path"] = "$(SHLS_ROOT_DIR)"  # a variable of SmartHLS's own Makefiles, known where it runs
    return settings


def check_part(tool: str, pattern: str, example: str, targets: Targets) -> None:
    """Raise `InputError` unless the device is one that the tool builds for."""
    if not re.fullmatch(pattern, targets.part):
        raise InputError(
            f"targets.part must be a device that {tool} builds for, not {targets.part!r}; "
            f"set it in project.toml, such as {example!r}"
        )
