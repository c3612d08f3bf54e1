"""Brevitas: the module's own forward = csim = program, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exactness import check_exact, make_values
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an optional kernel that is not installed
    import brevitas.nn as qnn
    from brevitas.quant import (
        Int8ActPerTensorFloat,
        Int8WeightPerChannelFloat,
        Int8WeightPerTensorFloat,
        Int32Bias,
        Uint8ActPerTensorFloat,
    )
    from brevitas.quant.fixed_point import (
        Int8ActPerTensorFixedPoint,
        Int8BiasPerTensorFixedPointInternalScaling,
        Int8WeightPerChannelFixedPointMSE,
        Int8WeightPerTensorFixedPoint,
        Uint8ActPerTensorFixedPoint,
    )

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.brevitas import convert_brevitas
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.fixed import FixedType

INPUT = FixedType(signed=True, width=9, integer=5)
QUANTISED = {"return_quant_tensor": True}
WEIGHTS = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 4, "bias": False}


def signed(bits: int, **options: Any) -> Any:
    return qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=bits, **options)


def linear(n_in: int, n_out: int, **options: Any) -> Any:
    return qnn.QuantLinear(n_in, n_out, **{**WEIGHTS, **options})


class Network(nn.Module):
    """Convolutions, truncating and largest pools, tables, a sum and a concatenation; two outputs."""

    def __init__(self) -> None:
        super().__init__()
        channels = {"weight_quant": Int8WeightPerChannelFixedPointMSE, "weight_bit_width": 4, **QUANTISED}
        bias = {"bias": True, "bias_quant": Int8BiasPerTensorFixedPointInternalScaling}
        self.quantised = signed(7, **QUANTISED)
        self.conv = qnn.QuantConv2d(2, 4, 3, padding=1, **channels, **bias)
        self.relu = qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=5, **QUANTISED)
        self.mean = qnn.TruncAvgPool2d(2, bit_width=4, **QUANTISED)
        self.largest = nn.MaxPool2d(2)
        self.depthwise = qnn.QuantConv2d(4, 4, 2, groups=4, **WEIGHTS)
        self.activation = signed(6)
        self.head = linear(4, 5)
        self.narrow = signed(8)
        self.tanh = qnn.QuantTanh(act_quant=Int8ActPerTensorFixedPoint, bit_width=6)
        self.sigmoid = qnn.QuantSigmoid(act_quant=Uint8ActPerTensorFixedPoint, bit_width=6)
        self.sum = qnn.QuantEltwiseAdd(input_quant=Int8ActPerTensorFixedPoint, output_quant=Int8ActPerTensorFixedPoint)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.largest(self.mean(self.relu(self.conv(self.quantised(x)))))
        x = self.narrow(self.head(self.activation(self.depthwise(x)).flatten(1)))
        total = self.sum(self.tanh(x), self.sigmoid(x))
        return total, torch.cat([x, total], 1)


class Scaled(nn.Module):
    """Quantisers with scales of their own, one a tensor or a channel, and a fixed-point one last."""

    def __init__(self) -> None:
        super().__init__()
        bias = {"bias": True, "bias_quant": Int32Bias, "weight_bit_width": 4, **QUANTISED}
        self.quantised = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=6, **QUANTISED)
        self.conv = qnn.QuantConv2d(2, 4, 3, weight_quant=Int8WeightPerChannelFloat, **bias)
        self.relu = qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=4, **QUANTISED)
        self.largest = nn.MaxPool2d(2)
        self.head = qnn.QuantLinear(16, 5, weight_quant=Int8WeightPerTensorFloat, **bias)
        self.last = signed(8)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.head(self.largest(self.relu(self.conv(self.quantised(x)))).flatten(1)))
        return result


def trained(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """With scales from data, as training leaves them; still in training mode."""
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # named tensors, used inside Brevitas
        for _ in range(3):
            module(torch.randn(100, *shape) * 3)
    return module


def conversion(folder: Path) -> Conversion:
    return Conversion("model", folder / "hls", INPUT)


def test_forward_csim_and_program_agree(tmp_path: Path) -> None:
    torch.manual_seed(2)
    shape, given = (2, 8, 8), conversion(tmp_path)
    module = trained(Network(), shape)
    source = convert_brevitas(module, shape, given)
    assert source.framework == f"Brevitas 0.13.4 on PyTorch {torch.__version__}"
    assert module.training
    values = make_values(INPUT, shape)
    assert source.reference is not None
    assert len(np.unique(source.reference(values), axis=0)) > 1000
    lowering = check_exact(source, given, values)
    assert {"conv", "relu", "mean", "depthwise", "head", "tanh", "sigmoid"} <= {layer.name for layer in lowering.layers}


def test_scales_that_are_no_powers_of_two_fold_exactly(tmp_path: Path) -> None:
    torch.manual_seed(8)
    shape, given = (2, 6, 6), conversion(tmp_path)
    source, values = convert_brevitas(trained(Scaled(), shape), shape, given), make_values(INPUT, shape)
    assert source.reference is not None
    assert len(np.unique(source.reference(values), axis=0)) > 1000
    check_exact(source, given, values).require_no_wrap()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([signed(7, **QUANTISED), linear(4, 3, bias=True)], r"^bias of layer 'n_1' \(Dense\) must be quantised"),
        (
            [signed(7), linear(4, 3, weight_quant=Int8WeightPerTensorFloat)],
            r"^output 'linear' .* power-of-two scale, not be multiples of 0\.\d+; .* Int8ActPerTensorFixedPoint$",
        ),
        (
            [qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat), linear(4, 3), nn.Tanh()],
            r"^what enters node '2' \(Tanh\) must be quantised with a power-of-two scale, not 0\.\d+; .* may only pass",
        ),
        ([signed(7), linear(4, 3), nn.BatchNorm1d(3), signed(7)], "^scale of layer 'n_2' must be quantised"),
        ([signed(7), linear(4, 3), nn.Tanh()], r"^the result of node '2' \(Tanh\) must be quantised"),
    ],
)
def test_what_has_no_exact_meaning_is_refused(layers: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExactnessError, match=message):
        convert_brevitas(trained(nn.Sequential(*layers), (4,)), (4,), conversion(tmp_path))


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    given, module = conversion(tmp_path), nn.Sequential(signed(7), linear(4, 3))
    with pytest.raises(InputError, match=r"^the module 'model' must have Brevitas layers; .* convert_pytorch"):
        convert_brevitas(nn.Linear(4, 3), (4,), given)
    with pytest.raises(InputError, match=r"^the module must take events of shape \(5,\), but: mat1 and mat2"):
        convert_brevitas(module, (5,), given)
    with pytest.raises(InputError, match=r"^example_shape must be the shape of one event .* not \(\)"):
        convert_brevitas(module, (), given)
    with pytest.raises(InputError, match=r"^the model must be a torch\.nn\.Module, not str"):
        convert_brevitas("model.pt", (4,), given)


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(signed(7), linear(4, 3))

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.layers(x if x.sum() > 0 else -x)
            return result

    with pytest.raises(InputError, match=r"^Brevitas cannot export the module as QONNX: Could not guard"):
        convert_brevitas(Branching(), (4,), conversion(tmp_path))
