"""Trains `regions_brevitas`: a convolutional student of an autoencoder's error on 18x14 calorimeter regions, as CICADA.

Run in trigforge's environment with its extra `brevitas`: `python hls_projects/training/regions_brevitas.py`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import pearsonr, rankdata
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an optional kernel that is not installed
    import brevitas
    import brevitas.nn as qnn
    from brevitas.quant.fixed_point import (
        Int8BiasPerTensorFixedPointInternalScaling,
        Int8WeightPerTensorFixedPoint,
        Uint8ActPerTensorFixedPoint,
    )

from trigforge import units
from trigforge.contract import InputContract
from trigforge.events import read_events
from trigforge.firmware.frontends.brevitas import export_qonnx
from trigforge.regions import ETA, FINE, PHI, region_contract
from trigforge.sim.collisions import ZERO_BIAS
from trigforge.sim.collisions.frozen import FROZEN, find_samples
from trigforge.sim.cosim import make_vectors

PROJECT = Path(__file__).parents[1] / "regions_brevitas"
ETA_STEP = 4 * 2 * units.CALO_ETA_LSB
"""Four trigger towers."""
INPUT = FINE
TRAINING_EVENTS, MEASURED_EVENTS = 100_000, 50_000
TEACHER_EPOCHS, STUDENT_EPOCHS, BATCH, RATE = 6, 8, 1024, 3e-3
SEED = 1

Floats = npt.NDArray[np.float32]
QUANTISED = {"return_quant_tensor": True}
WEIGHTS = {
    "weight_quant": Int8WeightPerTensorFixedPoint,
    "weight_bit_width": 5,
    "bias": True,
    "bias_quant": Int8BiasPerTensorFixedPointInternalScaling,
}
ACTIVATIONS = {"act_quant": Uint8ActPerTensorFixedPoint, **QUANTISED}


class Student(nn.Module):
    """Convolution 3x3 with stride 2 and 4 filters, 6 hidden units, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.regions = qnn.QuantIdentity(bit_width=8, **ACTIVATIONS)
        self.conv = qnn.QuantConv2d(1, 4, 3, stride=2, **WEIGHTS)
        self.conv_relu = qnn.QuantReLU(bit_width=6, **ACTIVATIONS)
        self.hidden = qnn.QuantLinear(4 * 8 * 6, 6, **WEIGHTS)
        self.hidden_relu = qnn.QuantReLU(bit_width=6, **ACTIVATIONS)
        self.score = qnn.QuantLinear(6, 1, **WEIGHTS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, 1) of regions (n, 1, 18, 14)."""
        x = self.conv_relu(self.conv(self.regions(x))).flatten(1)
        result: Tensor = self.score(self.hidden_relu(self.hidden(x)))
        return result


def deposits(objects: ak.Array) -> npt.NDArray[np.float64]:
    """Sums of pt (n, 252) of the objects in each region; those beyond its edge in η are left out."""
    counts = ak.to_numpy(ak.num(objects))
    events = np.repeat(np.arange(len(counts)), counts)
    pt, eta, phi = (ak.to_numpy(ak.flatten(objects[name])).astype(np.float64) for name in ("pt", "eta", "phi"))
    column = np.floor(eta / ETA_STEP).astype(np.int64) + ETA // 2
    row = np.floor(np.mod(phi, 2 * np.pi) / (2 * np.pi / PHI)).astype(np.int64) % PHI
    inside = (column >= 0) & (column < ETA)
    sums = np.zeros((len(counts), PHI * ETA))
    np.add.at(sums, (events[inside], (row * ETA + column)[inside]), pt[inside])
    return sums


def words_of(contract: InputContract, sample: str, span: slice) -> npt.NDArray[np.int64]:
    """Words of regions of a frozen sample, which holds no regions: the larger of its jets' and its e/γ's sum."""
    events = read_events(FROZEN / sample, ["L1EG", "L1Jet"])[span]
    energy = np.maximum(deposits(events["L1Jet"]), deposits(events["L1EG"]))
    return contract.encode(ak.Array({"L1Region": ak.zip({"et": ak.from_regular(ak.Array(energy))})}))


def batches(count: int, epochs: int, generator: torch.Generator) -> Any:
    """Shuffled batches of places."""
    for _ in range(epochs):
        yield from torch.randperm(count, generator=generator).split(BATCH)


def train_teacher(values: Tensor, generator: torch.Generator) -> nn.Module:
    """A float autoencoder 252-64-16-64-252."""
    words = values.shape[1]
    teacher = nn.Sequential(
        nn.Linear(words, 64),
        nn.ReLU(),
        nn.Linear(64, 16),
        nn.ReLU(),
        nn.Linear(16, 64),
        nn.ReLU(),
        nn.Linear(64, words),
    )
    optimiser = torch.optim.Adam(teacher.parameters(), RATE)
    for places in batches(len(values), TEACHER_EPOCHS, generator):
        optimiser.zero_grad()
        ((teacher(values[places]) - values[places]) ** 2).mean().backward()
        optimiser.step()
    return teacher.eval()


@torch.no_grad()
def error_of(teacher: nn.Module, values: Tensor) -> Tensor:
    """`ln(1 + Σ (x - x̂)²)`, (n, 1)."""
    parts = [((teacher(x) - x) ** 2).sum(1, keepdim=True) for x in values.split(10_000)]
    return torch.log1p(torch.cat(parts))


def train_student(values: Tensor, targets: Tensor, generator: torch.Generator) -> Student:
    """The quantised student, in evaluation mode."""
    student = Student()
    optimiser = torch.optim.Adam(student.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, -(-len(values) // BATCH) * STUDENT_EPOCHS)
    for places in batches(len(values), STUDENT_EPOCHS, generator):
        optimiser.zero_grad()
        nn.functional.mse_loss(student(as_images(values[places])), targets[places]).backward()
        optimiser.step()
        schedule.step()
    return student.eval()


def as_images(values: Tensor) -> Tensor:
    """Regions (n, 1, 18, 14)."""
    return values.reshape(-1, 1, PHI, ETA)


@torch.no_grad()
def scores(student: Student, values: Tensor) -> npt.NDArray[np.float64]:
    """The student's outputs (n, 1)."""
    parts = [student(as_images(x)) for x in values.split(10_000)]
    return torch.cat([getattr(p, "value", p) for p in parts]).numpy().astype(np.float64)


def auc(background: npt.NDArray[np.float64], signal: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve."""
    ranks = rankdata(np.concatenate([background, signal]))[len(background) :]
    return float((ranks.sum() - len(signal) * (len(signal) + 1) / 2) / (len(signal) * len(background)))


def main() -> None:
    """Train teacher and student; write model, contract, Brevitas's own outputs and the figures of the training."""
    warnings.filterwarnings("ignore", message=".*[Nn]amed tensors.*")
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    contract = region_contract(INPUT)

    def values_of(words: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(INPUT.to_float(contract.normalise(words)).astype(np.float32))

    training = values_of(words_of(contract, ZERO_BIAS, slice(TRAINING_EVENTS)))
    measured_words = words_of(contract, ZERO_BIAS, slice(-MEASURED_EVENTS, None))
    measured = values_of(measured_words)
    teacher = train_teacher(training, generator)
    student = train_student(training, error_of(teacher, training), generator)
    import onnx

    PROJECT.mkdir(exist_ok=True)
    onnx.save(export_qonnx(student, (1, PHI, ETA)), PROJECT / "model.onnx")
    contract.save(PROJECT / "contract.json")
    vectors = make_vectors(*contract.limits(), random=300, saturating=100, seed=SEED, physics=measured_words[:500])
    few = vectors.thinned(1000).words
    np.savez_compressed(
        PROJECT / "framework.npz",
        words=few.astype(np.int16),
        outputs=scores(student, values_of(few)).astype(np.float32),
    )
    background, own = scores(student, measured)[:, 0], error_of(teacher, measured)[:, 0].numpy()
    signals = [name for name, sample in find_samples(FROZEN).items() if not sample.background]
    figures = {
        "framework": f"Brevitas {brevitas.__version__} on PyTorch {torch.__version__}",
        "seed": SEED,
        "regions": "larger of the sums of L1Jet and of L1EG pt; the frozen samples hold no L1Region",
        "training_events": len(training),
        "parameters": sum(p.numel() for name, p in student.named_parameters() if name.endswith(("weight", "bias"))),
        "background_events": len(measured),
        "correlation_with_teacher": float(pearsonr(background, own).statistic),
        "auc": {
            name: auc(background, scores(student, values_of(words_of(contract, name, slice(None))))[:, 0])
            for name in signals
        },
        "teacher_auc": {
            name: auc(own, error_of(teacher, values_of(words_of(contract, name, slice(None))))[:, 0].numpy())
            for name in signals
        },
    }
    (PROJECT / "training.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
