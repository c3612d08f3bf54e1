"""Level-1 calorimeter objects: hand-made towers word by word, any towers as a slow reading of the algorithm says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference_level1 import Words, calibrated, slow_egs, slow_ht, slow_jets, slow_met, slow_regions, slow_words

from trigforge.contract import level1_contract
from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.sim.collisions import level1_kernels as kernels
from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI
from trigforge.sim.collisions.level1 import CaloObjects, calo_objects, coarse, regions

SHAPE = (1, N_ETA, N_PHI)
Towers = npt.NDArray[np.float32]


def with_tower(ieta: int, iphi: int, em: float = 0.0, had: float = 0.0, flat: float = 0.0) -> CaloObjects:
    """Objects of one tower over a flat hadronic background; `ieta` counts from η = 0."""
    towers = np.zeros(SHAPE, np.float32), np.full(SHAPE, flat, np.float32)
    towers[0][0, ieta + ETA_HALF, iphi] += em
    towers[1][0, ieta + ETA_HALF, iphi] += had
    return calo_objects(*towers)


def lit(*towers: tuple[int, int, float]) -> Towers:
    """Towers (row, column, GeV)."""
    found = np.zeros(SHAPE, np.float32)
    for eta, phi, energy in towers:
        found[0, eta, phi] = energy
    return found


def leading(found: list[tuple[int, ...]], width: int) -> Words:
    """The hardest twelve, of equal ones the first, and zeros."""
    table = np.zeros((12, width), np.int64)
    for i, row in enumerate(sorted(found, key=lambda one: -one[0])[:12]):
        table[i] = row
    return table


def assert_equals_the_slow_reading(em: Towers, had: Towers) -> CaloObjects:
    found, rings = calo_objects(em, had), regions(em, had)
    for i in range(len(em)):
        em_words = slow_words(em[i])
        words = em_words + slow_words(had[i])
        jets, egs = slow_jets(words), slow_egs(em_words, words)
        assert_array_equal(found.jets[i], leading([*jets], 3))
        assert_array_equal(found.egs[i], leading([*egs], 4)[:, :3])
        assert_array_equal(found.eg_iso[i], leading([*egs], 4)[:, 3])
        assert_array_equal([found.jet_count[i], found.eg_count[i]], [min(len(jets), 12), min(len(egs), 12)])
        assert found.ht[i] == slow_ht(jets)
        assert_array_equal(found.met[i], slow_met(words))
        assert_array_equal(rings[i], slow_regions(words))
    return found


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.02, 0.3, 1.0]), st.sampled_from([1.0, 6.0, 60.0, 600.0]))
def test_random_towers_give_what_the_slow_reading_says(seed: int, density: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    quarters = np.rint(4 * rng.exponential(scale, (2, *SHAPE)) * (rng.random((2, *SHAPE)) < density))
    assert_equals_the_slow_reading(*(quarters / 4).astype(np.float32))


@pytest.fixture(scope="module")
def busy() -> tuple[Towers, Towers]:
    """Crossings of 1 to 120 real Pythia interactions, turned and mirrored."""
    import pythia8mc

    from trigforge.sim.collisions.reduce import reduce_batch

    pythia = pythia8mc.Pythia("", False)
    for setting in ("Print:quiet = on", "Beams:eCM = 13600.", "Random:setSeed = on", "Random:seed = 3"):
        pythia.readString(setting)
    pythia.readString("HardQCD:all = on")
    pythia.readString("PhaseSpace:pTHatMin = 25.")
    assert pythia.init()
    library = reduce_batch(pythia.nextBatch(80, errorMode="skip"), False, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    energies = np.zeros((2, 40, N_ETA, N_PHI), np.float32)
    for i, size in enumerate(np.geomspace(1, 120, 40).astype(int)):
        for one in rng.integers(0, 80, size):
            part = slice(library.tower_start[one], library.tower_start[one + 1])
            single = np.zeros((2, N_ETA * N_PHI), np.float32)
            single[:, library.tower[part]] = library.em[part], library.had[part]
            turned = np.roll(single.reshape(2, N_ETA, N_PHI), rng.integers(N_PHI), axis=2)
            energies[:, i] += turned[:, :: rng.choice([-1, 1])]
    return energies[0], energies[1]


def test_real_crossings_give_what_the_slow_reading_says(busy: tuple[Towers, Towers]) -> None:
    found = assert_equals_the_slow_reading(*busy)
    assert found.jet_count.max() == found.eg_count.max() == 12
    assert 0 < found.eg_iso.sum() < found.eg_count.sum()
    assert (found.ht > 0).any()


def test_saturated_words_are_the_highest_of_the_contract() -> None:
    fields = {c.name: {f.name: f for f in c.fields} for c in level1_contract().collections}
    towers = np.zeros(SHAPE, np.float32)
    towers[:, 20:94, :30] = 5000.0
    found = calo_objects(towers, towers * 0)
    assert with_tower(3, 5, em=2000.0).egs[0, 0, 0] == fields["L1EG"]["pt"].high
    assert found.jets[0, 0, 0] == fields["L1Jet"]["pt"].high
    assert found.met[0, 0] == fields["L1MET"]["pt"].high == 4095
    corner = calo_objects(*(lit((0, 71, 90.0), (N_ETA - 1, 0, 80.0)),) * 2)
    assert abs(corner.jets[0, :2, 1]).max() <= fields["L1Jet"]["eta"].high
    assert corner.jets[0, :2, 2].max() <= fields["L1Jet"]["phi"].high


@given(st.integers(-ETA_HALF, ETA_HALF - 1), st.integers(0, N_PHI - 1), st.integers(30, 511))
def test_one_tower_is_one_jet_with_the_words_of_its_centre(ieta: int, iphi: int, pt: int) -> None:
    found = with_tower(ieta, iphi, had=pt / 2)
    assert found.jet_count[0] == 1
    assert_array_equal(found.jets[0, 0], [calibrated(pt, 2 * ieta + 1), 2 * ieta + 1, 2 * iphi + 1])
    assert_array_equal(found.jets[0, 1:], 0)


@pytest.mark.parametrize(("ieta", "pt"), [(0, 112), (33, 112), (-34, 112), (34, 100), (-35, 100)])
def test_jets_within_three_units_of_eta_get_an_eighth_more(ieta: int, pt: int) -> None:
    assert with_tower(ieta, 5, had=50.0).jets[0, 0, 0] == pt


@pytest.mark.parametrize("flat", [0.5, 2.0, 4.0, 10.0])
@pytest.mark.parametrize("ieta", [-ETA_HALF, -ETA_HALF + 2, -ETA_HALF + 5, 0, ETA_HALF - 7, ETA_HALF - 1])
@pytest.mark.parametrize("iphi", [0, 40, 71])
def test_the_ring_subtracts_a_flat_background_exactly(flat: float, ieta: int, iphi: int) -> None:
    assert with_tower(ieta, iphi, flat=flat).jet_count[0] == 0
    assert with_tower(ieta, iphi, had=13.0, flat=flat).jet_count[0] == 0
    jet = [calibrated(80, 2 * ieta + 1), 2 * ieta + 1, 2 * iphi + 1]
    assert_array_equal(with_tower(ieta, iphi, had=40.0, flat=flat).jets[0, 0], jet)


def test_another_jet_at_the_same_eta_takes_a_seventh_of_itself_away() -> None:
    found = calo_objects(lit() * 0, lit((60, 10, 60.0), (64, 40, 40.0), (50, 30, 50.0)))
    assert_array_equal(found.jets[0, :3, 0], [calibrated(pt, 0) for pt in (120 - 11, 100, 80 - 17)])


def test_jets_wrap_around_in_phi_and_equal_towers_make_one_jet() -> None:
    found = calo_objects(lit() * 0, lit((60, 71, 20.0), (60, 0, 20.0)))
    assert_array_equal(found.jets[0, :2], [[calibrated(80, 7), 7, 1], [0, 0, 0]])


def test_jets_are_ordered_and_limited_but_ht_counts_them_all() -> None:
    towers = np.zeros(SHAPE, np.float32)
    towers[0, 4:104:9, 10] = np.random.default_rng(1).permutation(12) + 40.0
    towers[0, 4:104:9, 40] = 80.0
    found, jets = calo_objects(towers * 0, towers), slow_jets(slow_words(towers[0]))
    assert len(jets) == 24
    assert found.jet_count[0] == 12
    assert (found.jets[0, :, 0] > 140).all()
    assert (np.diff(found.jets[0, :, 0]) <= 0).all()
    assert found.ht[0] == sum(pt for pt, eta, _ in jets if pt >= 60 and abs(eta) < 58) > found.jets[0, :, 0].sum() / 2


@pytest.mark.parametrize(
    ("ieta", "had", "ht"), [(28, 27.0, 60), (28, 26.5, 0), (29, 30.0, 0), (-29, 27.0, 60), (-30, 30.0, 0)]
)
def test_ht_is_made_of_central_jets_above_30_gev(ieta: int, had: float, ht: int) -> None:
    assert with_tower(ieta, 5, had=had).ht[0] == ht


def test_ht_saturates() -> None:
    towers = np.zeros(SHAPE, np.float32)
    towers[0, 30:85:10, :5] = 255.5
    assert calo_objects(towers, towers).ht[0] == kernels.HT_MAX == 4095


def test_a_cluster_needs_little_hadronic_energy_and_a_central_place() -> None:
    assert_array_equal(with_tower(3, 5, em=40.0, had=5.0).egs[0, 0], [80, 7, 11])
    assert with_tower(3, 5, em=40.0, had=5.5).eg_count[0] == 0
    assert with_tower(3, 5, em=3.5).eg_count[0] == 0
    assert with_tower(33, 5, em=40.0).eg_count[0] == 1
    assert with_tower(34, 5, em=40.0).eg_count[0] == 0


def test_a_cluster_gathers_its_neighbours_in_phi() -> None:
    found = calo_objects(lit((60, 71, 10.0), (60, 0, 5.0), (61, 71, 2.0)), lit() * 0)
    assert_array_equal(found.egs[0, 0], [30, 7, 143])


def test_seeds_may_be_just_as_high_as_their_threshold() -> None:
    assert_array_equal(
        calo_objects(lit() * 0, lit(*((60, phi, 4.0) for phi in range(5)))).jets[0, 0], [calibrated(40, 7), 7, 9]
    )
    assert calo_objects(lit() * 0, lit(*((60, phi, 3.5) for phi in range(5)))).jet_count[0] == 0
    assert_array_equal(calo_objects(lit(*((60, phi, 2.0) for phi in (4, 5, 6))), lit() * 0).egs[0, 0, 0], 8)
    assert calo_objects(lit(*((60, phi, 1.5) for phi in (4, 5, 6))), lit() * 0).eg_count[0] == 0


@pytest.mark.parametrize(("row", "phi"), [(60, 5), (62, 2), (58, 70), (60, 4)])
def test_energy_around_a_cluster_spoils_its_isolation(row: int, phi: int) -> None:
    assert_array_equal(calo_objects(lit((60, 1, 20.0)), lit()).eg_iso[0, :2], [1, 0])
    assert calo_objects(lit((60, 1, 20.0)), lit((row, phi, 6.0))).eg_iso[0, 0] == 0
    assert calo_objects(lit((60, 1, 20.0)), lit((row, phi, 1.0))).eg_iso[0, 0] == 1


def test_the_footprint_and_far_towers_do_not_count() -> None:
    wide = lit((60, 1, 50.0), (60, 3, 20.0), (60, 71, 20.0))
    assert calo_objects(wide, lit((60, 1, 5.0))).eg_iso[0, 0] == 1
    assert calo_objects(lit((60, 1, 50.0)), lit((63, 1, 90.0), (60, 6, 90.0))).eg_iso[0, 0] == 1


def test_the_limit_rises_with_pt_and_with_lit_towers() -> None:
    around = lit((61, 1, 6.0))
    assert calo_objects(lit((60, 1, 20.0)), around).eg_iso[0, 0] == 0
    assert calo_objects(lit((60, 1, 200.0)), around).eg_iso[0, 0] == 1
    around[0, 53:61, 20:40] = 0.5
    assert calo_objects(lit((60, 1, 20.0)), around).eg_iso[0, 0] == 1
    assert (np.diff(kernels.ISO_LIMIT) >= 0).all()


@given(st.integers(0, N_PHI - 1), st.integers(20, 511))
def test_missing_energy_is_opposite_to_a_tower(iphi: int, pt: int) -> None:
    found = with_tower(0, iphi, had=pt / 2).met[0]
    assert abs(int(found[0]) - pt) <= 1
    assert found[1] == (2 * iphi + 1 + 72) % 144


def test_balanced_towers_have_no_missing_energy() -> None:
    assert_array_equal(calo_objects(lit() * 0, lit((60, 10, 50.0), (60, 46, 50.0))).met[0], 0)


@pytest.mark.parametrize(("lit_towers", "least"), [(0, 2), (10, 2), (11, 3), (112, 12), (565, 54)])
@pytest.mark.parametrize(("ieta", "factor"), [(-57, 2), (-35, 2), (-34, 1), (-5, 1), (4, 1), (33, 1), (34, 2), (56, 2)])
def test_missing_energy_takes_towers_above_a_threshold_that_rises_with_the_lit_ones(
    lit_towers: int, least: int, ieta: int, factor: int
) -> None:
    had = np.zeros(SHAPE, np.float32)
    had[0, ETA_HALF - 4 : ETA_HALF + 4].reshape(-1)[:lit_towers] = 0.5
    had[0, ieta + ETA_HALF, 3] = (factor * least - 1) / 2
    assert_array_equal(calo_objects(had * 0, had).met[0], 0)
    had[0, ieta + ETA_HALF, 3] = factor * least / 2
    assert calo_objects(had * 0, had).met[0, 0] in (factor * least - 1, factor * least)


@pytest.mark.parametrize(
    ("ieta", "iphi", "index"),
    [(0, 0, 7), (-1, 0, 6), (0, 70, 7), (0, 69, 17 * 14 + 7), (0, 2, 14 + 7), (33, 1, 13), (-34, 1, 0), (24, 1, 12)],
)
def test_a_tower_lies_in_its_region(ieta: int, iphi: int, index: int) -> None:
    found = regions(lit((ieta + ETA_HALF, iphi, 7.0)), lit((ieta + ETA_HALF, iphi, 2.5)))
    assert found.dtype == np.uint16
    assert_array_equal(found[0], np.where(np.arange(252) == index, 19, 0))


def test_forward_towers_are_in_no_region_and_regions_saturate() -> None:
    towers = np.full(SHAPE, 255.5, np.float32)
    assert_array_equal(regions(towers, towers), np.full((1, 252), 1023))
    towers[:, ETA_HALF - 34 : ETA_HALF + 34] = 0
    assert_array_equal(regions(towers, towers), np.zeros((1, 252)))


@pytest.mark.parametrize("step", [1, 2, 4, 64])
def test_coarse_regions_are_what_an_input_type_of_fewer_bits_reads(step: int) -> None:
    words = np.arange(1024, dtype=np.uint16).reshape(4, 256)
    found = coarse(words, step)
    dropped = step.bit_length() - 1
    kind = FixedType(signed=False, width=10 - dropped, integer=5, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
    assert found.dtype == np.uint16
    assert_array_equal(found, kind.cast(words.astype(np.int64), 5) << dropped)
    assert_array_equal(kind.cast(found.astype(np.int64), 5), kind.cast(words.astype(np.int64), 5))
