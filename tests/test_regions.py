"""Calorimeter regions as words: the shared contract, and what is refused."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.regions import COARSE, ETA, FINE, PHI, REGIONS, region_contract, region_words
from trigforge.sim.collisions import level1, level1_kernels

PROJECTS = Path(__file__).parents[1] / "hls_projects"


def test_the_grid_is_that_of_the_simulation() -> None:
    assert (PHI, ETA, REGIONS) == (level1_kernels.REGIONS_PHI, level1_kernels.REGIONS_ETA, level1.REGIONS)
    assert region_contract(FINE).fields[0].high == level1_kernels.REGION_MAX


def test_reference_projects_have_this_contract() -> None:
    assert InputContract.load(PROJECTS / "regions_brevitas" / "contract.json") == region_contract(FINE)
    assert InputContract.load(PROJECTS / "calo_student" / "contract.json") == region_contract(COARSE)


def test_coarse_words_are_read_as_fine_ones() -> None:
    words = np.arange(1024)[:, None].repeat(REGIONS, axis=1)
    coarse = level1.coarse(words.astype(np.uint16), 4).astype(np.int64)
    contract = region_contract(COARSE)
    assert_array_equal(contract.normalise(coarse), contract.normalise(words))
    assert_array_equal(contract.normalise(coarse)[:, 0] * 4, coarse[:, 0])


def test_words_of_events() -> None:
    given = np.random.default_rng(1).integers(0, 1024, (3, REGIONS)).astype(np.uint16)
    assert_array_equal(region_words(ak.Array({"L1Region": given})), given)
    with pytest.raises(InputError, match=r"^events must have the column L1Region; they have weight; 'trigforge gen"):
        region_words(ak.Array({"weight": [1.0]}))
    with pytest.raises(InputError, match=r"^L1Region must hold 252 numbers an event, not 1 \* var \* int64"):
        region_words(ak.Array({"L1Region": [[1, 2]]}))
