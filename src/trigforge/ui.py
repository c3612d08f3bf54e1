"""What the command line shows while it works: progress bars on a terminal, plain lines elsewhere, all on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Update = Callable[[float, str], None]
"""Called with the finished fraction (0..1) and a short text."""

PLAIN_LINE_SECONDS = 15.0


class Reporter:
    """Tells the user what happens; one line a stage stays on the screen."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)

    def line(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, soft_wrap=True, markup=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[Update]:
        """A running stage; yields the function that moves its bar."""
        if self.console.is_terminal:
            with Progress(
                SpinnerColumn(),
                TextColumn("{task.fields[stage]:<10}"),
                BarColumn(bar_width=30),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=self.console,
                transient=True,
            ) as bars:
                task = bars.add_task("", total=1.0, stage=name)
                yield lambda fraction, text: bars.update(task, completed=fraction, description=text)
        else:
            yield self._plain(name)

    def _plain(self, name: str) -> Update:
        last = time.monotonic()

        def update(fraction: float, text: str) -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_LINE_SECONDS:
                last = time.monotonic()
                self.line(f"{name:<10} {100 * fraction:3.0f} %  {text}")

        return update
