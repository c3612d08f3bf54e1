"""`hls4ml convert`, `build` and `report` with `Backend: trigforge`, every one in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hls4ml
import numpy as np
import pytest
from hls4ml import cli
from numpy.testing import assert_array_equal
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.hls4ml_backend.conftest import inputs
from trigforge.hls4ml_backend.command_line import read_config

CONFIG = """
Backend: trigforge
OnnxModel: {model}
OutputDir: {folder}
ProjectName: myproject
HLSConfig:
  Model:
    Precision: fixed<16,6,RND,SAT>
    ReuseFactor: 1
"""


def dense_model() -> ModelProto:
    rng = np.random.default_rng(1)
    weights = [rng.integers(-8, 9, shape).astype(np.float32) / 8 for shape in ((4, 5), (5, 2))]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w1"], ["y"], name="second"),
    ]
    tensors = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    values = {"x": (1, 4), "h": (1, 5), "r": (1, 5), "y": (1, 2), "w0": (4, 5), "w1": (5, 2)}
    infos = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()}
    between = [infos[name] for name in ("h", "r", "w0", "w1")]  # hls4ml asks for the shapes of all of them
    graph = helper.make_graph(nodes, "dense", [infos["x"]], [infos["y"]], tensors, value_info=between)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """hls4ml's own program."""
    program = Path(sys.executable).with_name("hls4ml")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [str(program), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)
    assert result.returncode == status, result.stderr
    return result


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A project that hls4ml's command line converted."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "model.onnx").write_bytes(dense_model().SerializeToString())
    (folder / "config.yml").write_text(CONFIG.format(model=folder / "model.onnx", folder=folder / "project"))
    run("convert", "-c", str(folder / "config.yml"))
    return folder / "project"


def test_a_converted_project_is_built_and_reported_without_its_model(project: Path) -> None:
    assert {p.name for p in (project / "trigforge").iterdir()} == {"interface.json", "program.json.gz", "rtl"}
    assert "must be built before it has a report; run" in run("report", "-p", str(project), status=2).stderr
    built = run("build", "-p", str(project), "-v", "--simulator", "icarus", "--vectors", "100").stdout
    for line in ("Status: Pass", "Top: top_myproject", "'program_vs_rtl': 0"):
        assert line in built
    assert run("report", "-p", str(project)).stdout == built
    assert "--simulator" in run("build", "-p", str(project), "-l").stdout


def test_the_converted_project_predicts_as_its_model(project: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.open", _closed)
        linked = hls4ml.converters.link_existing_project(str(project))
    linked.compile()
    first, second = (numpy_helper.to_array(w).astype(np.float64) for w in dense_model().graph.initializer)
    x = np.rint(inputs(5000, 4) * 8) / 8  # the types hold every product and sum
    assert_array_equal(linked.predict(x), np.maximum(x @ first, 0) @ second)


def _closed(path: Any, *args: Any, **keys: Any) -> Any:
    """hls4ml never closes the configuration file of a project that it links: here it is text in memory."""
    import io

    return io.StringIO(Path(path).read_text(encoding="utf-8"))


def test_mistakes_end_in_one_line(project: Path, tmp_path: Path) -> None:
    result = run("build", "-p", str(project), "-e", status=2)
    assert result.stderr.splitlines()[-1].startswith("error: export must be False: an IP package is made by Vivado")
    config = tmp_path / "config.yml"
    config.write_text("Backend: trigforge\nKerasH5: model.h5\n")
    assert f"error: {config} must name the model by 'KerasModel: " in run("convert", "-c", str(config), status=2).stderr
    interface = project / "trigforge" / "interface.json"
    hidden = interface.rename(tmp_path / "interface.json")
    try:
        assert (
            "must hold a project that the trigforge backend wrote" in run("build", "-p", str(project), status=2).stderr
        )
    finally:
        hidden.rename(interface)


def test_other_backends_go_their_own_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hls4ml_config.yml").write_text("Backend: Vitis\n")
    cli._build(type("Arguments", (), {"project": str(tmp_path), "list_options": False})(), [])
    assert "Backend Vitis does not support building projects." in capsys.readouterr().out


def test_models_in_a_configuration_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("Backend: Trigforge\nKerasModel: !keras_model no.keras\nShape: !!python/tuple [1, 2]\n")
    assert read_config(path) == {"Backend": "Trigforge", "KerasModel": "no.keras", "Shape": ["1", "2"]}
    assert read_config(tmp_path / "missing.yml") == {}


def test_importing_hls4ml_registers_the_backend_silently_and_loads_nothing_heavy() -> None:
    heavy = ("alkaid", "pydantic", "numba", "keras", "tensorflow", "torch", "cocotb", "click")
    code = (
        "import sys, hls4ml; assert 'trigforge' in hls4ml.backends.get_available_backends(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    environment = {**os.environ, "HLS4ML_BACKEND_PLUGINS": "trigforge.hls4ml_backend"}
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")
