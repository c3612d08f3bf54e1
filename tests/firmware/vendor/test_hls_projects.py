"""One model for five HLS tools: complete projects, and outputs equal to the model's own word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trigforge.errors import ExactnessError, InputError, MissingToolError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras, predict
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.hls_projects import HlsProject, emulate, write_hls_project
from trigforge.firmware.vendor.hls_tools import HLS_TOOLS, backend_settings, find_hls_tool
from trigforge.firmware.vendor.quantisers import DIALECTS, LaneType, quantiser
from trigforge.firmware.vendor.scripts import RUN

from .conftest import INPUT_TYPE, mixed_model, vectors
from .host import host_emulate

EVENTS = 10_000


def write(model, tool: str, folder: Path, name: str) -> HlsProject:
    found = find_hls_tool(tool)
    conversion = Conversion(name, folder / name, INPUT_TYPE, Targets(part=found.example, clock_ns=4.0))
    return write_hls_project(lambda wanted: convert_keras(model, wanted), conversion, found)


@pytest.fixture(scope="module")
def expected(mixed):
    inputs = vectors(EVENTS)
    outputs = predict(mixed, inputs)
    assert len(np.unique(outputs, axis=0)) > 100
    return inputs, outputs


@pytest.fixture(scope="module")
def vitis(mixed, tmp_path_factory):
    """Two models with the same names of layers and weights, their Vitis projects and compiled simulations."""
    folder = tmp_path_factory.mktemp("vitis")
    projects = [(model, write(model, "vitis", folder, model.name)) for model in (mixed, mixed_model(2))]
    return [(model, project, emulate(project)) for model, project in projects]


def test_vitis_computes_the_models_word_for_word(vitis):
    for seed, (model, _, csim) in enumerate(vitis):
        inputs = vectors(EVENTS, seed)
        np.testing.assert_array_equal(csim(inputs), predict(model, inputs))


@pytest.mark.parametrize("tool", sorted(set(HLS_TOOLS) - {"vitis"}))
def test_every_tool_computes_the_model_word_for_word(tool, mixed, expected, tmp_path):
    project = write(mixed, tool, tmp_path, f"mixed_{tool}")
    compiled = emulate(project) if project.tool.emulates else host_emulate(project)
    np.testing.assert_array_equal(compiled(expected[0]), expected[1])
    assert (project.folder / RUN).stat().st_mode & 0o100


def test_hls4ml_alone_gives_oneapi_other_words(tmp_path):
    """The repair is needed: with hls4ml's own cast of 1-bit lanes outputs differ."""
    model = mixed_model(7)
    project = write(model, "oneapi", tmp_path, "unrepaired")
    code = project.folder / "src" / "firmware" / "nnet_utils" / "nnet_code_gen.h"
    inputs = vectors(EVENTS, 3)
    expected = predict(model, inputs)
    code.write_text(_hls4ml_one_bit(code.read_text()))
    assert (host_emulate(project)(inputs) != expected).any()


def _hls4ml_one_bit(text: str) -> str:
    """hls4ml's `ac_fixed<2, i>` in place of our cast by way of `ac_fixed<2, i + 1>`."""
    pattern = r"\{\s*ac_fixed<2, (-?\d+), (\w+), (\w+), (\w+)> wide = inp\[(\d+)\];.*?out\[\d+\] = wide;\s*\}"

    def cast(match: re.Match[str]) -> str:
        integer, signed, rounding, overflow, lane = match.groups()
        return f"out[{lane}] = ac_fixed<2, {int(integer) - 1}, {signed}, {rounding}, {overflow}>(inp[{lane}]);"

    changed, count = re.subn(pattern, cast, text, flags=re.DOTALL)
    assert count
    return changed


LOADER = """
import ctypes, sys
import numpy as np
inputs = np.load(sys.argv[1])
for name, library, out in zip(*[iter(sys.argv[2:])] * 3):
    globals()[name] = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)[name + "_double"], out
for name in sys.argv[2::3]:
    function, out = globals()[name]
    function.argtypes, function.restype = [ctypes.c_void_p] * 2, None
    outputs = np.empty((len(inputs), 3))
    for row, result in zip(inputs, outputs):
        function(row.ctypes.data, result.ctypes.data)
    np.save(out, outputs)
"""


def library_of(project: HlsProject) -> Path:
    (library,) = (project.folder / "firmware").glob("*.so")
    return library


def test_two_models_in_one_process_keep_their_own_weights(vitis, tmp_path):
    """Loaded with RTLD_GLOBAL, as CMSSW's plug-ins were when AXOL1TL fired on every event (cmssw#44435)."""
    inputs = vectors(2000)
    np.save(tmp_path / "inputs.npy", inputs)
    arguments = []
    for model, project, _ in vitis:
        arguments += [project.name, str(library_of(project)), str(tmp_path / f"{model.name}.npy")]
    subprocess.run([sys.executable, "-c", LOADER, str(tmp_path / "inputs.npy"), *arguments], check=True, timeout=120)
    expected = [predict(model, inputs) for model, _, _ in vitis]
    for (model, _, _), outputs in zip(vitis, expected, strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / f"{model.name}.npy"), outputs)
    assert (expected[0] != expected[1]).any()


def test_a_compiled_project_does_not_read_its_folder(vitis):
    for _, project, _ in vitis:
        library = library_of(project).read_bytes()
        assert str(project.folder).encode() not in library
        assert b"w3.txt" not in library


def test_settings_differ_by_backend():
    by_tool = {name: backend_settings(tool, Targets(part=tool.example), "ns_a") for name, tool in HLS_TOOLS.items()}
    namespaced = {name for name, settings in by_tool.items() if settings.get("namespace") == "ns_a"}
    assert namespaced == {"vitis", "libero"}
    assert all(not by_tool[name]["write_weights_txt"] for name in namespaced)
    assert set(by_tool["catapult"]) == {"part", "clock_period"}
    assert by_tool["libero"]["fpga_family"] == "PolarFire"
    soc = backend_settings(HLS_TOOLS["libero"], Targets(part="MPFS095T"), "ns_a")
    assert soc["fpga_family"] == "PolarFireSoC"


@pytest.mark.parametrize("tool", ["oneapi", "quartus", "libero"])
def test_a_device_of_another_vendor_is_refused(tool, tmp_path):
    conversion = Conversion("a", tmp_path / "a", INPUT_TYPE, Targets())
    with pytest.raises(
        InputError, match=r"targets.part must be a device that \w+ builds for, not 'xcvu13p-flga2577-2-e'"
    ):
        write_hls_project(lambda _: pytest.fail("nothing must be converted"), conversion, HLS_TOOLS[tool])


def test_unknown_tool_is_refused():
    with pytest.raises(InputError, match="one of vitis, oneapi, quartus, catapult, libero, not 'bambu'"):
        find_hls_tool("bambu")


def test_libero_gets_its_own_settings_and_makefile(mixed, tmp_path):
    folder = write(mixed, "libero", tmp_path, "settings").folder
    assert (folder / "config.tcl").read_text() == (
        "source $env(SHLS_ROOT_DIR)/examples/legup.tcl\nset_project PolarFire MPF300 hw_only\n"
        "set_parameter CLOCK_PERIOD 4\n"
    )
    assert "SRCS = firmware/settings.cpp settings_test.cpp\n" in (folder / "Makefile").read_text()


def test_hls4ml_is_left_as_it_was(mixed, tmp_path):
    from hls4ml.backends.fpga.passes import hgq_proxy_model
    from hls4ml.writer.libero_writer import LiberoWriter

    before = hgq_proxy_model.generate_mask_fn, LiberoWriter.write_build_script
    write(mixed, "libero", tmp_path, "after")
    assert (hgq_proxy_model.generate_mask_fn, LiberoWriter.write_build_script) == before


def test_emulation_without_the_vendor_headers_is_refused(mixed, tmp_path):
    project = write(mixed, "libero", tmp_path, "headers")
    with pytest.raises(MissingToolError, match=r"Libero must be compiled with its own headers \(shls\)"):
        emulate(project)


def test_a_symmetric_one_bit_lane_is_refused():
    lane = LaneType(signed=True, width=1, integer=1, rounding="RND", overflow="SAT_SYM")
    with pytest.raises(ExactnessError, match="lane 1 of the quantiser 'q' must have at least 2 bits"):
        quantiser("q", [LaneType(True, 0, 0, "RND", "SAT"), lane], DIALECTS["catapult"])
