"""Recipes: TOML of a shipped kind, Python with a network of its own, and what is wrong with them in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigforge.errors import InputError
from trigforge.models.recipe import Recipe, find_recipe, shipped_recipes
from trigforge.models.settings import Pruning

OWN = """
from typing import Literal
from trigforge.models.architectures import Architecture, Design, Phase
from trigforge.models.architectures.losses import add_loss
from trigforge.models.recipe import Recipe

class Linear(Architecture):
    kind: Literal["linear"] = "linear"
    outputs: int = 2

    @property
    def shape(self):
        return f"{self.outputs}"

    def design(self, layers, background, seed):
        import keras
        words, shares = keras.Input((background.contract.words,)), keras.Input((1,))
        with layers.scope():
            image = layers.dense(self.outputs, "image", output=True)(words)
            score = layers.dot("score")([image, image])
        loss = add_loss("error", lambda score, shares: shares * (score - 1.0) ** 2, score, shares)
        return Design(keras.Model(words, score), (Phase("linear", keras.Model([words, shares], loss), score=score),))

RECIPE = Recipe(name="own", architecture=Linear(outputs=3))
"""


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_have_their_name_a_title_and_survive_json(name: str) -> None:
    recipe = find_recipe(name)
    assert (recipe.name, bool(recipe.title)) == (name, True)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_python_file_brings_its_own_network(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    recipe = find_recipe(str(path))
    assert (recipe.name, recipe.architecture.shape) == ("own", "3")
    assert recipe.model_dump(mode="json")["architecture"] == {"kind": "linear", "outputs": 3}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", 'name = "a"\n[architecture]\nkind = "gan"\n', r"a\.toml: architecture = .*'gan'.*'vae'"),
        (
            "a.toml",
            'name = "a"\n[architecture]\nkind = "vae"\nlatents = 2\n',
            r"unknown key 'architecture\.vae\.latents'; known keys here: hidden, kind, kl_weight, latent, reconstruct",
        ),
        ("a.toml", 'name = "a"\n', r"key 'architecture' is missing"),
        ("a.py", "RECIPE = 3\n", r"a\.py must set RECIPE to a trigforge\.models\.Recipe, not int"),
        ("a.py", "1 / 0\n", r"a\.py must run as Python, but raises ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_recipe_is_said_in_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        find_recipe(str(tmp_path / name))
    with pytest.raises(InputError, match=r"recipe must be a TOML or Python file or one of .*, not 'nothing'"):
        find_recipe("nothing")


def test_pruning_follows_its_cubic_curve() -> None:
    pruning = Pruning(fan_in=3, begin=0.2, end=0.6)
    assert [pruning.kept(19, done) for done in (0.0, 0.19, 0.2, 0.4, 0.6, 1.0)] == [19, 19, 19, 5, 3, 3]
    assert Pruning(fan_in=3).kept(19, 0.0) == 3
    assert Pruning(fan_in=30).kept(19, 1.0) == 19
    assert Pruning().kept(19, 1.0) == 19
    with pytest.raises(ValueError, match=r"end must not be before begin, 0\.5, but is 0\.2"):
        Pruning(fan_in=3, begin=0.5, end=0.2)
