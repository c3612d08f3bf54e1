"""Keras, with HGQ2, its QKeras API or Keras's own layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.models.architectures import Design, Phase, TrainingSet
from trigforge.models.architectures.losses import add_loss, distance_correlation
from trigforge.models.backends.base import Arrays, Backend, FloatArray, Network, Weights
from trigforge.models.imitation import imitation
from trigforge.models.layers import make_layers
from trigforge.models.price import Price, ebops_of, set_beta
from trigforge.models.pruning import advance, release
from trigforge.models.settings import Arithmetic, Decorrelation

if TYPE_CHECKING:
    from trigforge.models.trained import TrainedModel

PREDICTED: Final = 16384
EVALUATED: Final = 4096
"""Events at once, at least, where nothing is trained."""
LIBRARIES: Final = {
    Arithmetic.FLOAT: "Keras",
    Arithmetic.FIXED: "HGQ2 (QKeras API)",
    Arithmetic.LEARNT: "HGQ2",
}


@final
class KerasNetwork(Network):
    """A Keras model."""

    file: ClassVar[str] = "model.keras"

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, values: npt.NDArray[Any]) -> FloatArray:
        """The model's predictions."""
        outputs = np.asarray(self.model.predict(values, batch_size=PREDICTED, verbose=0), dtype=np.float64)
        return outputs.reshape(len(values), -1)

    @property
    def outputs(self) -> int:
        """Size of the last axis."""
        return int(self.model.output_shape[-1])

    @property
    def parameters(self) -> int:
        """Kernels and biases, the quantisers' own variables not counted."""
        named = (w for layer in self.model.layers for w in (*layer.trainable_variables, *layer.non_trainable_variables))
        return int(sum(np.prod(w.shape) for w in named if w.name in ("kernel", "bias")))

    @property
    def weights(self) -> Weights:
        """All variables of the model."""
        return _values(self.model.variables)

    def assign(self, weights: Weights) -> None:
        """Set all variables of the model."""
        _assign(self.model.variables, weights)

    def save(self, folder: Path) -> None:
        """Write the `.keras` file."""
        scratch = folder / f".part-{self.file}"
        self.model.save(scratch)
        scratch.replace(folder / self.file)

    @classmethod
    def load(cls, folder: Path) -> KerasNetwork:
        """Read a `.keras` file."""
        return cls(load_keras(folder / cls.file))


@final
class KerasBackend(Backend):
    """Keras's `fit` and `evaluate`, on the backend that Keras was started with."""

    @property
    def framework(self) -> str:
        """The library of the layers, on Keras."""
        import keras

        library = LIBRARIES[self.recipe.quantisation.arithmetic]
        on = "" if library == "Keras" else "on Keras "
        return f"{library} {on}{keras.__version__} ({keras.backend.backend()})"

    @property
    def priced(self) -> bool:
        """Every Keras model has a price of bits, if only of none."""
        return True

    def design(self, background: TrainingSet, twin: TrainedModel | None) -> Design:
        """The architecture's Keras models, imitating or decorrelated if that is asked for."""
        recipe = self.recipe
        _make_deterministic(recipe.training.seed)
        layers = make_layers(recipe.quantisation, recipe.pruning)
        design = recipe.architecture.design(layers, background, recipe.training.seed)
        if recipe.training.imitate:
            if twin is None:
                raise InputError(f"recipe {recipe.name} imitates its floating-point twin, which must be trained first")
            design = imitation(design, twin, background)
        if not recipe.decorrelation.against:
            return design
        if all(phase.score is None for phase in design.phases):
            raise InputError(
                f"decorrelation must be of a network that trains a score, but that of {recipe.name} has none; "
                "leave [decorrelation] out"
            )
        phases = tuple(_decorrelated(phase, recipe.decorrelation, background) for phase in design.phases)
        return replace(design, phases=phases)

    def network(self, firmware: Any) -> KerasNetwork:
        """The Keras model."""
        return KerasNetwork(firmware)

    def variables(self, design: Design) -> list[Any]:
        """Keras variables, phase by phase."""
        found = (v for phase in design.phases for v in (*phase.model.variables, *design.firmware.variables))
        return list({id(variable): variable for variable in found}.values())

    def optimiser(self, phase: Phase, steps: int) -> Any:
        """The phase's optimiser, with which its model is compiled."""
        optimiser = phase.optimiser(self.recipe.training.learning_rate, steps)
        phase.model.compile(optimizer=optimiser)
        optimiser.build(phase.model.trainable_variables)
        return optimiser

    def optimiser_variables(self, optimiser: Any) -> list[Any]:
        """Keras variables."""
        return list(optimiser.variables)

    def values(self, variables: Sequence[Any]) -> Weights:
        """Values of Keras variables."""
        return _values(variables)

    def assign(self, variables: Sequence[Any], values: Sequence[Any]) -> None:
        """Set Keras variables."""
        _assign(variables, values)

    def begin(self, phase: Phase, done: float, price: Price) -> None:
        """Prune as far as the epoch asks for, and charge its price."""
        advance(phase.model, done)
        set_beta(phase.model, price.beta)

    def fit(self, phase: Phase, optimiser: Any, inputs: Arrays, rng: np.random.Generator) -> float:  # noqa: ARG002
        """Keras's `fit`; the optimiser is the model's, and so are its generators of random numbers."""
        batch = self.recipe.training.batch
        history = phase.model.fit(_fed(inputs), batch_size=batch, shuffle=False, verbose=0).history
        return float(history["loss"][-1])

    def evaluate(self, phase: Phase, inputs: Arrays) -> float:
        """Keras's `evaluate`."""
        batch = max(self.recipe.training.batch, EVALUATED)
        return float(phase.model.evaluate(_fed(inputs), batch_size=batch, verbose=0, return_dict=True)["loss"])

    def ebops(self, phase: Phase) -> int:
        """What HGQ2 counted in the last step."""
        return ebops_of(phase.model)

    def finish(self, design: Design) -> None:
        """Take the pruning's constraints off."""
        for phase in design.phases:
            release(phase.model)


def load_keras(path: Path) -> Any:
    """Read a Keras 3 model file with HGQ layers."""
    import hgq.layers  # noqa: F401  (registers the layers' classes)
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"{path} must be a Keras 3 model file: {str(error).splitlines()[0]}") from None


def _values(variables: Sequence[Any]) -> Weights:
    from keras import ops

    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _fed(inputs: Arrays) -> Any:
    """Arrays as Keras takes them: one by itself, several as a list."""
    return inputs[0] if len(inputs) == 1 else list(inputs)


def _decorrelated(phase: Phase, asked: Decorrelation, background: TrainingSet) -> Phase:
    """The phase with a penalty on the distance correlation of its score with a quantity of the background."""
    if phase.score is None:
        return phase
    if asked.against not in background.quantities:
        known = ", ".join(sorted(background.quantities)) or "none"
        raise InputError(f"decorrelation.against must be a quantity of the events ({known}), not {asked.against!r}")
    import keras

    quantity = keras.Input((1,), name="quantity")
    shares = phase.model.inputs[1]

    def loss(_: Any, score: Any, quantity: Any, shares: Any) -> Any:
        return asked.weight * distance_correlation(score, quantity, shares)

    trained = add_loss("decorrelation", loss, phase.model.output, phase.score, quantity, shares)
    values = background.quantities[asked.against]
    mean, spread = float(values.mean()), float(values.std()) or 1.0

    def inputs(events: TrainingSet, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], ...]:
        column = (events.quantities[asked.against] - mean) / spread
        return (*phase.inputs(events, rng), column.astype(np.float32)[:, None])

    model = keras.Model([*phase.model.inputs, quantity], trained)
    return replace(phase, model=model, inputs=inputs)


def _make_deterministic(seed: int) -> None:
    """Fixed seeds and deterministic operations; TensorFlow repeats to the last bit only on one thread."""
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
