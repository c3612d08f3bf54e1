"""`Value` files: atomic, schema-checked, with errors that name file, key, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigforge.config import RunConfig
from trigforge.errors import InputError
from trigforge.models.recipe import Recipe, find_recipe, shipped_recipes
from trigforge.value import write_atomic


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'name = "x"\nepoch = 3',
            r"r.toml: key 'architecture' is missing; unknown key 'epoch'",
        ),
        (
            'name = "x"\n[quantisation]\nbits = 3',
            r"unknown key 'quantisation.bits'; known keys here: activation_fraction",
        ),
        ("epochs = 3", r"r.toml: key 'name' is missing"),
        ('name = "x"\n[training]\nepochs = 0', r"training.epochs = 0: input should be greater than or equal to 1"),
        ('name = "x"\nepochs = ', r"r.toml must be TOML: "),
    ],
)
def test_a_wrong_recipe_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Recipe.load(path)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"recipe must be a TOML or Python file or one of .*, not 'nonesuch'"):
        find_recipe("nonesuch")


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_under_their_name(name: str) -> None:
    assert find_recipe(name).name == name


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"b.toml must be a text file \(TOML or JSON\), but it is binary"):
        RunConfig.load(tmp_path / "b.toml")
    with pytest.raises(InputError, match=r"c.toml cannot be read: No such file or directory"):
        RunConfig.load(tmp_path / "c.toml")
    (tmp_path / "d.json").write_text("[1]")
    with pytest.raises(InputError, match=r"d.json must hold a table at its top level, not a list"):
        RunConfig.load(tmp_path / "d.json")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomic(path, "old")
    with pytest.raises(TypeError):
        write_atomic(path, 3)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    RunConfig().save(tmp_path / "run.json")
    assert RunConfig.load(tmp_path / "run.json").digest == RunConfig().digest
