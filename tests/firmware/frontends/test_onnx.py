"""QONNX and ONNX: QONNX's execution = csim = program, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exactness import check_exact, make_values
from numpy.testing import assert_array_equal
from onnx import ModelProto, helper, numpy_helper
from onnx_models import Builder, codes, images, products, series, vectors

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.onnx import convert_onnx
from trigforge.firmware.frontends.onnx_graph import read_graph
from trigforge.firmware.frontends.onnx_tensors import Grid, constant_grid, fraction_bits, round_to
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType, Overflow, Rounding

INPUT = FixedType(signed=True, width=9, integer=5)


def conversion(folder: Path, **precision: Any) -> Conversion:
    return Conversion("model", folder / "hls", INPUT, precision=Precision(**precision))


@pytest.mark.parametrize(
    ("make", "shape"), [(images, (2, 5, 6)), (series, (3, 14)), (vectors, (4,)), (products, (3, 7)), (codes, (3, 6))]
)
def test_qonnx_execution_csim_and_program_agree(
    make: Callable[[], ModelProto], shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(make(), path)
    given, values = conversion(tmp_path), make_values(INPUT, shape)
    source = convert_onnx(path, given)
    assert source.framework == "QONNX"
    assert source.reference is not None
    assert len(np.unique(source.reference(values), axis=0)) > 1000
    check_exact(source, given, values)


def test_plain_onnx_takes_the_users_types(tmp_path: Path) -> None:
    """With types that hold every value, the float model's own execution; with a narrower weight, that weight's."""
    b = Builder()
    grid = lambda *shape: b.rng.integers(-15, 16, shape) / 8  # noqa: E731
    x = b("Relu", b("Gemm", "x", grid(4, 5), grid(5), name="/body/fc1"), name="act")
    x = b("Add", b("MatMul", x, grid(5, 3), name="fc2"), grid(3))
    model = b.model((1, 4), x)
    types = {"fc2": {"weight": "fixed<5,3,RND,SAT>"}}
    given = conversion(tmp_path, default="fixed<26,14>", layers=types)
    source = convert_onnx(model, given)
    assert source.reference is None
    weights = next(c for c in model.graph.initializer if tuple(c.dims) == (5, 3))
    rounded = np.clip(np.floor(numpy_helper.to_array(weights) * 4 + 0.5), -16, 15) / 4
    assert not np.array_equal(rounded, numpy_helper.to_array(weights))
    weights.CopyFrom(numpy_helper.from_array(rounded.astype(np.float32), weights.name))
    values = make_values(INPUT, (4,))
    lowering = check_exact(source, given, values, read_graph(model).reference(values))
    assert [layer.name for layer in lowering.layers] == ["x", "body_fc1", "act", "fc2"]


def test_a_users_type_in_a_quantised_model_ends_its_reference(tmp_path: Path) -> None:
    b = Builder()
    x = b("MatMul", b.quant("x", 0.125, 7), b.weights((4, 2), 0.125, 4), name="fc")
    model = b.model((1, 4), b("Add", x, b.rng.normal(size=2)))
    with pytest.raises(ExactnessError, match=r"^bias of layer 'fc' .* float32 .*precision\.layers\.fc$"):
        convert_onnx(model, conversion(tmp_path))
    source = convert_onnx(model, conversion(tmp_path, layers={"fc": {"bias": "fixed<8,2,RND,SAT>"}}))
    assert source.reference is None
    assert str(source.graph.graph["fc"].weights["bias"].type.precision) == "fixed<8,2,RND,SAT,0>"


def test_a_users_type_among_codes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ExactnessError, match=r"'model' must have power-of-two scales where the precision types its lay"
    ):
        convert_onnx(codes(), conversion(tmp_path, layers={"hidden": {"result": "fixed<8,4>"}}))


def _one(kind: str, *inputs: Any, shape: tuple[Any, ...] = (1, 4), **attributes: Any) -> ModelProto:
    """A quantised input and one node behind it."""
    b = Builder()
    x = b.quant("x", 0.125, 7)
    return b.model(shape, b(kind, x, *inputs, name="n", **attributes))


def _quant(**given: Any) -> ModelProto:
    b = Builder()
    return b.model((1, 4), b.quant("x", **{"scale": 0.5, "bits": 4, "name": "n", **given}))


def _scaled(bias: float = 0.0, b_weights: float = 0.0, pool: bool = False) -> ModelProto:
    """A convolution of codes whose unit is no power of two."""
    b = Builder()
    weights = np.full((2, 2, 1), b_weights) if b_weights else b.weights((2, 2, 1), [[[0.3]], [[0.317]]], 4)
    x = b("Conv", b.quant("x", 0.317, 6), weights, *([[bias, 0.0]] if bias else []), name="n")
    x = b("MaxPool", x, kernel_shape=[2], name="pool") if pool else x
    return b.model((1, 2, 4), b.quant(x, 0.5, 3))


def _product(kind: str = "MatMul", shape: tuple[int, ...] = (1, 4), **attributes: Any) -> ModelProto:
    """A tensor times itself."""
    b = Builder()
    x = b.quant("x", 0.125, 7)
    return b.model(shape, b(kind, x, x, name="n", **attributes))


def _part(kind: str, *inputs: Any, **attributes: Any) -> ModelProto:
    """A part of a batch of vectors of four."""
    b = Builder()
    x = b.quant("x", 0.125, 7)
    return b.model((1, 4), b(kind, x, *(b.constant(i, np.int64) for i in inputs), name="n", **attributes))


def _quotient() -> ModelProto:
    b = Builder()
    x = b.quant("x", 0.125, 7)
    return b.model((1, 4), b("Div", x, x, name="n"))


def _qdq(scale: float = 0.125, clip: tuple[int, int] = (-128, 127)) -> ModelProto:
    b = Builder()
    codes = b("QuantizeLinear", "x", 0.125, b.constant(0, np.int8), name="n")
    codes = b("Clip", codes, *(b.constant(limit, np.int8) for limit in clip))
    return b.model((1, 4), b("DequantizeLinear", codes, scale, b.constant(0, np.int8)))


def _wide_table() -> ModelProto:
    b = Builder()
    x = b("Tanh", b.quant("x", 0.125, 7), name="skip")
    return b.model((1, 4), b.quant(b("Tanh", b("Mul", b.quant(x, 2.0**-7, 8), 1 + 2.0**-8), name="n"), 0.125, 4))


def _constant_output() -> ModelProto:
    b = Builder()
    x = b.quant("x", 0.125, 7)
    return b.model((1, 4), x, b.weights((1, 4), 0.5, 4))


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (
            _quant(scale=0.3, bits=1),
            ExactnessError,
            r"^the scale of node 'n' \(Quant\) must be a power of two, not 0\.3",
        ),
        (
            _quant(scale=0.3, zero=1.0),
            ExactnessError,
            r"^node 'n' \(Quant\) must have one scale, no zero point and roun",
        ),
        (
            _quant(scale=0.3, bits=8),
            ExactnessError,
            r"^node 'n' \(Quant\) must not hang on float32's own .* of two codes",
        ),
        (_quant(scale=0.317), ExactnessError, r"^output 'tensor0' .* not be multiples of 0\.317.*; put a fixed-point"),
        (
            _scaled(bias=0.1),
            ExactnessError,
            r"^the bias of node 'n' \(Conv\) must be quantised with the product of the",
        ),
        (_scaled(b_weights=0.3), ExactnessError, r"^the weights of node 'n' \(Conv\) must be quantised, like what ent"),
        (_scaled(pool=True), ExactnessError, r"^what enters node 'pool' \(MaxPool\) must have one scale, not one a"),
        (_quant(narrow=1, signed=0), ExactnessError, r"^node 'n' \(Quant\) must be signed .* to be narrow"),
        (_quant(rounding_mode="CEIL"), ExactnessError, r"^the rounding mode of node 'n' .* not 'CEIL'"),
        (_quant(zero=0.5), ExactnessError, r"^node 'n' \(Quant\) must have one whole bit width and whole zero"),
        (_one("Sigmoid"), ExactnessError, r"^the result of node 'n' \(Sigmoid\) must be quantised"),
        (_one("Exp"), ExactnessError, r"^the result of node 'n' \(Exp\) must be quantised"),
        (_qdq(scale=0.25), InputError, r"^node 'n' \(QuantizeLinear\) must be followed by a DequantizeLinear alone"),
        (_qdq(clip=(-5, 9)), ExactnessError, r"^node 'n' \(QuantizeLinear\) must clip to the codes .* not to -5\.\.9"),
        (_wide_table(), ExactnessError, r"^what enters node 'n' \(Tanh\) must fit into 14 bits .* needs 17"),
        (_one("Add", [0.1, 0.2, 0.3, 0.4]), ExactnessError, r"^bias of layer 'n' must be quantised"),
        (_quotient(), ExactnessError, r"^node 'n' \(Div\) must divide by a constant"),
        (
            _one("AveragePool", shape=(1, 2, 6), kernel_shape=[3]),
            ExactnessError,
            r"must average a power of two .* \[3\]",
        ),
        (_one("MaxPool", shape=(1, 2, 6), kernel_shape=[2], ceil_mode=1), InputError, r"must have neither ceil_mode"),
        (_product(), InputError, r"^node 'n' \(MatMul\) must multiply matrices of every event, .* \(4,\) and \(4,\)"),
        (_product("Gemm"), InputError, r"^the matrix of node 'n' \(Gemm\) must be constant"),
        (_product("Einsum", equation="bi,ci->bc"), InputError, r"^node 'n' \(Einsum\) must .* not 'bi,ci->bc'"),
        (_product("Einsum", (1, 2, 2), equation="bij,bkj->bj"), InputError, "must multiply two .* not 'bij,bkj->bj'"),
        (_part("Gather", [0], axis=0), InputError, r"^node 'n' \(Gather\) must take .* not \[0\] along axis 0"),
        (_part("Gather", 2, axis=1), InputError, r"^node 'n' \(Gather\) must leave an axis behind the batch"),
        (_part("Slice", [0], [1], [0]), InputError, r"^node 'n' \(Slice\) must keep the batch axis .* 0\.\.1 of it"),
        (_part("Slice", [3], [2], [1]), InputError, r"^node 'n' must take at least one element of an axis of 4"),
        (_part("Split", [1], axis=0), InputError, r"^node 'n' \(Split\) must keep the batch axis whole"),
        (_one("Softmax"), InputError, r"^node 'n' \(Softmax\) has no exact conversion; drop it"),
        (_one("Sin"), InputError, r"^node 'n' \(Sin\) has no exact conversion; supported: Abs, "),
        (_one("Transpose", shape=(1, 4), perm=[1, 0]), InputError, r"^node 'n' \(Transpose\) must keep the batch axis"),
        (_one("Concat", shape=(1, 4), axis=0), InputError, r"^node 'n' \(Concat\) must join .* not along 0"),
        (_constant_output(), InputError, r"^output 'tensor1' of the ONNX model must depend on its input"),
        (_one("Relu", shape=(1, "width")), InputError, r"^axis 1 of input 'x' .* fixed size, not 'width'"),
        (_one("Relu", shape=(4,)), InputError, r"^input 'x' .* must have a shape of a batch axis and more"),
    ],
)
def test_what_has_no_exact_meaning_is_refused(
    model: ModelProto, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        convert_onnx(model, conversion(tmp_path))


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ({}, "must have quantisers or a precision; set precision.default"),
        ({"default": "sixteen"}, "precision.default must be a type such as 'fixed<16,6,RND,SAT>', not 'sixteen'"),
        ({"default": "float"}, "precision.default: the type .* must be fixed point"),
        (
            {"default": "fixed<16,6>", "layers": {"fc9": {"weight": "fixed<4,2>"}}},
            r"layers of the model \(x, fc\), not 'fc9'",
        ),
        (
            {"default": "fixed<16,6>", "layers": {"fc": {"wieght": "fixed<4,2>"}}},
            "must give types to .* not to 'wieght'",
        ),
    ],
)
def test_wrong_precision_is_refused(precision: dict[str, Any], message: str, tmp_path: Path) -> None:
    b = Builder()
    model = b.model((1, 4), b("MatMul", "x", b.rng.normal(size=(4, 2)), name="fc"))
    with pytest.raises(InputError, match=message):
        convert_onnx(model, conversion(tmp_path, **precision))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(vectors().SerializeToString()[:-40])
    with pytest.raises(InputError, match=rf"^{path} must "):
        convert_onnx(path, conversion(tmp_path))
    with pytest.raises(InputError, match=r"missing\.onnx must be an ONNX model: "):
        convert_onnx(tmp_path / "missing.onnx", conversion(tmp_path))
    empty = helper.make_model(helper.make_graph([], "empty", [], []))
    with pytest.raises(InputError, match=r"^the ONNX model must have nodes and outputs"):
        convert_onnx(empty, conversion(tmp_path))


def test_the_given_model_is_not_changed(tmp_path: Path) -> None:
    model = series()
    before = model.SerializeToString()
    read_graph(model).reference(np.zeros((3, 3, 14)))
    assert model.SerializeToString() == before


def test_grids_bound_casts_like_fixed_types() -> None:
    values = np.array([-3.25, -0.5, 0.0, 1.375, 7.125])
    grid = constant_grid(values)
    assert (grid.fraction, fraction_bits(np.array([0.0, 12.0]))) == (3, -2)
    for rounding in Rounding:
        for overflow in Overflow:
            kind = FixedType(signed=True, width=4, integer=3, rounding=rounding, overflow=overflow)
            cast = kind.to_float(kind.cast(np.rint(values * 8).astype(np.int64), 3))
            assert_array_equal(round_to(values, kind), cast)
            after = grid.cast(kind)
            assert (after.low <= cast).all()
            assert (cast <= after.high).all()
    assert str(Grid(np.array([-4.0]), np.array([3.5]), 1).covering("x")) == "ap_fixed<4,3,TRN,WRAP>"
    with pytest.raises(ExactnessError, match="x must fit into 62 bits, it needs 81"):
        Grid(np.array([0.0]), np.array([2.0**40]), 40).covering("x")
