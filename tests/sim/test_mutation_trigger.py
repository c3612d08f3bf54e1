"""Mutants of the hand-written modules around a core: one build of all, judged by the trigger's bench."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.random_programs import random_program, random_words

from trigforge.filling import FillingScheme
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import TriggerTop, write_rtl
from trigforge.firmware.rtl.trigger import MODULES
from trigforge.sim.cosim import Vectors
from trigforge.sim.cosim.trigger import PackedTrigger
from trigforge.sim.cosim.trigger_stimulus import TriggerVectors, make_trigger_vectors
from trigforge.sim.mutation.faults import Kind
from trigforge.sim.mutation.run import open_bench
from trigforge.sim.mutation.schemata import Fault, instrument, original
from trigforge.sim.mutation.trigger import judge_trigger, trigger_faults

from .test_mutation import found

SURE = (
    ("tf_threshold", "(value ^ SIGN) >= (limit ^ SIGN): '>='"),
    ("tf_prescale", "sum >= whole: '>='"),
    ("tf_align", "last_phase == LAST_PHASE && last_bx == LAST_BX: '&&'"),
    ("tf_align", "all_numbers[BX_BITS*LATENCY+:BX_BITS]: '*LATENCY'"),
    ("tf_rates", "(lumi ? 32'd0 : running) + 32'(events[i]): '+'"),
    ("trigger_top", "{bx_1, score_1, candidates}: '_1'"),
)
"""Module and beginning of what is wrong: faults that no stimulus may miss."""


@dataclass(frozen=True, slots=True)
class Case:
    packed: PackedTrigger
    vectors: TriggerVectors
    faults: tuple[Fault, ...]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder, program = tmp_path_factory.mktemp("trigger"), random_program(2)
    core = write_rtl(program, Targets(), folder / "core", "dut")
    trigger = TriggerTop("menu", core, program.digest, algorithms=2, compares=(5,), orbit=48)
    packed = PackedTrigger.write(trigger, trigger.write(folder / "rtl"), folder / "rtl")
    words = random_words(program, 300, 1)
    events = Vectors(words, np.full(len(words), "random"))
    vectors = make_trigger_vectors(trigger, program, events, FillingScheme("30b+18e"), whole_orbits=3)
    return Case(packed, vectors, trigger_faults(packed))


def test_every_module_and_every_bit_of_a_threshold_has_faults(case: Case) -> None:
    assert len(set(case.faults)) == len(case.faults) > 250
    assert {fault.stage for fault in case.faults} == set(MODULES)
    stuck = [f for f in case.faults if f.kind is Kind.THRESHOLD_BIT and "stuck" in f.what]
    assert len(stuck) == 2 * sum(word.width for word in case.packed.trigger.score_words)


def test_the_bench_passes_the_original_and_catches_its_faults(case: Case, tmp_path: Path) -> None:
    design = instrument(case.packed.design, case.faults, tmp_path / "rtl")
    for source, copy in zip(case.packed.design.sources, design.sources, strict=False):
        assert original(copy.read_text()) == source.read_text()
    trace = open_bench(design, found("verilator"), tmp_path / "sim", 1, 600.0)
    assert not judge_trigger(case.packed, case.vectors, trace, 0).caught
    caught = [judge_trigger(case.packed, case.vectors, trace, k).caught for k in range(1, len(case.faults) + 1)]
    for module, what in SURE:
        chosen = [hit for f, hit in zip(case.faults, caught, strict=True) if f.stage == module and what in f.what]
        assert chosen, what
        assert all(chosen), what
    assert sum(caught) > 0.9 * len(caught)
