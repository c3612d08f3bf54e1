"""The frozen models: golden digests, and framework = csim = program = RTL on each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.conversion import ConvertedModel, examine
from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.keras3_inference import load_keras
from trigforge.firmware.rtl import read_rtl
from trigforge.fixed import IntArray
from trigforge.reference import GOLDEN_FILE, Golden, convert_reference, golden_of, main, reference_vectors
from trigforge.sim.cosim import find_simulator, simulate
from trigforge.words import words_of

PROJECTS = Path(__file__).parents[1] / "hls_projects"
NAMES = ("jets_qkeras", "regions_brevitas", "vae_l1", "vicreg_l1")
OTHER_FRAMEWORKS = ("jets_qkeras", "regions_brevitas")
"""Whose own outputs are frozen in `framework.npz`: QKeras and the Brevitas module are not there at conversion."""
SIMULATED = 60


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


def test_framework_csim_and_program_agree(reference: Reference) -> None:
    report = examine(reference.converted)
    assert report.ok, report.divergence
    assert report.program == reference.found.program
    vectors = reference_vectors(reference.converted).words
    if reference.folder.name in OTHER_FRAMEWORKS:
        frozen = np.load(reference.folder / "framework.npz")
        vectors, expected = frozen["words"].astype(np.int64), frozen["outputs"].astype(np.float64)
    elif reference.folder.name == "vicreg_l1":
        expected = distance(reference.converted, vectors)
    else:
        assert reference.converted.source.reference is not None
        expected = reference.converted.source.reference(model_inputs(reference.converted, vectors))
    program = reference.converted.program
    words = program(vectors)
    assert len(np.unique(words, axis=0)) > 100
    assert_array_equal(words_of(program, expected, "the framework"), words_of(program, program.to_float(words), "it"))


def test_the_rtl_agrees(reference: Reference) -> None:
    program, build = reference.converted.program, reference.build
    design = read_rtl(program, build / "rtl", reference.converted.project.top)
    vectors = reference_vectors(reference.converted).thinned(SIMULATED)
    result = simulate(design, vectors.words, find_simulator("icarus"), build / "sim")
    assert_array_equal(result.outputs, program(vectors.words))
    assert (result.latency_clocks, result.ii) == (reference.found.latency_clocks, 1)


def test_a_project_without_its_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main([str(tmp_path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: a project's folder must be given; python -m trigforge.reference hls_projects/NAME"
    assert second.endswith("project.toml cannot be read: No such file or directory")
    (tmp_path / "project.toml").write_text('name = "recipe_alone"\n')
    with pytest.raises(InputError, match=r"^project 'recipe_alone' must name a model file to be converted alone"):
        convert_reference(tmp_path, tmp_path / "build")


def model_inputs(converted: ConvertedModel, words: IntArray) -> FloatArray:
    return converted.contract.model_input.to_float(converted.contract.normalise(words))


def distance(converted: ConvertedModel, words: IntArray) -> FloatArray:
    """`‖decoder - backbone‖²` of Keras's own layers."""
    assert converted.project.model is not None
    model = load_keras(PROJECTS / "vicreg_l1" / converted.project.model.file, converted.project.model.sampling)
    values = model_inputs(converted, words).astype(np.float32)
    backbone = model.get_layer("backbone_out")(model.get_layer("backbone_0")(values))
    decoded = model.predict(values, batch_size=4096, verbose=0)
    difference: FloatArray = decoded.astype(np.float64) - np.asarray(backbone, dtype=np.float64)
    return (difference**2).sum(axis=1, keepdims=True)
