"""What hls4ml 1.3.0 gets wrong when it writes for other tools than Vitis, mended while a project is written.

Each repair replaces one function of hls4ml for the time of a conversion and leaves the library as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trigforge.errors import InputError
from trigforge.firmware.vendor.hls_tools import HlsTool
from trigforge.firmware.vendor.quantisers import DIALECTS, Bits, lane_types, quantiser

QUARTUS_QUANTISERS = "firmware/nnet_utils/nnet_quantisers.h"


@contextlib.contextmanager
def repaired(tool: HlsTool) -> Iterator[None]:
    """Write a tool's project with quantisers that hls4ml lacks, and Libero's without a template its wheel lacks."""
    from hls4ml.backends.fpga.passes import hgq_proxy_model
    from hls4ml.writer.libero_writer import LiberoWriter

    with contextlib.ExitStack() as repairs:
        if tool.backend.lower() in DIALECTS:
            repairs.enter_context(_replaced(hgq_proxy_model, "generate_mask_fn", _mask_function))
        if tool.backend == "Libero":
            repairs.enter_context(_replaced(LiberoWriter, "write_build_script", _write_libero_scripts))
        yield


def finish(tool: HlsTool, graph: Any, folder: Path) -> None:
    """Mend the files that hls4ml wrote; they must not be written again by the graph."""
    if tool.backend == "Quartus":
        _add_quartus_quantisers(graph, folder)
    elif tool.backend == "Libero":
        _add_libero_quantisers(graph, folder)
        _size_libero_outputs(graph, folder)


def _add_quartus_quantisers(graph: Any, folder: Path) -> None:
    """Write the quantisers, which hls4ml's writer leaves out, and include them."""
    sources = _quantisers(graph, "quartus")
    if not sources:
        return
    guard = "NNET_QUANTISERS_H_"
    body = "\n".join([f"#ifndef {guard}", f"#define {guard}", "", "namespace nnet {", "", *sources, "}", "", "#endif"])
    (folder / QUARTUS_QUANTISERS).write_text(body + "\n")
    include = f'#include "{QUARTUS_QUANTISERS.removeprefix("firmware/")}"\n'
    _insert_after(folder / "firmware" / "parameters.h", '#include "nnet_utils/nnet_helpers.h"\n', include)


def _add_libero_quantisers(graph: Any, folder: Path) -> None:
    """Write the quantisers, whose code hls4ml's flow for Libero never makes, where its writer would have put them."""
    code = folder / "firmware" / "nnet_utils" / "nnet_code_gen.h"
    _insert_after(code, "// hls4ml insert code\n", "\n".join(_quantisers(graph, "libero")))


def _quantisers(graph: Any, dialect: str) -> list[str]:
    sources = []
    for node in graph.get_layers():
        if node.class_name == "FixedPointQuantizer":
            k, b, i = node.mask_kbi
            lanes = lane_types(tuple(node.get_input_variable().shape), k, b, i, node.RND, node.SAT)
            sources.append(quantiser(node.name, lanes, DIALECTS[dialect]))
    return sources


def _insert_after(path: Path, anchor: str, text: str) -> None:
    before, found, after = path.read_text().partition(anchor)
    if not found:
        raise InputError(f"{path} must contain {anchor.strip()!r}, as hls4ml 1.3.0 writes it")
    path.write_text(before + found + text + after)


def _size_libero_outputs(graph: Any, folder: Path) -> None:
    """Copy as many outputs as there are: hls4ml's loop over a Libero project's outputs runs over its inputs' size."""
    path = folder / "firmware" / f"{graph.config.get_project_name()}.cpp"
    text = path.read_text()
    wrong = graph.get_input_variables()[-1].size_cpp()
    for output in graph.get_output_variables():
        copy = f"{{\n        {output.name}_struct.data[i]"
        text = text.replace(f"i < {wrong}; i++) {copy}", f"i < {output.size_cpp()}; i++) {copy}")
    path.write_text(text)


def _mask_function(
    name: str,
    shape: tuple[int, ...],
    k: Bits,
    b: Bits,
    i: Bits,
    RND: str,  # noqa: N803
    SAT: str,  # noqa: N803
    backend: str,
) -> str:
    """hls4ml's `generate_mask_fn`, which is called with these names."""
    return quantiser(name, lane_types(shape, k, b, i, RND, SAT), DIALECTS[backend.lower()])


def _write_libero_scripts(_: Any, model: Any) -> None:
    """SmartHLS's two files, in place of those that need `templates/libero/build_lib.sh`."""
    config = model.config
    name, folder = config.get_project_name(), Path(config.get_output_dir())
    family, part, board, clock = (config.get_config_value(k) for k in ("FPGAFamily", "Part", "Board", "ClockPeriod"))
    (folder / "config.tcl").write_text(
        f"source $env(SHLS_ROOT_DIR)/examples/legup.tcl\n"
        f"set_project {family} {part} {board}\n"
        f"set_parameter CLOCK_PERIOD {clock:g}\n"
    )
    (folder / "Makefile").write_text(
        f"NAME = {name}\n"
        "LOCAL_CONFIG = -legup-config=config.tcl\n"
        f"SRCS = firmware/{name}.cpp {name}_test.cpp\n"
        "LEVEL = $(SHLS_ROOT_DIR)/examples\n"
        "include $(LEVEL)/Makefile.common\n"
    )


@contextlib.contextmanager
def _replaced(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, original)
