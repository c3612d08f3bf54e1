"""Complete HLS projects for vendor tools: hls4ml's C++, our scripts, and the emulation where g++ can compile it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from trigforge.errors import MissingToolError
from trigforge.firmware.frontends.conversion import Conversion, Source
from trigforge.firmware.hls import Csim, load_csim, tensor_sizes
from trigforge.firmware.vendor.hls_tools import HLS_TOOLS, HlsTool, backend_settings
from trigforge.firmware.vendor.process import run_logged
from trigforge.firmware.vendor.repairs import finish, repaired
from trigforge.firmware.vendor.scripts import hls_scripts, write_scripts

Convert = Callable[[Conversion], Source]
"""A front end with its model, such as `lambda conversion: convert_keras(model, conversion)`."""

COMPILE_SECONDS = 600
COMPILE_LOG = "compile.log"


@dataclass(frozen=True, slots=True)
class ToolConversion(Conversion):
    """A conversion for any of the HLS tools, with the keywords that its backend of hls4ml takes."""

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of hls4ml's `convert_from_*`."""
        return {
            "output_dir": str(self.folder),
            "project_name": self.name,
            "backend": self.backend,
            "io_type": "io_parallel",
            **backend_settings(HLS_TOOLS[self.backend.lower()], self.targets, f"ns_{self.name}"),
        }


@dataclass(frozen=True, slots=True)
class HlsProject:
    """A project on disk: its tool, its folder, its top function and the converted model."""

    tool: HlsTool
    folder: Path
    name: str
    source: Source


def write_hls_project(convert: Convert, conversion: Conversion, tool: HlsTool) -> HlsProject:
    """Convert a model for an HLS tool and write the complete project with our scripts.

    `conversion.targets.part` must be a device of the tool, else `InputError`; a quantiser that the tool cannot
    express exactly raises `InputError` with the reason.
    """
    wanted = ToolConversion(**{f.name: getattr(conversion, f.name) for f in fields(conversion)})
    wanted = replace(wanted, backend=tool.backend)
    wanted.settings()
    with repaired(tool):
        source = convert(wanted)
    finish(tool, source.graph, wanted.folder)
    write_scripts(hls_scripts(tool, wanted.name, wanted.targets), wanted.folder)
    return HlsProject(tool, wanted.folder, wanted.name, source)


def emulate(project: HlsProject) -> Csim:
    """Compile the project's own C++ with g++ and load it; other tools than those that `emulates` is true of raise
    `MissingToolError`. (`graph.compile()` would write the project anew, without our repairs.)
    """
    tool = project.tool
    if not tool.emulates:
        able = ", ".join(t.backend for t in HLS_TOOLS.values() if t.emulates)
        raise MissingToolError(
            f"the C++ of {tool.backend} must be compiled with its own headers ({', '.join(tool.programs)}); "
            f"with g++ alone: {able}"
        )
    if not shutil.which("g++"):
        raise MissingToolError(f"g++ must be installed to compile the project in {project.folder}")
    library = project.folder / "firmware"
    for old in library.glob(f"{project.name}-*.so"):
        old.unlink()
    run_logged(["bash", "./build_lib.sh"], project.folder, project.folder / COMPILE_LOG, COMPILE_SECONDS)
    return load_csim(project.folder, project.name, *tensor_sizes(project.source.graph))
