"""How far a long job is: finished items, their share of the whole job and their rate."""

from __future__ import annotations

import time
from collections.abc import Callable

Update = Callable[[float, str], None]
"""Called with the finished fraction and a short text."""


def ignore(fraction: float, text: str) -> None:
    """Tell nobody."""


class Meter:
    """Counts `total` items of one kind, which take the job from fraction `low` to `high`."""

    def __init__(self, update: Update, what: str, total: int, low: float = 0.0, high: float = 1.0) -> None:
        self._update, self._what, self._total, self._low, self._high = update, what, total, low, high
        self._kept, self._made, self._start = 0, 0, time.monotonic()

    def skip(self, items: int) -> None:
        """Note items that were there before."""
        self._kept += items
        self._show()

    def __call__(self, items: int) -> None:
        """Note items that were just made."""
        self._made += items
        self._show()

    def _show(self) -> None:
        done = self._kept + self._made
        seconds = time.monotonic() - self._start
        rate = f", {self._made / seconds:.0f}/s" if self._made else ""
        fraction = self._low + (self._high - self._low) * min(done / max(self._total, 1), 1.0)
        self._update(fraction, f"{done} of {self._total} {self._what}{rate}")
