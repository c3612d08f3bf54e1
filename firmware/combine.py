"""Several programs of one input contract as one, their common operations, above all the normaliser, there once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from alkaid.types import CombLogic, Op, Precision, QInterval

from trigforge.errors import InputError
from trigforge.firmware.program import IntegerProgram, Provenance

_INPUT, _WRAP, _LOOKUP = -1, 3, 8


def combine(programs: Sequence[IntegerProgram]) -> IntegerProgram:
    """The program whose outputs are those of `programs` on the same words, in order.

    Operations that are equal, on equal operands and with the same proved interval, are there once. Raises `InputError`
    unless all programs have the same input types and come from the same input contract.
    """
    _require_one_input(programs)
    combs = [program.comb for program in programs]
    shared = _Shared(_input_intervals(combs))
    places = [shared.add(comb) for comb in combs]
    first = combs[0]
    comb = CombLogic(
        shape=(first.shape[0], sum(comb.shape[1] for comb in combs)),
        inp_shifts=list(first.inp_shifts),
        out_idxs=[k if k < 0 else place[k] for comb, place in zip(combs, places, strict=True) for k in comb.out_idxs],
        out_shifts=[shift for comb in combs for shift in comb.out_shifts],
        out_negs=[negative for comb in combs for negative in comb.out_negs],
        ops=shared.ops,
        carry_size=first.carry_size,
        adder_size=first.adder_size,
        lookup_tables=tuple(shared.tables) or None,
    )
    return IntegerProgram(comb, programs[0].inputs, _provenance([program.provenance for program in programs]))


class _Shared:
    """A growing list of operations that holds none twice."""

    def __init__(self, intervals: dict[int, QInterval]) -> None:
        self.ops: list[Op] = []
        self.tables: list[object] = []
        self._intervals = intervals
        self._known: dict[object, int] = {}
        self._known_tables: dict[object, int] = {}

    def add(self, comb: CombLogic) -> list[int]:
        """Where every operation of `comb` is in the list, which holds it from now on."""
        tables = [self._table(table) for table in comb.lookup_tables or ()]
        place: list[int] = []
        for op in comb.ops:
            own = op._replace(addr=tuple(place[k] for k in op.addr))
            if op.opcode == _LOOKUP:
                own = own._replace(data=(tables[op.data[0]], *op.data[1:]))
            place.append(self._input(own) if op.opcode == _INPUT else self._insert(own))
        return place

    def _input(self, op: Op) -> int:
        """An input word, cut to the bits that this program looks at where another looks at more."""
        whole = self._insert(op._replace(qint=self._intervals[op.data[0]]))
        if self.ops[whole].qint == op.qint:
            return whole
        return self._insert(op._replace(addr=(whole,), opcode=_WRAP, data=(0,)))

    def _insert(self, op: Op) -> int:
        key = (op.addr, op.opcode, op.data, op.qint)
        if key not in self._known:
            self._known[key] = len(self.ops)
            self.ops.append(op)
        return self._known[key]

    def _table(self, table: object) -> int:
        mask = getattr(table, "mask", None)  # entries that no value of its own program reaches
        key = (table, None if mask is None else np.asarray(mask).tobytes())
        if key not in self._known_tables:
            self._known_tables[key] = len(self.tables)
            self.tables.append(table)
        return self._known_tables[key]


def _input_intervals(combs: Iterable[CombLogic]) -> dict[int, QInterval]:
    """The interval of every input word that is used: that of all programs, or all values of the bits they look at."""
    seen: dict[int, set[QInterval]] = {}
    for comb in combs:
        for op in comb.ops:
            if op.opcode == _INPUT:
                seen.setdefault(op.data[0], set()).add(op.qint)
    return {index: _covering(intervals) for index, intervals in seen.items()}


def _covering(intervals: set[QInterval]) -> QInterval:
    if len(intervals) == 1:
        return next(iter(intervals))
    signed, integers, fractional = zip(*(interval.kif for interval in intervals), strict=True)
    return Precision(bool(max(signed)), max(integers), max(fractional)).qint


def _require_one_input(programs: Sequence[IntegerProgram]) -> None:
    if not programs:
        raise InputError("programs to be combined must be at least one, not 0")
    first = programs[0]
    for i, program in enumerate(programs[1:], 1):
        if len(program.inputs) != len(first.inputs):
            raise InputError(
                f"programs to be combined must have the same inputs, but program {i} has {len(program.inputs)} words "
                f"and program 0 has {len(first.inputs)}"
            )
        for word, (own, other) in enumerate(zip(program.inputs, first.inputs, strict=True)):
            if own != other:
                raise InputError(
                    f"programs to be combined must have the same inputs, but word {word} of program {i} is {own} and "
                    f"that of program 0 is {other}"
                )
        own_contract, contract = program.provenance.contract_digest, first.provenance.contract_digest
        if own_contract != contract:
            raise InputError(
                f"programs to be combined must be of one input contract, but program {i} is of "
                f"{own_contract[:12] or 'none'} and program 0 of {contract[:12] or 'none'}; convert both with the same"
            )
        if list(program.comb.inp_shifts) != list(first.comb.inp_shifts):
            raise InputError(f"programs to be combined must shift their inputs alike, but program {i} does not")


def _provenance(origins: Sequence[Provenance]) -> Provenance:
    """Where the programs came from: their frameworks, tools, and the digest of their models' digests in order."""
    digests = [origin.model_digest for origin in origins]
    tools = {name: version for origin in reversed(origins) for name, version in origin.tools.items()}
    return Provenance(
        framework=", ".join(dict.fromkeys(origin.framework for origin in origins)),
        model_digest=hashlib.sha256("\n".join(digests).encode()).hexdigest() if any(digests) else "",
        contract_digest=origins[0].contract_digest,
        tools=tools,
    )
