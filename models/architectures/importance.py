"""What a reconstruction must reproduce, and how much every word counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.models.architectures.base import TrainingSet, normalised
from trigforge.value import Value


class Reconstruction(Value):
    """The fields that a decoder must reproduce, and the most that a rare word may count.

    All fields are read; angles alone carry no anomaly but much variance.
    """

    fields: tuple[str, ...] = Field(default=("pt",), min_length=1)
    max_importance: float = Field(default=100.0, gt=0)

    def asked(self, contract: InputContract) -> npt.NDArray[np.bool_]:
        """Which words (words,) are of these fields; `InputError` for fields that the contract lacks."""
        names = [field.name for field in contract.fields]
        unknown = sorted(set(self.fields) - set(names))
        if unknown:
            raise InputError(
                f"reconstruct must name fields of the contract ({', '.join(sorted(set(names)))}), not {unknown}"
            )
        return np.array([name in self.fields for name in names])

    def importance(self, background: TrainingSet) -> npt.NDArray[np.float64]:
        """Weight (words,) of every word in the error: 1 / mean square over all events, padding included.

        So a rare object, such as a muon, counts as much as a common one. It is at most `max_importance`, and 0 for
        fields that are not reconstructed.
        """
        values = normalised(background.contract, background.words).astype(np.float64)
        square = np.average(values**2, axis=0, weights=background.weights)
        return np.where(self.asked(background.contract), 1.0 / np.maximum(square, 1.0 / self.max_importance), 0.0)
