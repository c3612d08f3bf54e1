"""A pool of worker processes that reports progress, dies with its parent and never leaves a task unanswered."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_connection
from typing import Any, TypeVar

from trigforge.errors import CheckError

Done = Callable[[int], None]
"""Called with the place of a finished task."""
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes to run tasks in; without a pool the caller works. `start_workers` makes and ends them."""

    pool: ProcessPoolExecutor | None

    def run(self, tasks: Sequence[Callable[[], R]], done: Done) -> list[R]:
        """The result of each task, in order; `done(place)` after each. Tasks and results must pickle.

        Raises `CheckError` if a process dies, and whatever a task raises.
        """
        if self.pool is None:
            return [_noted(task(), place, done) for place, task in enumerate(tasks)]
        try:
            place_of = {self.pool.submit(task): place for place, task in enumerate(tasks)}
            for future in as_completed(place_of):
                _noted(future.result(), place_of[future], done)
            return [future.result() for future in place_of]
        except BrokenProcessPool:
            raise CheckError(
                "a simulation worker must live until its task ends, but one died; give it more memory, use fewer "
                "workers, and start scripts under if __name__ == '__main__'"
            ) from None


@contextmanager
def start_workers(count: int) -> Iterator[Workers]:
    """`count` spawned processes (1: none); leaving by an exception, Ctrl-C included, ends them at once."""
    if count == 1:
        yield Workers(None)
        return
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_attend_parent)
    try:
        yield Workers(pool)
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _noted(result: R, place: int, done: Done) -> R:
    done(place)
    return result


def _attend_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: Any) -> None:
    wait_connection([sentinel])
    os._exit(1)
