"""Programs side by side: exact on every word, equal operations once, different inputs refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from alkaid.trace import FVArray
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.combine import combine
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.files import convert_file
from trigforge.firmware.lowering import lower
from trigforge.firmware.program import IntegerProgram, Provenance, trace_program
from trigforge.firmware.project import Project
from trigforge.fixed import FixedType

from .random_programs import OPERATIONS, apply, random_program, random_words

PROJECTS = Path(__file__).parents[2] / "hls_projects"


def programs_on_one_input(seed: int, count: int) -> list[IntegerProgram]:
    """Random programs on the same words; they begin alike, and some look only at a word's higher or lower bits."""
    rng = np.random.default_rng(seed)
    types = tuple(
        FixedType(signed=bool(rng.integers(2)), width=int(w), integer=int(rng.integers(1, w + 2)))
        for w in rng.integers(3, 8, 4)
    )
    programs = []
    for number in range(count):
        cut = rng.integers(0, 2, (2, len(types))) * (rng.random() < 0.5)
        words = FVArray.from_kif(
            np.array([t.signed for t in types]).astype(int),
            np.array([t.integer - t.signed for t in types]) - cut[0],
            np.array([t.fraction for t in types]) - cut[1],
        )
        values = words
        for layer in range(3):
            drawn = np.random.default_rng(seed if layer == 0 else seed + 100 * number + layer)
            mixed = apply(str(drawn.choice(OPERATIONS)), values, drawn)
            values = FVArray(np.array([v.quantize(1, 5, 4, "SAT", "TRN") for v in mixed[:6]]))
        provenance = Provenance(framework=f"f{number % 2}", model_digest=str(number), contract_digest="c")
        programs.append(trace_program(words, values, types, provenance))
    return programs


@given(seed=st.integers(0, 10_000), count=st.integers(1, 4))
def test_outputs_are_those_of_the_programs(seed: int, count: int) -> None:
    programs = programs_on_one_input(seed, count)
    combined, words = combine(programs), random_words(programs[0], 300, seed)
    assert_array_equal(combined(words), np.concatenate([program(words) for program in programs], axis=1))
    assert combined.inputs == programs[0].inputs
    assert combined.outputs == tuple(kind for program in programs for kind in program.outputs)
    keys = [(op.addr, op.opcode, op.data, op.qint) for op in combined.comb.ops]
    assert len(set(keys)) == len(keys) <= sum(len(p.comb.ops) for p in programs) + len(combined.inputs) * count


def test_a_program_beside_itself_costs_nothing() -> None:
    for seed in range(12):
        program = random_program(seed)
        twice = combine([program, program])
        assert len(twice.comb.ops) == len(program.comb.ops)
        assert len(twice.comb.lookup_tables or ()) == len(set(program.comb.lookup_tables or ()))
        assert combine([program]).digest == program.digest


def test_tables_with_other_unreached_entries_stay_apart() -> None:
    """A table that is never asked for an entry leaves its hardware free there; another program may ask for it."""
    kind = FixedType(signed=False, width=3, integer=3)
    table = np.array([1.0, 5.0, 2.0, 7.0, 3.0, 4.0, 0.0, 6.0])
    programs = []
    for holes in ((), (3,)):
        words = FVArray.from_kif(np.array([0]), np.array([3]), np.array([0]))
        entries = table.copy()
        entries[list(holes)] = np.nan
        programs.append(trace_program(words, FVArray(np.array([words[0].lookup(entries)])), (kind,)))
    masks = [p.comb.lookup_tables[0].mask for p in programs]
    assert (masks[0] is None) != (masks[1] is None)
    assert len(combine(programs).comb.lookup_tables) == len(combine(programs[::-1]).comb.lookup_tables) == 2


def test_provenance_names_all_and_keeps_the_contract() -> None:
    programs = programs_on_one_input(3, 3)
    told = combine(programs).provenance
    assert (told.framework, told.contract_digest) == ("f0, f1", "c")
    assert len(told.model_digest) == 64
    assert told.model_digest != combine(programs[::-1]).provenance.model_digest


def test_different_inputs_are_refused() -> None:
    program = programs_on_one_input(1, 1)[0]
    with pytest.raises(InputError, match="must be at least one, not 0"):
        combine([])
    with pytest.raises(InputError, match="program 1 has 5 words and program 0 has 4"):
        combine([program, random_program(1, inputs=5)])
    kinds = (*program.inputs[:3], FixedType(signed=True, width=9, integer=9))
    with pytest.raises(InputError, match=r"word 3 of program 1 is ap_fixed<9,9.* and that of program 0 is ap_"):
        combine([program, replace(program, inputs=kinds)])
    other = replace(program, provenance=Provenance(contract_digest="0123456789abcdef"))
    with pytest.raises(InputError, match="program 1 is of 0123456789ab and program 0 of c; convert both with the same"):
        combine([program, other])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[IntegerProgram]:
    """Two reference models on the contract of the first."""
    contract, programs = InputContract.load(PROJECTS / "vae_l1" / "contract.json"), []
    for name in ("vae_l1", "vicreg_l1"):
        project = Project.load(PROJECTS / name / "project.toml")
        model, folder = project.model, tmp_path_factory.mktemp(name)
        assert model is not None
        conversion = Conversion(project.top, folder, contract.model_input, project.targets, score=model.score)
        source = convert_file(PROJECTS / name / model.file, conversion, model.sampling)
        provenance = Provenance(framework=source.framework, contract_digest=contract.digest)
        programs.append(lower(source.graph, contract, provenance).program)
    return programs


def test_two_real_programs_are_exact_together(real: list[IntegerProgram], tmp_path: Path) -> None:
    combined, words = combine(real), random_words(real[0], 20_000, 1)
    expected = np.concatenate([program(words) for program in real], axis=1)
    assert_array_equal(combined(words), expected)
    assert_array_equal(compile_emulator(combined, tmp_path)(words), expected)
    used = [{op.data[0] for op in p.comb.ops if op.opcode == -1} for p in real]
    saved = sum(len(p.comb.ops) for p in real) - len(combined.comb.ops)
    assert saved > len(used[0] & used[1])
