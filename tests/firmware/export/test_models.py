"""Exported models: QONNX's execution = ONNX Runtime = program, word for word; the way back through our front end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exactness import make_values
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.errors import CheckError
from trigforge.firmware.export import check_exported, export_onnx, export_qonnx, run_exported
from trigforge.firmware.frontends.conversion import Conversion, Precision
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.frontends.onnx import convert_onnx
from trigforge.firmware.frontends.qkeras_h5 import convert_qkeras
from trigforge.firmware.lowering import lower
from trigforge.firmware.scores import KullbackLeibler, Score, SumOfSquares, Term, WeightedSum
from trigforge.fixed import FixedType, Overflow, Rounding

from .models import INPUT, check_export, image_model, lowered, perceptron

ZOO = Path(__file__).parents[2] / "qkeras_zoo" / "frozen"
LATENT = WeightedSum(
    terms=(
        Term(weight=-2.0, score=SumOfSquares(of="mean")),
        Term(weight=0.25, score=KullbackLeibler(mean="mean", log_variance="mean")),
    )
)


def way_back(path: Path, folder: Path, kind: FixedType = INPUT) -> None:
    """Convert an exported file with our own front end; its program gives the file's words."""
    source = convert_onnx(path, Conversion("again", folder / "again", kind))
    contract, lowering = lowered(source.graph, kind)
    values = make_values(kind, (contract.words,), seed=2)
    given = lowering.program.to_float(lowering.program(kind.from_float(values)))
    assert_array_equal(given, run_exported(path, values))


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


def test_a_model_with_bits_for_every_element(tmp_path: Path) -> None:
    graph = convert_keras(perceptron(), Conversion("mlp", tmp_path / "mlp", INPUT)).graph
    paths = check_export(graph, tmp_path)
    qonnx, plain = onnx.load(paths[export_qonnx]), onnx.load(paths[export_onnx])
    assert [(info.name, info.type.tensor_type.shape.dim[0].dim_value) for info in qonnx.graph.input] == [("words", 1)]
    assert plain.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [info.name for info in qonnx.graph.output] == list(graph.outputs)
    scales = {c.name: onnx.numpy_helper.to_array(c) for c in qonnx.graph.initializer}
    quants = [node for node in qonnx.graph.node if node.op_type == "Quant"]
    assert any(np.unique(scales[node.input[1]]).size > 1 for node in quants)
    assert all(scales[node.input[3]].ndim == 0 for node in quants)
    assert not any(node.domain for node in plain.graph.node)
    masks = [node.mask_kbi[1] for node in graph.graph.values() if node.class_name == "FixedPointQuantizer"]
    assert any((mask <= 0).any() for mask in masks)
    way_back(paths[export_qonnx], tmp_path)


def test_a_convolutional_model(tmp_path: Path) -> None:
    graph = convert_keras(image_model(), Conversion("picture", tmp_path / "picture", INPUT)).graph
    paths = check_export(graph, tmp_path)
    assert {"Conv", "MaxPool", "Div", "Add", "Concat", "MatMul"} <= operators(paths[export_qonnx])
    way_back(paths[export_qonnx], tmp_path)


@pytest.mark.parametrize("score", [SumOfSquares(of="mean"), LATENT], ids=["squares", "latent"])
def test_a_model_with_a_score(score: Score, tmp_path: Path) -> None:
    conversion = Conversion("scored", tmp_path / "scored", INPUT, score=score)
    paths = check_export(convert_keras(perceptron(), conversion).graph, tmp_path)
    if isinstance(score, SumOfSquares):
        way_back(paths[export_qonnx], tmp_path)
    else:
        assert "Gather" in operators(paths[export_qonnx])


def test_a_model_of_qkeras(tmp_path: Path) -> None:
    kind = FixedType(signed=True, width=9, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
    graph = convert_qkeras(ZOO / "frozen.h5", Conversion("qkeras", tmp_path / "qkeras", kind)).graph
    paths = check_export(graph, tmp_path, kind)
    way_back(paths[export_qonnx], tmp_path, kind)


def test_a_float_model_with_rounding_accumulators(tmp_path: Path) -> None:
    """hls4ml's plain post-training quantisation rounds every product, and the file does the same."""
    import keras

    keras.utils.set_random_seed(3)
    image = keras.Input((4, 3, 2), name="image")
    hidden = keras.layers.Conv2D(3, 2, activation="relu", name="conv")(image)
    model = keras.Model(image, keras.layers.Dense(3, name="head")(keras.layers.Flatten()(hidden)))
    precision = Precision(default="fixed<16,6,RND,SAT>", layers={"head": {"accum": "fixed<9,3>"}})
    graph = convert_keras(model, Conversion("ptq", tmp_path / "ptq", INPUT, precision=precision)).graph
    lowering = lowered(graph)[1]
    assert {str(width.loss) for width in lowering.widths if width.place == "accumulator"} == {"rounds", "wraps"}
    check_export(graph, tmp_path, exports=(export_onnx,))


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    graph = convert_keras(perceptron(), Conversion("mlp", tmp_path / "mlp", INPUT)).graph
    contract, lowering = lowered(graph)
    path = tmp_path / "deep" / "model.onnx"
    export_qonnx(graph, contract, lowering, path)
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert model.producer_name == "trigforge"
    assert properties["trigforge.input_type"] == "ap_fixed<8,4,RND_CONV,SAT>"
    assert properties["trigforge.contract_digest"] == contract.digest
    assert properties["trigforge.program_digest"] == lowering.program.digest
    assert properties["trigforge.output_types"].count("fixed<") == 8
    assert [p.name for p in path.parent.iterdir()] == ["model.onnx"]


def test_a_normaliser_stays_outside_and_is_checked(tmp_path: Path) -> None:
    graph = convert_keras(perceptron(), Conversion("mlp", tmp_path / "mlp", INPUT)).graph
    plain = InputContract.of_type("words", 5, INPUT)
    field = (
        plain.collections[0]
        .fields[0]
        .model_copy(update={"offset": 7, "shift": 3, "bits": 10, "low": -300, "high": 511})
    )
    collection = plain.collections[0].model_copy(update={"fields": (field,)})
    contract = plain.model_copy(update={"collections": (collection,)})
    lowering = lower(graph, contract)
    words = np.random.default_rng(1).integers(-300, 512, (10_000, 5))
    export_onnx(graph, contract, lowering, tmp_path / "model.onnx")
    check_exported(tmp_path / "model.onnx", contract, lowering.program, words)


def test_a_changed_file_fails_the_check(tmp_path: Path) -> None:
    graph = convert_keras(perceptron(), Conversion("mlp", tmp_path / "mlp", INPUT)).graph
    contract, lowering = lowered(graph)
    path = tmp_path / "model.onnx"
    export_onnx(graph, contract, lowering, path)
    model = onnx.load(path)
    bias: Any = next(c for c in model.graph.initializer if tuple(c.dims) == (5,))
    values = onnx.numpy_helper.to_array(bias).copy()
    values[2] += 2.0**-3
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, path)
    words = INPUT.from_float(make_values(INPUT, (5,), 1000))
    with pytest.raises(
        CheckError, match=r"must give the program's words: \d+ of 8024 differ, first event \d+, output \d: "
    ):
        check_exported(path, contract, lowering.program, words)
