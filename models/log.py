"""`TrainingLog`: every epoch as a line of `log.csv`, and for TensorBoard."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

from trigforge.models.trained import Epoch

LOG_FILE: Final = "log.csv"
TENSORBOARD: Final = "tensorboard"


class TrainingLog:
    """Writes to a folder; a training that goes on appends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._folder = folder / LOG_FILE, folder / TENSORBOARD
        self._writer: Any = None

    def write(self, step: int, epoch: Epoch) -> None:
        """Add an epoch, the training's `step`-th."""
        values = epoch.model_dump()
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, values)
            if new:
                writer.writeheader()
            writer.writerow(values)
        self._summarise(step, epoch)

    def _summarise(self, step: int, epoch: Epoch) -> None:
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._folder))
        with self._writer.as_default(step=step):
            for name, value in epoch.model_dump(exclude={"phase", "epoch"}, exclude_none=True).items():
                tf.summary.scalar(f"{epoch.phase}/{name}", value)
        self._writer.flush()
