"""`trigforge train`, `zoo` and `card`: a small network on the frozen samples becomes a project, measured and listed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import spearmanr

from tests.models.backgrounds import toy_background
from tests.toy_events import toy_events
from trigforge.cards import CardTable, ModelCard, Resource
from trigforge.comparing import Events
from trigforge.datasets import dataset_of
from trigforge.ensembles import MEAN, member_scores, spread_table
from trigforge.firmware.project import Project
from trigforge.models.architectures import normalised
from trigforge.models.architectures.base import Floats
from trigforge.models.metrics import Comparison
from trigforge.models.recipe import find_recipe
from trigforge.models.settings import Data
from trigforge.models.trained import load_trained
from trigforge.notation import with_error
from trigforge.plots.style import title_of
from trigforge.sim.collisions.frozen import FROZEN
from trigforge.training import Front, Monitor, chooser, program_of, project_of_folder

RECIPE = """
name = "tiny"
title = "a tiny VAE"
[architecture]
kind = "vae"
hidden = [4]
latent = 2
kl_weight = 0.05
[training]
epochs = 2
batch = 1024
learning_rate = 1e-2
[quantisation]
weight_bits = 4
activation_fraction = 2
"""


def trigforge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trigforge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the frozen samples 30 000 crossings of zero bias, the enhanced ones and two signals."""
    folder = tmp_path_factory.mktemp("samples")
    for name in ("enhanced_bias", "a_to_4l", "h_to_tautau"):
        (folder / name).symlink_to(FROZEN / name)
    (folder / "zero_bias").mkdir()
    for file in ("sample.json", "part-00000.parquet"):
        (folder / "zero_bias" / file).symlink_to(FROZEN / "zero_bias" / file)
    return folder


@pytest.fixture(scope="module")
def trained(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("train")
    (folder / "tiny.toml").write_text(RECIPE)
    asked = ("--samples", str(samples), "--post-training", "8", "--ensemble", "2", "--json")
    made = trigforge("train", str(folder / "tiny.toml"), "--out", str(folder / "tiny"), *asked)
    assert made.returncode == 0, made.stderr
    printed: dict[str, object] = json.loads(made.stdout)
    return folder / "tiny", printed


def test_a_trained_folder_is_a_project_with_its_front_and_its_twins(trained: tuple[Path, dict[str, object]]) -> None:
    folder, printed = trained
    assert Project.load(folder / "project.toml").name == "tiny"
    model = load_trained(folder)
    assert len(model.record.epochs) == 2
    assert printed["training"] == model.record.model_dump(mode="json")
    front = Front.load(folder / "front.json")
    assert front.merit.startswith("efficiency at 0.00333333, mean of a_to_4l, h_to_tautau")
    assert {point.epoch for point in front.points} <= {0, 1}
    for point in front.points:
        assert load_trained(folder / "front" / f"{point.epoch:04d}").record.chosen == point.epoch
    assert load_trained(folder / "float").record.ebops == 0
    assert Project.load(folder / "post_training_8" / "project.toml").model is not None


def test_every_score_is_compared_on_the_same_events(trained: tuple[Path, dict[str, object]]) -> None:
    folder, printed = trained
    comparison = Comparison.load(folder / "comparison.json")
    assert printed["comparison"] == comparison.model_dump(mode="json")
    names = [row.name for row in comparison.rows]
    assert names[:4] == ["firmware", "trainer", "float network", "8 bits after training"]
    assert names[4:6] == ["seed 2", MEAN]
    assert {"HT", "MET", "isolation forest"} <= set(names)
    firmware, trainer = comparison.row("firmware"), comparison.row("trainer")
    for signal in comparison.signals:
        assert firmware.rocs[signal].auc == trainer.rocs[signal].auc  # exact firmware ranks events as its trainer does


def test_the_spread_of_an_ensemble_is_that_of_its_seeds(trained: tuple[Path, dict[str, object]]) -> None:
    folder, _ = trained
    other = load_trained(folder / "ensemble" / "seed_2")
    assert other.record.settings == load_trained(folder).record.settings | {
        "training": {**other.record.settings["training"], "seed": 2}
    }
    comparison = Comparison.load(folder / "comparison.json")
    table = spread_table(comparison)
    first, second = (comparison.row(name).rocs["a_to_4l"].auc.value for name in ("firmware", "seed 2"))
    assert table.rows[0][:2] == (title_of("a_to_4l"), "2 seeds: mean ± spread")
    assert table.rows[0][2] == with_error((first + second) / 2, abs(first - second) / np.sqrt(2))
    both = Events(toy_events(50), {})
    assert member_scores(other, folder.parent, both, other.contract.encode(toy_events(50))) == {}


def test_the_quantised_twin_keeps_its_types_through_toml(trained: tuple[Path, dict[str, object]]) -> None:
    folder = trained[0] / "post_training_8"
    stored = tomllib.loads((folder / "project.toml").read_text())["model"]["precision"]
    assert set(stored["layers"]) == {"encoder_0", "encoder_0_relu", "latent_mean", "score"}
    twin = load_trained(folder)
    program = program_of(twin.network, twin.contract, project_of_folder(folder))
    words = dataset_of(Data()).training_words(twin.contract, 2000)
    floats, fixed = twin(words)[:, 0], program.to_float(program(words))[:, 0]
    assert spearmanr(floats, fixed).statistic > 0.95


def test_a_finished_training_is_kept_and_another_is_refused(
    trained: tuple[Path, dict[str, object]], samples: Path
) -> None:
    folder, _ = trained
    recipe = str(folder.parent / "tiny.toml")
    before, asked = (folder / "log.csv").read_text(), ("--samples", str(samples), "--no-float", "--no-measure")
    again = trigforge("train", recipe, "--out", str(folder), *asked)
    assert again.returncode == 0, again.stderr
    assert (folder / "log.csv").read_text() == before
    other = trigforge("train", recipe, "--out", str(folder), "--epochs", "3", *asked)
    assert other.returncode == 2
    assert (
        "checkpoint.npz must be of this recipe, sample and options, but it is of others; take another --out"
        in other.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "recipe must be a TOML or Python file or one of calo_student, compression_l1, "),
        (("vae_l1", "--no-float", "--post-training", "8"), "--post-training quantises the floating-point twin, which"),
        (("vae_l1", "--set", "latent"), "--set must be KEY=VALUE, such as architecture.latent=4, not 'latent'"),
        (("vae_l1", "--set", "architecture.hiden=4"), "recipe vae_l1, architecture: unknown key 'hiden'; known keys"),
        (("vae_l1", "--set", "data.kind=jet_boxes"), "recipe vae_l1, data: the file: background and signals must name"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    refused = trigforge("train", *arguments, "--out", str(tmp_path / "out"))
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_recipes_are_listed() -> None:
    listed = trigforge("train", "--json")
    assert {"vae_l1", "vicreg_l1", "conv_l1", "one_class_l1", "compression_l1"} <= set(json.loads(listed.stdout))


def test_the_zoo_lists_every_project_and_says_how_to_make_a_card(tmp_path: Path) -> None:
    listed = trigforge("zoo", "--json")
    assert {"vae_l1", "vicreg_l1", "jets_qkeras", "regions_brevitas"} <= set(json.loads(listed.stdout))
    empty = trigforge("zoo", "--projects", str(tmp_path))
    assert empty.returncode == 2
    assert "--projects must hold folders with a project.toml" in empty.stderr
    unknown = trigforge("zoo", "nothing")
    assert "NAME must be a project of hls_projects (" in unknown.stderr


def test_a_card_says_everything_in_markdown(tmp_path: Path) -> None:
    card = ModelCard(
        name="tiny",
        title="a tiny VAE",
        data="Events: toys.",
        contract="level1-57",
        words=57,
        outputs=("ufixed<16,10>",),
        training={"epochs": "2"},
        measured={"Scores": CardTable(head=("signal", "AUC"), rows=(("toy", "0.9 ± 0.1"),))},
        part="xcvu13p-flga2577-2-e",
        clock_ns=5.0,
        latency_ns=40.0,
        trigger_latency_ns=50.0,
        levels={"program_vs_rtl": (3000, 0)},
        resources=(Resource(subject="core", stage="mapped", tool="Yosys 0.70, xcup", lut=3000, ff=10, dsp=0, bram=0),),
        digests={"program": "ab" * 32},
    )
    card.save(tmp_path / "card.json")
    assert ModelCard.load(tmp_path / "card.json") == card
    page = card.page()
    for said in (
        "# tiny: a tiny VAE",
        "| toy | 0.9 ± 0.1 |",
        "40 ns from input",
        "50 ns with its trigger",
        "| core | mapped |",
    ):
        assert said in page
    assert card.lut == 3000


def leading(values: Floats) -> npt.NDArray[np.float64]:
    """In place of a network: the score is the first value."""
    return values[:, :1].astype(np.float64)


def test_the_merit_is_the_mean_efficiency_above_the_background() -> None:
    background = toy_background(5000)
    loud, quiet = background.words[:1000].copy(), np.zeros_like(background.words[:10])
    loud[:250, 0] = background.contract.limits()[1][0]
    merit = Monitor(background.contract, background.words, background.weights, {"loud": loud, "quiet": quiet})
    eleventh = np.sort(background.values[:, 0])[-11]  # five of 5000 are one in a thousand, but too few
    expected = np.mean(normalised(background.contract, loud)[:, 0] > eleventh) / 2
    assert merit.fpr == 2e-3
    assert merit(leading) == pytest.approx(expected, abs=1e-12)


def test_a_signal_without_events_chooses_nothing() -> None:
    background, recipe = toy_background(100), find_recipe("vae_l1")
    assert chooser(recipe, background, {"none": background.words[:0]}) == (None, "validation loss")
    monitor, label = chooser(recipe, background, {"none": background.words[:0], "some": background.words[:5]})
    assert monitor is not None
    assert set(monitor.signals) == {"some"}
    assert label.endswith("mean of some")
