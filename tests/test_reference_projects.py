"""The frozen models: golden digests, and framework = csim = program = emulator = RTL on each, as certified."""

from __future__ import annotations

import platform
import runpy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.cards import CARD_FILE, PAGE_FILE, ModelCard
from trigforge.contract import InputContract
from trigforge.conversion import ConvertedModel
from trigforge.errors import CheckError, InputError
from trigforge.firmware.program import IntegerProgram
from trigforge.hardware import required_levels
from trigforge.reference import (
    GOLDEN_FILE,
    Golden,
    certify_reference,
    convert_reference,
    golden_of,
    main,
    reference_vectors,
    stored_certificate,
)
from trigforge.sim.cosim import Certificate, Divergence, Vectors, find_simulator
from trigforge.sim.coverage import Bins, bins_of
from trigforge.verification import CERTIFICATE_FILE, FRAMEWORK_FILE, REQUIRED

PROJECTS = Path(__file__).parents[1] / "hls_projects"
NAMES = ("calo_student", "jets_qkeras", "nae_jets", "regions_brevitas", "vae_l1", "vae_small_l1", "vicreg_l1")
FRAMEWORK_LEVELS = {
    "calo_student": ["framework_vs_program", "source_vs_csim"],
    "jets_qkeras": ["framework_vs_program"],
    "nae_jets": ["source_vs_csim"],
    "regions_brevitas": ["framework_vs_program", "source_vs_csim"],
    "vae_l1": ["source_vs_csim"],
    "vae_small_l1": ["source_vs_csim"],
    "vicreg_l1": ["framework_vs_program"],
}
"""Against frozen outputs where the framework is not there at conversion, or the score is no output of it."""
SIMULATED = 60
SEARCHED = {"vae_l1", "vicreg_l1"}
"""The projects whose search for open coverage bins is repeated; that of the others takes up to a minute."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference project converted into `build`, and its digests."""

    folder: Path
    build: Path
    converted: ConvertedModel
    found: Golden


@pytest.fixture(scope="module", params=NAMES)
def reference(request, tmp_path_factory) -> Reference:
    folder, build = PROJECTS / request.param, tmp_path_factory.mktemp(request.param)
    converted = convert_reference(folder, build)
    return Reference(folder, build, converted, golden_of(converted, build))


def test_the_golden_file_is_reproduced(reference: Reference, tmp_path: Path) -> None:
    golden = Golden.load(reference.folder / GOLDEN_FILE)
    assert reference.found == golden
    reference.found.save(tmp_path / GOLDEN_FILE)
    assert (tmp_path / GOLDEN_FILE).read_bytes() == (reference.folder / GOLDEN_FILE).read_bytes()
    assert len(golden.hls) > 5
    assert any(name.startswith("firmware/weights/") for name in golden.hls)
    assert reference.converted.project.name == golden.name == reference.folder.name


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_of_the_stored_certificate_and_its_page_is_the_card(name: str) -> None:
    folder = PROJECTS / name
    card, stored, golden = (
        ModelCard.load(folder / CARD_FILE),
        stored_certificate(folder),
        Golden.load(folder / GOLDEN_FILE),
    )
    assert (folder / PAGE_FILE).read_text() == card.page()
    assert (card.name, card.outputs, card.digests) == (name, golden.outputs, stored.digests)
    assert card.levels == {level.name: (level.words, level.mismatches) for level in stored.levels}
    assert (card.latency_ns, card.trigger_latency_ns) == (stored.latency_ns, stored.trigger_latency_ns)
    assert bool(card.measured) == (len(golden.outputs) == 1)
    assert card.lut is not None


def unsearched(
    program: IntegerProgram, contract: InputContract, vectors: Vectors, seed: int, cache: Path
) -> tuple[Vectors, Bins]:
    """In place of `cover`: no events are found for open bins, and none is proved impossible."""
    return vectors, bins_of(program, *contract.limits())


def without_directed(stored: Certificate) -> Certificate:
    """The certificate of the same vectors but those that a search found."""
    levels = []
    for level in stored.levels:
        vectors = {kind: count for kind, count in level.vectors.items() if kind != "directed"}
        words = level.words * sum(vectors.values()) // sum(level.vectors.values())
        levels.append(level.model_copy(update={"vectors": vectors, "words": words}))
    vectors = {kind: count for kind, count in stored.vectors.items() if kind != "directed"}
    return stored.model_copy(update={"levels": tuple(levels), "vectors": vectors})


def test_the_stored_certificate_is_reproduced(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it but the tools' versions; the RTL is simulated on fewer vectors, of some projects only on given ones."""
    stored = stored_certificate(reference.folder)
    assert stored.latency_clocks == reference.found.latency_clocks
    assert stored.digests["program"] == reference.found.program
    assert stored.vectors.items() > reference.found.vectors.items()
    if reference.folder.name not in SEARCHED:
        monkeypatch.setattr("trigforge.verification.cover", unsearched)
        stored = without_directed(stored)
    found = certify_reference(
        reference.folder, reference.converted, reference.build, find_simulator("icarus"), SIMULATED
    )
    required = required_levels(reference.converted.project, REQUIRED)
    assert [level.name for level in stored.levels] == [*FRAMEWORK_LEVELS[reference.folder.name], *required]
    simulated = [level.name for level in stored.levels].index(REQUIRED[-1])
    full, few = stored.levels[simulated], found.levels[simulated]
    assert [level for level in found.levels if level != few] == [level for level in stored.levels if level != full]
    outputs = len(reference.found.outputs)
    assert (full.name, full.words, full.vectors) == (few.name, stored.events * outputs, stored.vectors)
    assert few.vectors.keys() == full.vectors.keys()
    assert few.words == sum(few.vectors.values()) * outputs >= 0.9 * SIMULATED * outputs
    assert found.tools.keys() == stored.tools.keys()
    bins = {name: sum(counts.values()) for name, counts in stored.coverage.items()}
    assert {name: sum(counts.values()) for name, counts in found.coverage.items()} == bins
    assert all(counts["hit"] <= stored.coverage[name]["hit"] for name, counts in found.coverage.items())
    same = {"levels": stored.levels, "tools": stored.tools, "coverage": stored.coverage}
    assert found.model_copy(update=same) == stored


def test_a_stored_certificate_is_machine_independent(reference: Reference, tmp_path: Path) -> None:
    stored = stored_certificate(reference.folder)
    stored.save(tmp_path / CERTIFICATE_FILE)
    text = (reference.folder / CERTIFICATE_FILE).read_text()
    assert (tmp_path / CERTIFICATE_FILE).read_text() == text
    assert "/" not in text
    assert platform.node() not in text
    assert "seconds" not in text


REFUSED = {
    "another program": ({"program": 64 * "0"}, {}, "must be of the program 000000000000, but it is of "),
    "another contract": ({"contract": 64 * "1"}, {}, "must be of the contract 111111111111, but it is of "),
    "a word differs": (
        {},
        {"mismatches": 1},
        "program_vs_rtl must agree on every word, but 1 of 3221 differ",
    ),
    "a level is missing": ({}, None, "must hold the levels program_vs_rtl, but does not"),
}


@pytest.mark.parametrize(("golden", "rtl", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_stored_certificate_of_something_else_or_a_red_one_is_refused(tmp_path: Path, golden, rtl, message) -> None:
    known = Golden.load(PROJECTS / "vae_l1" / GOLDEN_FILE)
    stored = Certificate.load(PROJECTS / "vae_l1" / CERTIFICATE_FILE)
    by_name = {level.name: level for level in stored.levels}
    first = Divergence(event=3, element=0, bit=2, expected=5, got=1, kind="corner") if rtl else None
    last = by_name.pop(REQUIRED[-1])
    levels = (*by_name.values(), *(() if rtl is None else (last.model_copy(update={**rtl, "first": first}),)))
    known.model_copy(update=golden).save(tmp_path / GOLDEN_FILE)
    stored.model_copy(update={"levels": levels}).save(tmp_path / CERTIFICATE_FILE)
    with pytest.raises(CheckError, match=message):
        stored_certificate(tmp_path)


def test_the_compared_outputs_vary(reference: Reference) -> None:
    words = reference.converted.program(reference_vectors(reference.converted).words)
    assert len(np.unique(words, axis=0)) > 50  # the random ones of calo_student saturate
    if "framework_vs_program" in FRAMEWORK_LEVELS[reference.folder.name]:
        with np.load(reference.folder / FRAMEWORK_FILE) as frozen:
            outputs = frozen["outputs"]
        assert len(np.unique(outputs, axis=0)) > 100
        assert stored_certificate(reference.folder).levels[0].words == outputs.size


def test_the_frozen_scores_are_those_of_keras() -> None:
    script, folder = runpy.run_path(str(PROJECTS / "training" / "vicreg_l1.py")), PROJECTS / "vicreg_l1"
    contract, model = script["saved"](folder)
    with np.load(folder / FRAMEWORK_FILE) as frozen:
        found = script["scores"](model, script["normalised"](contract, frozen["words"].astype(np.int64)))
        assert_array_equal(found, frozen["outputs"])


def test_a_project_without_its_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main([str(tmp_path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: a project's folder must be given; python -m trigforge.reference hls_projects/NAME"
    assert second.endswith("project.toml cannot be read: No such file or directory")
    (tmp_path / "project.toml").write_text('name = "recipe_alone"\n')
    with pytest.raises(InputError, match=r"^project 'recipe_alone' must name a model file to be converted alone"):
        convert_reference(tmp_path, tmp_path / "build")
