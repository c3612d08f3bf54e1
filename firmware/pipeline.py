"""How many registers a program needs to run at a clock: the search for its pipeline, and the delay model it rests on.

No vendor tool is at hand, so delays are estimated in logic levels (see `trigforge.firmware.network`), one LUT and its
net each. Nanoseconds per level are an assumption about the device, which `Targets.ns_per_level` replaces.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from trigforge.errors import InputError
from trigforge.firmware.network import Network, engine_program
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.value import Value

REGISTER_NS = 0.15
"""Clock to output and set-up of a flip-flop (xcvu3p-2, FloPoCo's `VirtexUltrascalePlus` from Vivado's reports)."""
NS_PER_LEVEL = {r"xc([akv]u\d+p|zu\d|k2[46]|u\d)": 0.45, r"xc7": 0.95}
"""Assumed for speed grade -2, by device. UltraScale+: LUT6 0.148 ns as in FloPoCo's model of xcvu3p-2 and 0.3 ns of
net, for which that model has had 0.18 to 0.5 ns. 7 series: LUT6 0.642 ns (Project X-Ray, Artix-7) and 0.3 ns of net,
both as in the timing model of Yosys."""
SPEED_GRADES = {"1": 1.16, "2": 1.0, "3": 0.87}
"""Assumed: delays go as the period of the fastest global clock (DS922: 667, 775 and 891 MHz for -1, -2 and -3)."""

_PART = re.compile(r"(?P<device>xc\w+?)(-\w+)?-(?P<grade>[123])[a-z]*(-[a-z])?", re.IGNORECASE)


class Pipeline(Value):
    """Where a program's registers are, and what that means for its timing; the delays are estimates."""

    stages: int = Field(ge=1)
    """Logic stages; an input register lies before the first, a register after each."""
    levels: float = Field(ge=0)
    """Estimated LUT levels of the slowest stage."""
    ns_per_level: float = Field(gt=0)
    clock_ns: float = Field(gt=0)
    register_bits: int = Field(ge=0)
    cost: float = Field(ge=0)
    """alkaid's estimate of the LUTs."""
    schedule: tuple[int, ...]
    """The stage of every operation, in the order in which `engine_program` has them."""

    @property
    def latency_clocks(self) -> int:
        """Rising clock edges from an input word to its output word."""
        return self.stages + 1

    @property
    def latency_ns(self) -> float:
        """The same in nanoseconds."""
        return self.latency_clocks * self.clock_ns

    @property
    def delay_ns(self) -> float:
        """Estimated delay of the slowest stage, a register included."""
        return REGISTER_NS + self.levels * self.ns_per_level


def choose_pipeline(program: IntegerProgram, targets: Targets) -> Pipeline:
    """The pipeline with the fewest stages, then the fewest register bits, whose stages meet the clock.

    A stage meets it if `REGISTER_NS` and its levels fit into the clock period less `clock_uncertainty`. `stages` fixes
    their number instead: then the estimate is stated, not required. Raises `InputError` if the latency exceeds its
    budget, if an operation alone exceeds the clock, or if nothing is known of the part.
    """
    network, ns_per_level = Network.of(engine_program(program)), require_ns_per_level(targets)
    usable = targets.clock_ns * (1 - targets.clock_uncertainty) - REGISTER_NS
    if targets.stages is None:
        _require_clock(network, targets, ns_per_level, usable)
        most = usable / ns_per_level
        stages = network.stages(most)
    else:
        stages = targets.stages
        if stages > network.most_stages:
            raise InputError(
                f"stages must be at most {network.most_stages}, the operations on the program's longest path, "
                f"not {stages}; delay its output outside"
            )
        most = network.slowest(stages)
    _require_budget(network, targets, stages)
    schedule = min(network.schedules(stages, most), key=lambda s: (network.register_bits(s), network.levels(s)))
    return Pipeline(
        stages=stages,
        levels=network.levels(schedule),
        ns_per_level=ns_per_level,
        clock_ns=targets.clock_ns,
        register_bits=network.register_bits(schedule),
        cost=network.cost,
        schedule=schedule,
    )


def require_ns_per_level(targets: Targets) -> float:
    """Nanoseconds of a logic level: the user's, or what is assumed for the part's family and speed grade."""
    if targets.ns_per_level is not None:
        return targets.ns_per_level
    part = _PART.fullmatch(targets.part)
    if part is not None:
        for device, delay in NS_PER_LEVEL.items():
            if re.match(device, part["device"], re.IGNORECASE):
                return delay * SPEED_GRADES[part["grade"]]
    raise InputError(
        f"ns_per_level must be given for part {targets.part!r}: delays are assumed for UltraScale+ and 7-series parts "
        "with their speed grade (such as xcvu13p-flga2577-2-e) only"
    )


def split(program: IntegerProgram, pipeline: Pipeline) -> Any:
    """alkaid's pipelined machine (`FSM`) of a program, its registers where the schedule has them.

    alkaid cuts at equal intervals of its delay estimate, so every operation gets the number of its stage as delay.
    """
    from alkaid.trace.passes import add_surrogate
    from alkaid.trace.pipeline import to_pipeline

    comb = engine_program(program)
    ops = [op._replace(latency=float(stage + 1)) for op, stage in zip(comb.ops, pipeline.schedule, strict=True)]
    machine = to_pipeline(comb._replace(ops=ops), n_stages=pipeline.stages, verbose=False)
    for name, logic in machine.logic.items():
        machine.logic[name] = add_surrogate(logic, _skip_op8_cost=True)
    return machine


def _require_clock(network: Network, targets: Targets, ns_per_level: float, usable: float) -> None:
    slowest = max(network.delays, default=0.0)
    if slowest * ns_per_level > usable:
        least = (slowest * ns_per_level + REGISTER_NS) / (1 - targets.clock_uncertainty)
        raise InputError(
            f"clock_ns must be at least {least:.2f} ns, as one operation takes {slowest:.1f} logic levels of "
            f"{ns_per_level:g} ns, not {targets.clock_ns:g}; slow the clock or shrink the model"
        )


def _require_budget(network: Network, targets: Targets, stages: int) -> None:
    clocks = stages + 1
    if clocks * targets.clock_ns > targets.latency_budget_ns:
        raise InputError(
            f"latency_budget_ns must be at least {clocks * targets.clock_ns:g} ns ({clocks} clocks of "
            f"{targets.clock_ns:g} ns) for {network.path:.1f} logic levels on {targets.part}, "
            f"not {targets.latency_budget_ns:g}; raise the budget, slow the clock or shrink the model"
        )
