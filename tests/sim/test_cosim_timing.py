"""Latency and initiation interval, read from traces of pipelines that are modelled clock by clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import CheckError
from trigforge.firmware.design import Bits, Port, RtlDesign, Word
from trigforge.fixed import IntArray
from trigforge.sim.cosim.timing import Plan, measure_latency, require_interval_one

PORT = Port("p", (Word(8, False), Word(8, False)))
EVENTS = 100


def design(latency: int) -> RtlDesign:
    return RtlDesign((Path("top.v"),), "top", "clk", PORT, PORT, latency)


def pipeline(plan: Plan, latencies: tuple[int, int], function: Callable[[IntArray], IntArray]) -> Bits:
    """The trace of two registered outputs, each with its own latency: row k shows what edge k - latency took in."""
    columns = [
        np.concatenate([np.zeros(latency, dtype=np.int64), function(plan.order)[: len(plan.order) - latency]])
        for latency in latencies
    ]
    return PORT.pack(np.stack(columns, axis=1))


@given(latency=st.integers(1, 12), factor=st.integers(1, 200))
def test_a_balanced_pipeline_has_its_latency_and_interval_one(latency: int, factor: int) -> None:
    plan = Plan.of(EVENTS, latency, 24)
    trace = pipeline(plan, (latency, latency), lambda event: (event * factor) % 256)
    assert measure_latency(plan, trace, design(latency)) == latency
    streamed = plan.streamed(trace, latency)
    np.testing.assert_array_equal(PORT.unpack(streamed)[:, 0], (np.arange(EVENTS) * factor) % 256)
    require_interval_one(plan, trace, streamed)


@given(declared=st.integers(2, 8), extra=st.sampled_from([-1, 1, 2, 5]))
def test_another_latency_than_declared_is_an_error(declared: int, extra: int) -> None:
    real = declared + extra
    plan = Plan.of(EVENTS, declared, 24)
    trace = pipeline(plan, (real, real), lambda event: event)
    with pytest.raises(CheckError, match=f"'top' must be {declared} clocks as declared, but {real} were measured"):
        measure_latency(plan, trace, design(declared))


def test_outputs_of_unequal_latency_are_an_error() -> None:
    plan = Plan.of(EVENTS, 3, 24)
    trace = pipeline(plan, (3, 4), lambda event: event)
    with pytest.raises(CheckError, match="moved after 3 clocks and settled after 4"):
        measure_latency(plan, trace, design(3))


def test_a_constant_output_cannot_prove_a_latency() -> None:
    plan = Plan.of(EVENTS, 3, 24)
    trace = pipeline(plan, (3, 3), lambda event: 0 * event + 5)
    with pytest.raises(CheckError, match=r"outputs of 'top' must differ .* all gave 0000010100000101; add vectors"):
        measure_latency(plan, trace, design(3))


def test_a_pipeline_that_takes_every_other_event_is_an_error() -> None:
    plan = Plan.of(EVENTS, 2, 24)
    trace = pipeline(plan, (2, 2), lambda event: event)
    trace[1::2] = trace[:-1:2]
    streamed = plan.streamed(trace, 2)
    with pytest.raises(CheckError, match=r"accepted every clock \(II = 1\), but event \d+ gave [01]{16} in the stream"):
        require_interval_one(plan, trace, streamed)


def test_one_event_has_no_step_to_measure() -> None:
    plan = Plan.of(1, 2, 24)
    trace = pipeline(plan, (2, 2), lambda event: event + 1)
    with pytest.raises(CheckError, match="but 1 events all gave"):
        measure_latency(plan, trace, design(2))
