"""Plain PyTorch with a user's types: csim = program, and the module's own outputs where the types hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from exactness import check_exact, make_values
from torch import Tensor, nn

from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.pytorch import convert_pytorch
from trigforge.firmware.frontends.torch_modules import predict
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType

INPUT = FixedType(signed=True, width=9, integer=5)
SHAPE = (2, 4, 6)


class Network(nn.Module):
    """A small convolutional network with weights in eighths."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(2, 4, 3, padding=1), nn.AvgPool2d(2)
        self.fc1, self.act, self.fc2 = nn.Linear(24, 5), nn.LeakyReLU(0.25), nn.Linear(5, 2)
        generator = torch.Generator().manual_seed(1)
        for parameter in self.parameters():
            parameter.data = torch.randint(-8, 9, parameter.shape, generator=generator) / 8

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.conv(x))).flatten(1)
        result: Tensor = self.fc2(self.act(self.fc1(x)))
        return result


def conversion(folder: Path, default: str, **layers: dict[str, str]) -> Conversion:
    return Conversion("model", folder / "hls", INPUT, precision=Precision(default=default, layers=layers))


def test_wide_types_give_the_modules_own_outputs(tmp_path: Path) -> None:
    """Inputs of a few bits, so that float32 holds every sum."""
    module, given = Network(), conversion(tmp_path, "fixed<40,22>", fc2={"result": "fixed<30,16,RND,SAT>"})
    source = convert_pytorch(module, SHAPE, given)
    assert source.framework == f"PyTorch {torch.__version__}"
    assert source.reference is None
    values = make_values(INPUT, SHAPE)
    expected = predict(module, SHAPE, values)
    scaled = np.ldexp(expected, 14)
    assert len(np.unique(expected, axis=0)) > 1000
    check_exact(source, given, values, np.ldexp(np.floor(scaled + 0.5), -14))


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^the PyTorch module 'model' must have a precision; set precision\.default"):
        convert_pytorch(Network(), SHAPE, conversion(tmp_path, ""))
    with pytest.raises(InputError, match=r"layers of the model \(x, .*conv, .*fc1, .*fc2.*\), not 'fc3'$"):
        convert_pytorch(Network(), SHAPE, conversion(tmp_path, "fixed<16,6>", fc3={"weight": "fixed<8,2>"}))
    module = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1))
    with pytest.raises(InputError, match=r"^node '1' \(Softmax\) has no exact conversion"):
        convert_pytorch(module, (4,), conversion(tmp_path, "fixed<16,6>"))
