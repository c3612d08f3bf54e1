"""Brevitas on PyTorch: the same recipes with widths that are fixed, and QONNX for firmware."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError, MissingToolError
from trigforge.models.architectures import Design, Phase, TrainingSet
from trigforge.models.architectures.dense import DenseArchitecture, DenseNetwork
from trigforge.models.backends.base import Arrays, Backend, FloatArray, Network, Weights
from trigforge.models.price import Price
from trigforge.models.settings import Quantisation
from trigforge.value import Value, write_atomic

if TYPE_CHECKING:
    from trigforge.models.trained import TrainedModel

WEIGHTS_FILE: Final = "brevitas.npz"
PACKAGES: Final = ("torch", "brevitas", "onnx", "onnxscript", "qonnx")
EVALUATED: Final = 4096
"""Events at once, at least, where nothing is trained."""


class Shape(Value):
    """What a network's module is built from."""

    inputs: int
    network: DenseNetwork
    quantisation: Quantisation

    def module(self) -> Any:
        """The Brevitas module, its weights drawn from PyTorch's generator."""
        require_brevitas()
        from trigforge.models.backends.brevitas_layers import DenseModule

        return DenseModule(self.inputs, self.network, self.quantisation)


@final
class BrevitasNetwork(Network):
    """A Brevitas module."""

    file: ClassVar[str] = "model.onnx"

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(self, values: npt.NDArray[Any]) -> FloatArray:
        """The module's forward pass."""
        import torch

        blocks = torch.from_numpy(np.asarray(values, dtype=np.float32)).split(EVALUATED)
        self.module.eval()
        with torch.no_grad():
            return np.concatenate([self.module(block).numpy().astype(np.float64) for block in blocks])

    @property
    def shape(self) -> Shape:
        """What the module is built from."""
        module = self.module
        return Shape(inputs=module.inputs, network=module.network, quantisation=module.quantisation)

    @property
    def outputs(self) -> int:
        """One if there is a score, else the width of the last layer."""
        network = self.module.network
        return 1 if network.squared else int(network.layers[-1].width)

    @property
    def parameters(self) -> int:
        """Weights and biases, trained or not."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def weights(self) -> Weights:
        """All parameters of the module."""
        return _values(self.module.parameters())

    def assign(self, weights: Weights) -> None:
        """Set all parameters of the module."""
        _assign(list(self.module.parameters()), weights)

    def save(self, folder: Path) -> None:
        """Write the QONNX file, and the parameters for Brevitas."""
        buffer = io.BytesIO()
        named: dict[str, Any] = {f"weight_{i:04d}": weight for i, weight in enumerate(self.weights)}
        np.savez(buffer, shape=np.array(self.shape.model_dump_json()), **named)
        write_atomic(folder / WEIGHTS_FILE, buffer.getvalue())
        write_atomic(folder / self.file, _qonnx(self.module))

    @classmethod
    def load(cls, folder: Path) -> BrevitasNetwork:
        """Build the module that was saved."""
        path = folder / WEIGHTS_FILE
        try:
            with np.load(path) as arrays:
                content = {name: arrays[name] for name in arrays.files}
            shape = Shape.parse(json.loads(str(content.pop("shape"))), where=str(path))
            network = cls(shape.module())
            network.assign([content[name] for name in sorted(content)])
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, MissingToolError):
                raise
            raise InputError(f"{path} must be the parameters of a Brevitas network: {error}; train again") from None
        return network


@final
class BrevitasBackend(Backend):
    """PyTorch on one thread; noise is drawn from a generator that every epoch seeds anew."""

    @property
    def framework(self) -> str:
        """Brevitas on PyTorch."""
        return f"Brevitas {version('brevitas')} on PyTorch {version('torch')}"

    @property
    def priced(self) -> bool:
        """No bit is paid for: widths are fixed."""
        return False

    def design(self, background: TrainingSet, twin: TrainedModel | None) -> Design:  # noqa: ARG002
        """The architecture's network as a Brevitas module; PyTorch's own generator stays as it was."""
        recipe = self.recipe
        assert isinstance(recipe.architecture, DenseArchitecture)
        require_brevitas()
        import torch

        torch.set_num_threads(1)
        shape = Shape(
            inputs=background.contract.words, network=recipe.architecture.dense, quantisation=recipe.quantisation
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.training.seed)
            module = shape.module()
            return Design(module, (recipe.architecture.brevitas(module, background),))

    def network(self, firmware: Any) -> BrevitasNetwork:
        """The Brevitas module."""
        return BrevitasNetwork(firmware)

    def variables(self, design: Design) -> list[Any]:
        """Parameters, phase by phase."""
        found = (p for phase in design.phases for p in phase.model.parameters())
        return list({id(parameter): parameter for parameter in found}.values())

    def optimiser(self, phase: Phase, steps: int) -> Any:
        """Adam with a learning rate that decays, whatever the phase asks of Keras."""
        from trigforge.models.backends.brevitas_layers import DecayingAdam

        return DecayingAdam(phase.model.parameters(), self.recipe.training.learning_rate, steps)

    def optimiser_variables(self, optimiser: Any) -> list[Any]:
        """Tensors."""
        variables: list[Any] = optimiser.variables
        return variables

    def values(self, variables: Sequence[Any]) -> Weights:
        """Values of tensors."""
        return _values(variables)

    def assign(self, variables: Sequence[Any], values: Sequence[Any]) -> None:
        """Set tensors."""
        _assign(variables, values)

    def begin(self, phase: Phase, done: float, price: Price) -> None:
        """Nothing: there is no pruning and no price."""

    def fit(self, phase: Phase, optimiser: Any, inputs: Arrays, rng: np.random.Generator) -> float:
        """One pass of gradient steps."""
        learner, total = phase.model.train(), 0.0
        learner.generator.manual_seed(int(rng.integers(2**63)))
        for batch in _batches(inputs, self.recipe.training.batch):
            loss = learner(*batch).mean()
            optimiser.step(loss)
            total += float(loss.detach()) * len(batch[0])
        return total / len(inputs[0])

    def evaluate(self, phase: Phase, inputs: Arrays) -> float:
        """The mean loss, µ in place of samples."""
        import torch

        learner, size = phase.model.eval(), max(self.recipe.training.batch, EVALUATED)
        with torch.no_grad():
            total = sum(float(learner(*batch).mean()) * len(batch[0]) for batch in _batches(inputs, size))
        return total / len(inputs[0])

    def ebops(self, phase: Phase) -> int:
        """Counted from the weights as they are."""
        return int(phase.model.network.ebops)

    def finish(self, design: Design) -> None:
        """Ready to predict."""
        design.firmware.eval()


def require_brevitas() -> None:
    """Raise `MissingToolError` unless the extra `brevitas` is installed."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingToolError(
                f"arithmetic brevitas needs the package {package}; pip install 'trigforge[brevitas]'"
            )


def _batches(inputs: Arrays, size: int) -> Iterator[tuple[Any, ...]]:
    import torch

    return zip(*(torch.from_numpy(np.ascontiguousarray(array)).split(size) for array in inputs), strict=True)


def _values(variables: Any) -> Weights:
    return [variable.detach().numpy().copy() for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    import torch

    with torch.no_grad():
        for variable, value in zip(variables, values, strict=True):
            variable.copy_(torch.from_numpy(np.asarray(value)))


def _qonnx(module: Any) -> bytes:
    """The module's QONNX file, without the notes of the exporter, which hold paths of this machine."""
    import torch

    with _silent():
        from brevitas.export import export_qonnx

        model = export_qonnx(module.eval(), torch.zeros(1, module.inputs))
    for node in model.graph.node:
        node.ClearField("metadata_props")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _silent() -> Iterator[None]:
    """Keep to ourselves what PyTorch's exporter prints, logs and warns about."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
