"""Training by itself: a recipe and samples in, a project folder out that converts, verifies and synthesises."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.conversion import convert_network
from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.lowering import lower
from trigforge.firmware.network import Network as Operations
from trigforge.firmware.network import engine_program
from trigforge.firmware.pipeline import choose_pipeline
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Precision, Project
from trigforge.firmware.rtl import write_rtl
from trigforge.firmware.synthesis import estimate
from trigforge.fixed import IntArray
from trigforge.models.architectures import TrainingSet, normalised
from trigforge.models.backends import BrevitasNetwork, KerasNetwork, Network, network_of
from trigforge.models.checkpoint import FrontPoint
from trigforge.models.post_training import PostTraining, calibrate
from trigforge.models.recipe import Recipe
from trigforge.models.settings import Arithmetic, Choice, Pruning
from trigforge.models.train import Aim, LutTarget, Report, Trained, train
from trigforge.models.trained import CONTRACT_FILE, TrainedModel
from trigforge.sim.cosim.vectors import contract_vectors
from trigforge.value import Value, write_atomic
from trigforge.verification import FRAMEWORK_FILE

YOSYS_PER_ALKAID: Final = 1.45
"""Yosys's LUTs for one of alkaid's: 1.33 to 1.48 for the reference projects (docs/synthesis.md)."""
LEAST_YOSYS_PER_ALKAID: Final = 1.2
"""Less than for any project: where this is too many, mapping need not be tried."""
MERIT_FPR: Final = 1e-3
MERIT_EVENTS: Final = 10
"""The merit is taken at this background efficiency, but where at least so many held-out events pass."""
FRONT_FILE: Final = "front.json"
TEACHER_FILE: Final = "teacher.keras"
FLOAT_FOLDER: Final = "float"
POST_TRAINING: Final = "post_training_"
CALIBRATION_EVENTS: Final = 50_000
FROZEN: Final = 500
"""Events of every kind whose outputs by PyTorch are kept."""
PROJECT_FILE: Final = "project.toml"
Outputs = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
"""Values (n, words) to outputs (n, outputs)."""


class Front(Value):
    """The epochs that no other beats in EBOPs and merit."""

    merit: str
    points: tuple[FrontPoint, ...]


@dataclass(frozen=True, slots=True)
class Monitor:
    """Signals that choose between epochs, and never train or measure.

    The merit is the mean over signals of the efficiency where a share `fpr` of the held-out background passes.
    """

    contract: InputContract
    background: IntArray
    weights: Any
    signals: Mapping[str, IntArray]

    @property
    def fpr(self) -> float:
        """The background efficiency of the merit."""
        return max(MERIT_FPR, MERIT_EVENTS / len(self.background))

    def __call__(self, firmware: Outputs) -> float:
        """The merit of what makes scores (n, 1) of values (n, words)."""
        scores = self._scores(firmware, self.background)
        order = np.argsort(-scores, kind="stable")
        passing = np.cumsum(self.weights[order]) <= self.fpr * self.weights.sum()
        cut = scores[order][np.count_nonzero(passing)]
        return float(np.mean([(self._scores(firmware, words) > cut).mean() for words in self.signals.values()]))

    def _scores(self, firmware: Outputs, words: IntArray) -> Any:
        return firmware(normalised(self.contract, words))[:, 0]


def chooser(recipe: Recipe, background: TrainingSet, signals: Mapping[str, IntArray]) -> tuple[Monitor | None, str]:
    """The judge of a recipe's epochs, held-out background against signals, and what it is.

    None, and the validation loss, without a signal that has events, for a network that makes no score and where the
    last epoch is asked.
    """
    if recipe.training.choice is Choice.LAST:
        return None, "later epoch"
    signals = {name: words for name, words in signals.items() if len(words)}
    if not signals or not recipe.architecture.scores:
        return None, "validation loss"
    held_out = background[int(len(background) * (1 - recipe.training.validation)) :]
    monitor = Monitor(background.contract, held_out.words, held_out.weights, signals)
    return monitor, f"efficiency at {monitor.fpr:g}, mean of {', '.join(signals)}"


def train_project(
    recipe: Recipe,
    background: TrainingSet,
    signals: Mapping[str, IntArray],
    project: Project,
    out: Path,
    lut: int | None,
    report: Report,
    twin: TrainedModel | None = None,
) -> Trained:
    """Train into `out`: model, contract, record, front, `project.toml`; an interrupted call goes on there."""
    merit, label = chooser(recipe, background, signals)
    target = None if lut is None else _target(lut, background.contract, project)
    trained = train(recipe, background, report, Aim(merit, label, target), out, twin=twin)
    _save_front(trained, label, out)
    saved = replace(trained, model=trained.model.save(out))
    if isinstance(trained.model.network, BrevitasNetwork):
        _freeze(trained.model, background, out)
    if trained.teacher is not None:
        trained.teacher.save(out / TEACHER_FILE)
    comment = f"{recipe.title or recipe.name}: {recipe.architecture.shape}"
    write_atomic(out / PROJECT_FILE, project_text(project, comment))
    return saved


def train_float(
    recipe: Recipe, background: TrainingSet, signals: Mapping[str, IntArray], out: Path, report: Report
) -> TrainedModel:
    """Train the recipe's network in floating point, its epoch chosen likewise, into a folder of `out`."""
    aim = Aim(*chooser(recipe, background, signals))
    return train(float_twin(recipe), background, report, aim, out / FLOAT_FOLDER).model.save(out / FLOAT_FOLDER)


def float_twin(recipe: Recipe) -> Recipe:
    """The recipe in floating point, nothing pruned."""
    quantisation = recipe.quantisation.model_copy(update={"arithmetic": Arithmetic.FLOAT})
    training = recipe.training.model_copy(update={"imitate": False})
    return recipe.model_copy(update={"quantisation": quantisation, "pruning": Pruning(), "training": training})


def quantise_twin(twin: TrainedModel, background: TrainingSet, bits: int, project: Project, out: Path) -> Path:
    """A project of the float twin with types of so many bits, calibrated on background, in a folder of `out`."""
    settings, folder = PostTraining(weight_bits=bits, activation_bits=bits), out / f"{POST_TRAINING}{bits}"
    layers = calibrate(twin.keras, twin.contract.model_input, background[:CALIBRATION_EVENTS].values, settings)
    precision = Precision(default=f"fixed<{bits},{(bits + 1) // 2},RND,SAT>", layers=layers)
    assert project.model is not None
    model = project.model.model_copy(update={"precision": precision, "file": KerasNetwork.file})
    twin.save(folder)
    comment = (
        f"{twin.record.title or twin.record.recipe}: {twin.record.network}, quantised to {bits} bits after training"
    )
    write_atomic(folder / PROJECT_FILE, project_text(project.model_copy(update={"model": model}), comment))
    return folder


def project_of(recipe: Recipe, clock_ns: float, budget_ns: float) -> Project:
    """A project of a trained recipe in its own folder."""
    targets = {"clock_ns": clock_ns, "latency_budget_ns": budget_ns}
    model = {"file": network_of(recipe.quantisation.arithmetic).file, "contract": CONTRACT_FILE}
    return Project.parse({"name": recipe.name, "model": model, "targets": targets}, where="the command line")


def project_of_folder(folder: Path) -> Project:
    """The project that 'trigforge train' wrote to a folder."""
    return Project.load(folder / PROJECT_FILE)


def project_text(project: Project, comment: str) -> str:
    """The project as TOML."""
    assert project.model is not None
    targets, precision = project.targets, project.model.precision
    text = (
        f'# {comment}\nname = "{project.name}"\n\n'
        f'[model]\nfile = "{project.model.file}"\ncontract = "{CONTRACT_FILE}"\n\n'
        f'[targets]\npart = "{targets.part}"\nclock_ns = {targets.clock_ns}\n'
        f"latency_budget_ns = {targets.latency_budget_ns}\n"
    )
    if precision.default:
        text += f'\n[model.precision]\ndefault = "{precision.default}"\n\n[model.precision.layers]\n'
        for name, types in precision.layers.items():
            chosen = ", ".join(f'{variable} = "{kind}"' for variable, kind in types.items())
            text += f"{name} = {{ {chosen} }}\n"
    return text


def program_of(network: Network, contract: InputContract, project: Project) -> IntegerProgram:
    """The integer program of a network, nothing of it kept."""
    with tempfile.TemporaryDirectory() as scratch:
        precision = Precision() if project.model is None else project.model.precision
        conversion = Conversion(
            project.top, Path(scratch) / "hls", contract.model_input, project.targets, precision=precision
        )
        return lower(convert_network(network, contract.words, conversion).graph, contract).program


def _target(lut: int, contract: InputContract, project: Project) -> LutTarget:
    def quick(network: Network) -> int:
        return round(YOSYS_PER_ALKAID * Operations.of(engine_program(program_of(network, contract, project))).cost)

    def fits(network: Network) -> bool:
        program = program_of(network, contract, project)
        if LEAST_YOSYS_PER_ALKAID * Operations.of(engine_program(program)).cost > lut:
            return False
        try:
            choose_pipeline(program, project.targets)
        except InputError:
            return False
        with tempfile.TemporaryDirectory() as scratch:
            design = write_rtl(program, project.targets, Path(scratch) / "rtl", project.top)
            return estimate(design, Path(scratch) / "yosys").lut <= lut

    return LutTarget(lut, quick, fits)


def _save_front(trained: Trained, label: str, out: Path) -> None:
    """Write the front's points, and the model of each in a folder of its own; what was chosen stays in the model."""
    chosen = trained.model.network.weights
    for index, (point, _) in enumerate(trained.front):
        trained.at(index).save(out / "front" / f"{point.epoch:04d}")
    trained.model.network.assign(chosen)
    Front(merit=label, points=tuple(point for point, _ in trained.front)).save(out / FRONT_FILE)


def _freeze(model: TrainedModel, background: TrainingSet, out: Path) -> None:
    """Write words and PyTorch's own outputs for them, which 'trigforge verify' compares with the program."""
    suggested = contract_vectors(model.contract, random=FROZEN, saturating=FROZEN, constrained=FROZEN, seed=1).words
    words = np.concatenate([background.words[:FROZEN], suggested])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, words=words.astype(np.int32), outputs=model(words))
    write_atomic(out / FRAMEWORK_FILE, buffer.getvalue())
