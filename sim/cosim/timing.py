"""The order in which a bench applies events, and what its trace says about latency and initiation interval.

First some events are held still until the pipeline is full of them (probes), then all are streamed, one a clock.
The probes tell the latency and, without it, the right answers; the stream must then give the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError
from trigforge.firmware.design import Bits, RtlDesign

PROBES = 24
"""Events that are held still to measure the latency."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which event is applied before which clock edge: every probe `hold` times, then all events, then the last again.

    Row k of a trace is the output just before row k of `order` is applied.
    """

    events: int
    hold: int
    probes: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]

    @classmethod
    def of(cls, events: int, latency_clocks: int, probes: int = PROBES) -> Plan:
        """A plan for `events` events, whose probes are spread evenly and held twice the latency and longer."""
        hold = 2 * latency_clocks + 8
        spread = np.unique(np.linspace(0, events - 1, probes).round().astype(np.int64))
        flush = np.full(hold, events - 1, dtype=np.int64)
        order = np.concatenate([np.repeat(spread, hold), np.arange(events, dtype=np.int64), flush])
        return cls(events, hold, spread, order)

    @property
    def prologue(self) -> int:
        """Number of clocks before the stream."""
        return len(self.probes) * self.hold

    def settled(self, trace: Bits) -> Bits:
        """The output (probes,) at the end of every probe's time."""
        return trace[self.hold : self.prologue + 1 : self.hold]

    def streamed(self, trace: Bits, latency: int) -> Bits:
        """The output (events,) of every streamed event."""
        return trace[self.prologue + latency : self.prologue + latency + self.events]


def read_trace(plan: Plan, trace: Bits, design: RtlDesign) -> Bits:
    """The output (events,) of every streamed event; the design has its declared latency and takes an event a clock.

    Raises `CheckError` if it does not, or an output bit is neither 0 nor 1 once the pipeline is filled.
    """
    require_defined(plan, trace, design)
    streamed = plan.streamed(trace, measure_latency(plan, trace, design))
    require_interval_one(plan, trace, streamed)
    return streamed


def require_defined(plan: Plan, trace: Bits, design: RtlDesign) -> None:
    """Raise `CheckError` at the first output bit that is neither 0 nor 1 once the pipeline is filled."""
    digits = design.outputs.digits(trace[plan.hold :])[:, ::-1]
    undefined = (digits != ord("0")) & (digits != ord("1"))
    if undefined.any():
        row, position = (int(k) for k in np.argwhere(undefined)[0])
        element, bit = design.outputs.locate(position)
        event = int(plan.order[row + plan.hold - design.latency_clocks])
        raise CheckError(
            f"every output bit of {design.top!r} must be 0 or 1, but bit {bit} of output {element} is "
            f"{chr(digits[row, position])} at event {event}; {int(undefined.any(axis=1).sum())} of {len(digits)} "
            "clocks have undefined bits"
        )


def measure_latency(plan: Plan, trace: Bits, design: RtlDesign) -> int:
    """Clock edges from a changed input to the changed output, equal for all probes and as declared.

    Raises `CheckError` if it is not as declared, differs between outputs or events, or no probe changes the output.
    """
    steps = [_step(plan, trace, probe) for probe in range(1, len(plan.probes))]
    seen = [step for step in steps if step is not None]
    if not seen:
        raise CheckError(
            f"the outputs of {design.top!r} must differ between events to measure its latency, but {len(plan.probes)} "
            f"events all gave {trace[plan.hold].decode()}; add vectors that exercise it"
        )
    first, last = min(s[0] for s in seen), max(s[1] for s in seen)
    if first != last:
        raise CheckError(
            f"all outputs of {design.top!r} must have the same latency, but after a change of the input they moved "
            f"after {first} clocks and settled after {last}"
        )
    if first != design.latency_clocks:
        raise CheckError(
            f"the latency of {design.top!r} must be {design.latency_clocks} clocks as declared, but {first} "
            "were measured"
        )
    return first


def require_interval_one(plan: Plan, trace: Bits, streamed: Bits) -> None:
    """Raise `CheckError` unless streamed events gave the outputs that the same events gave when held still."""
    differ = plan.settled(trace) != streamed[plan.probes]
    if differ.any():
        probe = int(np.argmax(differ))
        raise CheckError(
            f"an event must be accepted every clock (II = 1), but event {int(plan.probes[probe])} gave "
            f"{streamed[plan.probes[probe]].decode()} in the stream "
            f"and {plan.settled(trace)[probe].decode()} held still"
        )


def _step(plan: Plan, trace: Bits, probe: int) -> tuple[int, int] | None:
    """After how many clocks of a probe the output first moved and when it had settled; None if it did not move."""
    before, after = plan.settled(trace)[probe - 1 : probe + 1]
    if before == after:
        return None
    window = trace[probe * plan.hold + 1 : (probe + 1) * plan.hold + 1]
    first = int(np.argmax(window != before)) + 1
    unsettled = np.flatnonzero(window != after)
    return first, (int(unsettled[-1]) + 2 if len(unsettled) else 1)
