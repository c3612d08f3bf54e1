"""Compile oneAPI's and Libero's C++ with g++ and the headers of `host_headers`, to compare the arithmetic."""

from __future__ import annotations

import ctypes
import re
import subprocess
from importlib.resources import files
from pathlib import Path

from trigforge.firmware.hls import Csim, tensor_sizes
from trigforge.firmware.vendor.hls_projects import HlsProject

HEADERS = Path(__file__).with_name("host_headers")


def host_emulate(project: HlsProject) -> Csim:
    """The project's own C++ of network, types and weights; only the vendor's headers are replaced."""
    templates = Path(str(files("hls4ml"))) / "templates"
    if project.tool.backend == "oneAPI":
        root, types = project.folder / "src", templates / "quartus" / "ac_types"
        for path in (root / "firmware" / "weights").glob("*.h"):  # these ac_types have no constexpr constructors
            path.write_text(re.sub(r"static constexpr (\w+_t)", r"static const \1", path.read_text()))
    else:
        root, types = project.folder, templates / "vivado" / "ap_types"
    sources = [*(root / "firmware").glob("*.cpp"), *root.glob("*_bridge.cpp")]
    library = project.folder / f"{project.name}-host.so"
    command = ["g++", "-std=c++20", "-O0", "-w", "-fPIC", "-shared", "-DDEFAULT_FIFO_DEPTH=2"]
    command += [f"-I{path}" for path in (HEADERS, types, root)]
    compiled = subprocess.run(
        [*command, *map(str, sources), "-o", str(library)], capture_output=True, text=True, timeout=300, check=False
    )
    assert compiled.returncode == 0, compiled.stderr[:2000]
    inputs, outputs = tensor_sizes(project.source.graph)
    function = getattr(ctypes.CDLL(str(library)), f"{project.name}_double")
    function.argtypes = [ctypes.c_void_p] * (len(inputs) + len(outputs))
    function.restype = None
    return Csim(function, inputs, outputs)
