"""A program as a network of operations with estimated delays, and the schedules that cut it into stages.

Delays are counted in LUT levels, from alkaid's estimate of every operation: `LEVELS_PER_UNIT` and the levels of
products, tables, selections and reductions are the most that Yosys was seen to map alkaid's operations to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from alkaid.types import CombLogic, Op, QInterval

from trigforge.firmware.program import IntegerProgram

LEVELS_PER_UNIT = 1.65
"""LUT levels of one unit of alkaid's delay: at most 1.61 in the stages of the reference model mapped by Yosys with
five levels or more and no product. Delays that alkaid has as zero can add a level to a stage of one or two."""

_INPUT, _RELU, _WRAP, _CONSTANT, _MUX, _PRODUCT, _TABLE, _REDUCTION, _BITWISE = -1, 2, 3, 5, 6, 7, 8, 9, 10
_TRIALS = 16
_TOLERANCE = 1e-9


def engine_program(program: IntegerProgram) -> CombLogic:
    """The operations as they are written to RTL: chains of two additions fused into one, with alkaid's delays."""
    from alkaid.trace.passes import add_surrogate, dead_code_elimin, fuse_ternary_adders

    return add_surrogate(_split_one_bit_relus(dead_code_elimin(fuse_ternary_adders(program.comb))), _skip_op8_cost=True)


def _split_one_bit_relus(comb: CombLogic) -> CombLogic:
    """Rectify first and drop bits then: alkaid's VHDL of a ReLU with one bit left takes the input's lowest bit."""
    ops: list[Op] = []
    place: list[int] = []
    for op in comb.ops:
        op = op._replace(addr=tuple(place[k] for k in op.addr))
        if op.opcode == _RELU and sum(op.qint.kif) == 1 and op.qint.step != ops[op.addr[0]].qint.step:
            step = ops[op.addr[0]].qint.step
            ops.append(op._replace(qint=QInterval(0.0, 2.0 * op.qint.step - step, step)))
            op = op._replace(addr=(len(ops) - 1,), opcode=_WRAP, data=(0,))
        place.append(len(ops))
        ops.append(op)
    return comb._replace(ops=ops, out_idxs=[place[k] if k >= 0 else k for k in comb.out_idxs])


@dataclass(frozen=True)
class Network:
    """Operations in order of evaluation, each with its operands, estimated LUT levels and bits of its result."""

    operands: tuple[tuple[int, ...], ...]
    delays: tuple[float, ...]
    widths: tuple[int, ...]
    fixed: tuple[bool, ...]
    """Inputs and constants: they are there from the first stage on."""
    constant: tuple[bool, ...]
    outputs: tuple[int, ...]
    ports: int
    """Bits of the input and output registers."""
    cost: float

    @classmethod
    def of(cls, comb: CombLogic) -> Network:
        """The network of an engine program."""
        return cls(
            operands=tuple(tuple(op.input_ids) for op in comb.ops),
            delays=tuple(_delay(comb, index) for index in range(len(comb.ops))),
            widths=tuple(int(sum(op.qint.kif)) for op in comb.ops),
            fixed=tuple(op.opcode in (_INPUT, _CONSTANT) for op in comb.ops),
            constant=tuple(op.opcode == _CONSTANT for op in comb.ops),
            outputs=tuple(index for index in comb.out_idxs if index >= 0),
            ports=int(comb.inp_kifs.sum() + comb.out_kifs.sum()),
            cost=float(comb.cost),
        )

    @cached_property
    def users(self) -> tuple[tuple[int, ...], ...]:
        """The operations that use each result."""
        users: list[list[int]] = [[] for _ in self.operands]
        for index, operands in enumerate(self.operands):
            for operand in operands:
                users[operand].append(index)
        return tuple(map(tuple, users))

    @cached_property
    def path(self) -> float:
        """Levels of the longest path from input to output."""
        return self.levels((0,) * len(self.operands))

    def levels(self, schedule: Sequence[int]) -> float:
        """Levels of the slowest stage."""
        arrival: list[float] = []
        for index, operands in enumerate(self.operands):
            ready = [arrival[k] for k in operands if schedule[k] == schedule[index]]
            arrival.append(max(ready, default=0.0) + self.delays[index])
        return max(arrival, default=0.0)

    def register_bits(self, schedule: Sequence[int]) -> int:
        """Bits of all registers: a result is kept from its own stage to the last that uses it."""
        last = max(schedule, default=0)
        total = self.ports
        for index, users in enumerate(self.users):
            if not self.constant[index]:
                until = last if index in self._results else max((schedule[k] for k in users), default=0)
                total += self.widths[index] * max(until - schedule[index], 0)
        return total

    @cached_property
    def _least(self) -> float:
        """Levels of a stage that holds no two operations in a row."""
        return min((delay for delay in self.delays if delay), default=0.0)

    @cached_property
    def _results(self) -> frozenset[int]:
        return frozenset(self.outputs)

    def earliest(self, most: float) -> tuple[int, ...]:
        """Every operation in the first stage that has room for it: the fewest stages of at most `most` levels."""
        order = range(len(self.operands))
        stage = self._pack(order, self.operands, most)
        return tuple(0 if fixed else s for s, fixed in zip(stage, self.fixed, strict=True))

    def latest(self, most: float, stages: int) -> tuple[int, ...]:
        """Every operation in the last of `stages` stages that has room for it."""
        before = self._pack(reversed(range(len(self.operands))), self.users, most)
        return tuple(0 if fixed else stages - 1 - s for s, fixed in zip(before, self.fixed, strict=True))

    def _pack(self, order: Iterable[int], sources: Sequence[Sequence[int]], most: float) -> list[int]:
        stage, filled = [0] * len(self.operands), [0.0] * len(self.operands)
        for index in order:
            delay = min(self.delays[index], most)
            first = max((stage[k] for k in sources[index]), default=0)
            depth = max((filled[k] for k in sources[index] if stage[k] == first), default=0.0) + delay
            stage[index], filled[index] = (first, depth) if depth <= most + _TOLERANCE else (first + 1, delay)
        return stage

    def stages(self, most: float) -> int:
        """The fewest stages of at most `most` levels; an operation with more has a stage of its own."""
        return 1 + max(self.earliest(most), default=0)

    def slowest(self, stages: int) -> float:
        """The fewest levels, to a thousandth, with which `stages` stages suffice."""
        low, high = self._least, self.path
        if self.stages(low) <= stages:
            return low
        while high - low > 1e-3:
            middle = (low + high) / 2
            low, high = (low, middle) if self.stages(middle) <= stages else (middle, high)
        return high

    @cached_property
    def most_stages(self) -> int:
        """As many stages as there are operations with a delay on the longest chain of them."""
        return self.stages(self._least)

    def schedules(self, stages: int, most: float) -> Iterator[tuple[int, ...]]:
        """Schedules of `stages` stages with at most `most` levels each, from the most even to the fullest."""
        least = min(self.slowest(stages), most)
        for trial in range(_TRIALS + 1):
            levels = least + (most - least) * trial / _TRIALS
            yield self.latest(levels, stages)
            early = self.earliest(levels)
            if max(early, default=0) == stages - 1:
                yield early


def _delay(comb: CombLogic, index: int) -> float:
    """LUT levels of one operation: alkaid's estimate, or more where Yosys was seen to need more."""
    op = comb.ops[index]
    units = op.latency - max((comb.ops[k].latency for k in op.input_ids), default=0.0)
    widths = [int(sum(comb.ops[k].qint.kif)) for k in op.input_ids]
    floor = 0.0
    if op.opcode == _PRODUCT:
        floor = 0.5 + math.log2(max(math.prod(widths), 1))
    elif op.opcode == _TABLE:
        floor = float(max(widths[0] - 6, 1))
    elif op.opcode in (_MUX, _BITWISE):
        floor = 1.0 if units else 0.0
    elif op.opcode == _REDUCTION and op.data[0]:
        floor = 1.0 + math.ceil(math.log(max(widths[0], 1), 6))
    return float(max(units * LEVELS_PER_UNIT, floor))
