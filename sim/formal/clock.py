"""`Clock`: the time that a question may take, all its steps together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Clock:
    """A time limit in seconds that runs from now."""

    limit_s: float
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def rest(self) -> float:
        """Seconds that are left."""
        return max(self.limit_s - self.seconds, 0.0)
