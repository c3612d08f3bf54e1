"""`Checkpoint`: a training that can go on after a kill, to the same end."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from trigforge.errors import InputError
from trigforge.models.backends.base import Weights
from trigforge.models.price import Price
from trigforge.models.trained import Epoch
from trigforge.value import Value, write_atomic

CHECKPOINT_FILE: Final = "checkpoint.npz"


class FrontPoint(Value):
    """An epoch that no other beats in both cost and merit."""

    epoch: int
    """Index in the record's epochs."""
    ebops: int
    merit: float
    lut: int | None = None
    """LUTs by the estimator that the training was given, or None where it was not asked."""

    def beaten_by(self, other: FrontPoint) -> bool:
        """Whether the other costs no more, is no worse, and differs."""
        better = other.ebops < self.ebops or other.merit > self.merit
        return better and other.ebops <= self.ebops and other.merit >= self.merit


@dataclass(slots=True)
class Progress:
    """Where a training is: its finished epochs, the price of bits, the front with the weights of its points."""

    phase: int = 0
    epoch: int = 0
    """Finished epochs of the phase."""
    price: Price | None = None
    lut_per_ebop: float | None = None
    epochs: list[Epoch] = field(default_factory=list)
    front: list[tuple[FrontPoint, Weights]] = field(default_factory=list)

    def offer(self, point: FrontPoint, weights: Weights) -> None:
        """Keep a point if no other beats it, and drop those that it beats."""
        if any(point.beaten_by(other) or point == other for other, _ in self.front):
            return
        self.front = [(p, w) for p, w in self.front if not p.beaten_by(point)] + [(point, weights)]


def save_checkpoint(folder: Path, key: str, progress: Progress, variables: Weights) -> None:
    """Write the state of a training, complete or not at all."""
    state = {
        "key": key,
        "phase": progress.phase,
        "epoch": progress.epoch,
        "price": None if progress.price is None else [progress.price.beta, progress.price.error, progress.price.change],
        "lut_per_ebop": progress.lut_per_ebop,
        "epochs": [epoch.model_dump() for epoch in progress.epochs],
        "front": [point.model_dump() for point, _ in progress.front],
    }
    arrays = dict(_named("variable", variables))
    for i, (_, weights) in enumerate(progress.front):
        arrays |= dict(_named(f"front{i}", weights))
    buffer = io.BytesIO()
    np.savez(buffer, state=np.array(json.dumps(state)), **arrays)
    write_atomic(folder / CHECKPOINT_FILE, buffer.getvalue())


def load_checkpoint(folder: Path, key: str, *, replace: bool = False) -> tuple[Progress, Weights] | None:
    """The state of a training of that key and the values of its variables, or None if there is none.

    Raises `InputError` if the checkpoint is of another training, unless that may be replaced.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        state = json.loads(str(content["state"]))
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} must be a checkpoint: {error}; remove it to train from the start") from None
    if state["key"] != key:
        if replace:
            return None
        raise InputError(
            f"{path} must be of this recipe, sample and options, but it is of others; take another --out, or --fresh"
        )
    points = [FrontPoint(**point) for point in state["front"]]
    progress = Progress(
        phase=state["phase"],
        epoch=state["epoch"],
        price=None if state["price"] is None else Price(*state["price"]),
        lut_per_ebop=state["lut_per_ebop"],
        epochs=[Epoch(**epoch) for epoch in state["epochs"]],
        front=[(point, _stored(content, f"front{i}")) for i, point in enumerate(points)],
    )
    return progress, _stored(content, "variable")


def _named(prefix: str, values: Sequence[Any]) -> Iterable[tuple[str, Any]]:
    return ((f"{prefix}_{i:04d}", value) for i, value in enumerate(values))


def _stored(content: dict[str, Any], prefix: str) -> Weights:
    return [content[name] for name in sorted(content) if name.startswith(f"{prefix}_")]
