"""Where a run's configuration comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigforge.config import Choices, RunConfig, choose_config
from trigforge.errors import InputError
from trigforge.firmware.project import Project
from trigforge.sim.collisions import CollisionConfig


def test_defaults_then_project_file_then_stored_then_given(tmp_path: Path) -> None:
    out, projects = tmp_path / "run", tmp_path / "projects"
    assert choose_config(out, Choices(), projects) == (RunConfig(), "defaults")
    project = Project(name="vae_small_l1", verification={"random": 7})
    (projects / "vae_small_l1").mkdir(parents=True)
    (projects / "vae_small_l1/project.toml").write_text('name = "vae_small_l1"\n[verification]\nrandom = 7\n')
    config, origin = choose_config(out, Choices(), projects)
    assert config.project == project
    assert origin.startswith("defaults, ")
    config.model_copy(update={"project": Project(name="vae_small_l1", verification={"random": 8})}).save(
        out / "run.json"
    )
    assert choose_config(out, Choices(), projects)[0].project.verification.random == 8
    (tmp_path / "my.toml").write_text("[project]\nname = 'mine'\n")
    config, origin = choose_config(out, Choices(config=tmp_path / "my.toml"), projects)
    assert (config.project.name, origin) == ("mine", str(tmp_path / "my.toml"))


def test_files_are_stored_under_absolute_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text('name = "r"\n[architecture]\nkind = "vae"\n')
    config, _ = choose_config(tmp_path / "run", Choices(recipe="r.toml"), tmp_path)
    assert config.project.recipe == str(tmp_path / "r.toml")
    assert choose_config(tmp_path / "run", Choices(recipe="vae_l1"), tmp_path)[0].project.recipe == "vae_l1"


def test_a_damaged_stored_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run.json must be JSON"):
        choose_config(tmp_path, Choices(), tmp_path)


def test_events_are_read_or_simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    assert choose_config(out, Choices(), tmp_path)[0].collisions is None
    assert choose_config(out, Choices(generate=True), tmp_path)[0].collisions == CollisionConfig()
    read = choose_config(out, Choices(samples=Path("mine")), tmp_path)[0]
    assert (read.samples, read.collisions) == (str(tmp_path / "mine"), None)
    Path("run.toml").write_text("[collisions]\npileup = 20.0\n")
    given = choose_config(out, Choices(config=Path("run.toml"), generate=True), tmp_path)[0]
    assert given.collisions == CollisionConfig(pileup=20.0)
    with pytest.raises(InputError, match="--samples and --generate must not both be given: events are read or sim"):
        choose_config(out, Choices(samples=Path("mine"), generate=True), tmp_path)
    with pytest.raises(InputError, match="samples and collisions must not both be given: events are read or sim"):
        RunConfig.parse({"samples": "x", "collisions": {}}, where="run.toml")


@pytest.mark.parametrize("name", ["nae_jets", "compression_l1"])
def test_recipes_without_a_level_1_score_are_for_train(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"recipe must make a score of Level-1 words, but {name} does not; 'tri"):
        choose_config(tmp_path / "run", Choices(recipe=name), tmp_path)
