"""The search for the number of stages: the fewest that meet clock and budget, and what is said if there are none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from trigforge.errors import InputError
from trigforge.firmware.network import Network, engine_program
from trigforge.firmware.pipeline import REGISTER_NS, choose_pipeline, require_ns_per_level, split
from trigforge.firmware.project import Targets

from .random_programs import random_program

SEEDS = range(24)
CLOCKS = (3.125, 4.166, 6.25, 12.5, 25.0)


def network(seed: int) -> Network:
    return Network.of(engine_program(random_program(seed)))


def require_schedule(net: Network, schedule: tuple[int, ...], stages: int) -> None:
    """No operation comes before its operands, inputs are in the first stage, and all stages are in range."""
    assert all(schedule[k] <= schedule[i] for i, operands in enumerate(net.operands) for k in operands)
    assert not any(stage for stage, fixed in zip(schedule, net.fixed, strict=True) if fixed)
    assert (min(schedule), max(schedule)) == (0, stages - 1)


@pytest.mark.parametrize("clock_ns", CLOCKS)
def test_every_stage_meets_the_clock_and_fewer_stages_do_not(clock_ns: float) -> None:
    targets = Targets(clock_ns=clock_ns, latency_budget_ns=1000)
    usable = 0.9 * clock_ns - REGISTER_NS
    chosen = 0
    for seed in SEEDS:
        net = network(seed)
        if max(net.delays) * 0.45 > usable:
            continue
        pipeline = choose_pipeline(random_program(seed), targets)
        require_schedule(net, pipeline.schedule, pipeline.stages)
        assert pipeline.levels == net.levels(pipeline.schedule)
        assert pipeline.delay_ns <= 0.9 * clock_ns + 1e-9
        assert pipeline.latency_clocks == pipeline.stages + 1
        assert pipeline.latency_ns == pipeline.latency_clocks * clock_ns
        if pipeline.stages > 1:
            assert REGISTER_NS + net.slowest(pipeline.stages - 1) * 0.45 > 0.9 * clock_ns
        chosen += 1
    assert chosen > len(SEEDS) / 2


def small_network(seed: int, operations: int = 7) -> Network:
    """Random operations, the first two inputs."""
    rng = np.random.default_rng(seed)
    operands = [tuple(rng.choice(i, 2).tolist()) if i > 1 else () for i in range(operations)]
    delays = [0.0, 0.0, *rng.choice([0.0, 0.3, 1.0, 1.7, 2.0], operations - 2).tolist()]
    fixed = tuple(i < 2 for i in range(operations))
    no = (False,) * operations
    return Network(tuple(operands), tuple(delays), (8,) * operations, fixed, no, (operations - 1,), 24, 0.0)


def test_no_schedule_at_all_has_fewer_stages() -> None:
    deep = 0
    for seed in range(12):
        net = small_network(seed)
        most = max(2.0, *net.delays)
        legal = [
            (0, 0, *rest)
            for rest in itertools.product(range(3), repeat=len(net.delays) - 2)
            if all((0, 0, *rest)[k] <= stage for stage, ks in zip((0, 0, *rest), net.operands, strict=True) for k in ks)
        ]
        possible = [max(schedule) + 1 for schedule in legal if net.levels(schedule) <= most]
        assert net.stages(most) == min(possible, default=net.stages(most))
        assert possible or net.stages(most) > 3
        deep += net.stages(most) > 1
    assert deep > 3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_registers_are_those_of_the_machine(seed: int) -> None:
    program, net = random_program(seed), network(seed)
    for stages in {1, min(2, net.most_stages), net.most_stages}:
        pipeline = choose_pipeline(program, Targets(stages=stages, latency_budget_ns=1000))
        require_schedule(net, pipeline.schedule, stages)
        machine = split(program, pipeline)
        assert len(machine.logic) == stages
        assert sum(signal.width for signal in machine.signals.values() if signal.reg) == pipeline.register_bits


def test_a_slow_clock_needs_registers_at_the_ports_only() -> None:
    pipeline = choose_pipeline(random_program(5), Targets(clock_ns=25.0))
    assert (pipeline.stages, pipeline.latency_ns) == (1, 50.0)


def test_more_uncertainty_and_slower_logic_need_more_stages() -> None:
    stages = [
        choose_pipeline(random_program(5), targets).stages
        for targets in (Targets(), Targets(clock_uncertainty=0.4), Targets(ns_per_level=0.8), Targets(ns_per_level=0.1))
    ]
    assert stages[1] > stages[0]
    assert stages[2] > stages[0]
    assert stages[3] < stages[0]


def test_what_cannot_be_met_is_refused_with_what_could() -> None:
    program = random_program(5)
    least = choose_pipeline(program, Targets()).latency_ns
    assert choose_pipeline(program, Targets(latency_budget_ns=least)).latency_ns == least
    wanted = (
        rf"latency_budget_ns must be at least {least:g} ns \({least / 5:g} clocks of 5 ns\) for [\d.]+ logic levels on "
        rf"xcvu13p-flga2577-2-e, not {least - 1:g}; raise the budget, slow the clock or shrink the model"
    )
    with pytest.raises(InputError, match=wanted):
        choose_pipeline(program, Targets(latency_budget_ns=least - 1))
    with pytest.raises(
        InputError, match=r"clock_ns must be at least [\d.]+ ns, as one operation takes [\d.]+ logic le"
    ):
        choose_pipeline(program, Targets(clock_ns=1.0))
    most = network(5).most_stages
    with pytest.raises(InputError, match=f"stages must be at most {most}, .* not {most + 1}; delay its output outside"):
        choose_pipeline(program, Targets(stages=most + 1, latency_budget_ns=1000))


def test_fixed_stages_state_the_delay_and_keep_the_budget() -> None:
    program = random_program(5)
    pipeline = choose_pipeline(program, Targets(stages=1, clock_ns=2.0))
    assert (pipeline.stages, pipeline.latency_clocks) == (1, 2)
    assert pipeline.delay_ns > 2.0
    with pytest.raises(InputError, match=r"latency_budget_ns must be at least 20 ns \(4 clocks of 5 ns\)"):
        choose_pipeline(program, Targets(stages=3, latency_budget_ns=19.0))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("xcvu13p-flga2577-2-e", 0.45),
        ("xcvu9p-flgb2104-2L-e", 0.45),
        ("xcku5p-ffvb676-1-i", 0.45 * 1.16),
        ("xczu9eg-ffvb1156-3-e", 0.45 * 0.87),
        ("xcu250-figd2104-2L-e", 0.45),
        ("xc7vx690tffg1927-2", 0.95),
        ("xc7z020clg400-1", 0.95 * 1.16),
    ],
)
def test_parts_have_their_family_and_grade(part: str, expected: float) -> None:
    assert require_ns_per_level(Targets(part=part)) == expected


@pytest.mark.parametrize("part", ["xcku115-flva1517-2-e", "xcvu13p", "AGFB014R24B2E2V", "xcvp1802-lsvc4072-2MP-e-S"])
def test_an_unknown_part_needs_a_delay(part: str) -> None:
    with pytest.raises(InputError, match=f"ns_per_level must be given for part '{part}': delays are assumed for Ultra"):
        choose_pipeline(random_program(3), Targets(part=part))
    assert choose_pipeline(random_program(3), Targets(part=part, ns_per_level=0.5)).ns_per_level == 0.5


def test_the_search_is_reproducible() -> None:
    first, again = (choose_pipeline(random_program(6), Targets()) for _ in range(2))
    assert first == again
    assert type(first).parse(first.model_dump(mode="json"), "memory") == first


def test_schedules_of_any_length_are_valid() -> None:
    for seed in SEEDS:
        net = network(seed)
        for stages in range(1, net.most_stages + 1):
            levels = np.array([net.levels(s) for s in net.schedules(stages, net.slowest(stages))])
            assert np.all(levels <= max(net.slowest(stages), *net.delays) + 1e-6)
