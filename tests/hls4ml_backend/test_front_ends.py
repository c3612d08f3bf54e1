"""Every framework that hls4ml reads: prediction = hls4ml's csim, off the input's grid too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hls4ml
import numpy as np
from numpy.testing import assert_array_equal

from tests.hls4ml_backend.conftest import inputs
from tests.hls4ml_backend.test_command_line import run
from trigforge.firmware.program import IntegerProgram


def check(graph: Any, x: np.ndarray) -> None:
    graph.compile()
    prediction = graph.predict(x)
    assert_array_equal(prediction, graph._predict(x))
    assert len(np.unique(prediction)) > 100


def test_pytorch_convolution(tmp_path: Path) -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2)).eval()
    config = hls4ml.utils.config_from_pytorch_model(
        module, (2, 4, 3), granularity="name", backend="trigforge", default_precision="fixed<14,5,RND,SAT>"
    )
    graph = hls4ml.converters.convert_from_pytorch_model(
        module, hls_config=config, backend="trigforge", output_dir=str(tmp_path / "project")
    )
    check(graph, inputs(2000, 2, 4, 3))
    text = (tmp_path / "project" / "hls4ml_config.yml").read_text()
    assert "!!python" not in text  # hls4ml can then link the project again
    assert "PytorchModel" not in text


QKERAS = """
import hls4ml, keras, numpy as np, qkeras
from qkeras import qlayers
keras.utils.set_random_seed(1)
weights = {"kernel_quantizer": qkeras.quantized_bits(5, 1), "bias_quantizer": qkeras.quantized_bits(6, 2)}
given, between = (qlayers.QActivation(q) for q in (qkeras.quantized_bits(9, 4), qkeras.quantized_relu(6, 3)))
layers = [keras.Input((6,)), given, qlayers.QDense(5, **weights), between, qlayers.QDense(3, **weights)]
model = keras.Sequential(layers)
graph = hls4ml.converters.convert_from_keras_model(model, backend="trigforge", output_dir="project")
graph.compile()
x = np.random.default_rng(2).normal(0, 4, (2000, 6)).astype(np.float32)
assert (graph.predict(x) == graph._predict(x)).all()
assert (graph.predict(x) == model.predict(x, verbose=0)).all()
assert len(np.unique(graph.predict(x))) > 100
"""


def test_qkeras_api(tmp_path: Path) -> None:
    """In a process of its own: importing `qkeras.qlayers` takes the quantisers out of HGQ2's own layers."""
    command, environment = [sys.executable, "-c", QKERAS], {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert result.returncode == 0, result.stderr


def test_an_hgq2_file_named_in_yaml_gives_the_same_program(hgq: tuple[Any, Any], tmp_path: Path) -> None:
    folder = Path(hgq[1].config.get_output_dir())
    text = (folder / "hls4ml_config.yml").read_text()
    (tmp_path / "config.yml").write_text(text.replace(f"OutputDir: {folder}", f"OutputDir: {tmp_path / 'again'}"))
    run("convert", "-c", str(tmp_path / "config.yml"))
    program = Path("trigforge") / "program.json.gz"
    assert IntegerProgram.load(tmp_path / "again" / program).digest == IntegerProgram.load(folder / program).digest


def test_a_graph_saved_by_hls4ml_works_when_it_is_loaded(small: Any, tmp_path: Path) -> None:
    graph, x = small(output_dir=str(tmp_path / "saved"), check_vectors=0), inputs(50, 2)
    graph.save(tmp_path / "model.fml")
    loaded = hls4ml.converters.load_saved_model(tmp_path / "model.fml")
    loaded.config.config["OutputDir"] = str(tmp_path / "loaded")
    loaded.compile()
    graph.compile()
    assert_array_equal(loaded.predict(x), graph.predict(x))
    for name, values in graph.trace(x)[1].items():
        assert_array_equal(loaded.trace(x)[1][name], values)
