"""Lowering: trainer = csim = program on a learnt, element-wise quantised model; refusals name layer and remedy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from alkaid.trace import FVArray
from numpy.testing import assert_array_equal
from small_model import Converted, toy_words

from trigforge.contract import level1_contract
from trigforge.errors import ExactnessError
from trigforge.firmware.lowering import lower
from trigforge.firmware.lowering.layer import fixed_type
from trigforge.firmware.lowering.lower import normalised, word_symbols
from trigforge.firmware.lowering.symbols import matmul
from trigforge.firmware.program import trace_program
from trigforge.fixed import FixedType


def test_trainer_csim_and_program_agree_word_for_word(converted: Converted) -> None:
    contract, words = converted.trained.contract, converted.words
    csim = converted.csim(contract.model_input.to_float(contract.normalise(words)))
    assert_array_equal(converted.trained(words), csim)
    assert_array_equal(converted.program(words), converted.program.from_float(csim))
    assert len(np.unique(csim)) > 100


def test_the_learnt_widths_differ_between_elements(converted: Converted) -> None:
    kinds = [node.class_name for node in converted.graph.graph.values()]
    assert "FixedPointQuantizer" in kinds


def test_the_program_equals_alkaids_own_tracer(converted: Converted) -> None:
    from alkaid.converter import trace_model
    from alkaid.trace import HWConfig, trace

    contract = converted.trained.contract
    kind, ones = contract.model_input, np.ones(contract.words, int)
    inputs = FVArray.from_kif(ones, ones * (kind.integer - 1), ones * kind.fraction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, outputs = trace_model(converted.trained.keras, HWConfig(1, 1, -1), inputs=inputs)
    comb = trace(inputs, outputs)
    values = contract.model_input.to_float(contract.normalise(converted.words))
    assert_array_equal(converted.program.to_float(converted.program(converted.words)), comb.predict(values))


def test_hard_events_never_wrap_to_small_scores(converted: Converted) -> None:
    """The accumulator wrap of the first deployed anomaly trigger: harder events must not lose their score."""
    contract = converted.trained.contract
    base = converted.words[:200].copy()
    pt = [i for i, f in enumerate(contract.fields) if f.name == "pt"]
    top = contract.limits()[1][pt]
    hard = base.copy()
    hard[:, pt] = top
    exact = converted.trained(hard)
    assert_array_equal(converted.program.to_float(converted.program(hard)), exact)
    assert (exact >= 0).all()
    assert np.mean(exact) > np.mean(converted.trained(base))


def test_the_normaliser_in_the_program_is_the_contracts() -> None:
    contract = level1_contract()
    words = toy_words(contract, 3000, 4)
    fitted = contract.fit_normaliser(words)
    symbols, types = word_symbols(fitted)
    program = trace_program(symbols, normalised(symbols, fitted), types)
    expected = fitted.model_input.to_float(fitted.normalise(words))
    assert_array_equal(program.to_float(program(words)), expected)


def test_lone_sign_bits_are_summed_exactly() -> None:
    rng = np.random.default_rng(8)
    types = [FixedType(signed=True, width=1, integer=1)] * 8 + [FixedType(signed=False, width=1, integer=1)] * 8
    ones = np.ones(16, int)
    symbols = FVArray.from_kif(
        np.array([t.signed for t in types]).astype(int), 1 - np.array([t.signed for t in types]), 0 * ones
    )
    matrix = rng.integers(-9, 10, (16, 4)) / 2.0
    program = trace_program(symbols, matmul(symbols, matrix), types)
    words = rng.integers(0, 2, (500, 16)) * np.array([-1 if t.signed else 1 for t in types])
    assert_array_equal(program.to_float(program(words)), words @ matrix)


def test_another_contract_is_refused(converted: Converted) -> None:
    with pytest.raises(ExactnessError, match="must take 57 values for contract 'level1-57', not 12; give a"):
        lower(converted.graph, level1_contract())


def test_types_without_exact_lowering_are_refused() -> None:
    with pytest.raises(ExactnessError, match="layer 'd': the type float must be fixed point"):
        fixed_type("float", "layer 'd'")
