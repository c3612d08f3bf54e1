"""The worker pool: order, progress, errors, sudden death."""

from __future__ import annotations

import multiprocessing
import os
from functools import partial

import pytest

from trigforge.errors import CheckError, InputError
from trigforge.sim.collisions.workers import start_workers


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_order_and_each_is_noted(count: int) -> None:
    places: list[int] = []
    with start_workers(count) as workers:
        results = workers.run([partial(pow, 2, n) for n in range(6)], places.append)
    assert results == [1, 2, 4, 8, 16, 32]
    assert sorted(places) == list(range(6))


def test_a_dead_worker_is_an_error() -> None:
    with (
        pytest.raises(
            CheckError, match=r"^a simulation worker must live until its task ends, but one died; give it more"
        ),
        start_workers(2) as workers,
    ):
        workers.run([partial(os._exit, 3)], lambda _: None)


def test_an_interrupt_ends_the_processes() -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt), start_workers(2) as workers:
        workers.run([partial(pow, 2, n) for n in range(50)], interrupt)
    assert set(multiprocessing.active_children()) <= before


def test_errors_of_tasks_are_passed_on() -> None:
    with pytest.raises(ValueError, match="invalid literal"), start_workers(2) as workers:
        workers.run([partial(int, "x")], lambda _: None)
    assert issubclass(InputError, ValueError)
