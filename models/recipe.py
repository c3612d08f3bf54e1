"""`Recipe`: everything that decides a training, as one TOML file, or as one Python file with a network of its own."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import Field, SerializeAsAny, ValidatorFunctionWrapHandler, field_validator, model_validator

from trigforge.errors import InputError
from trigforge.models.architectures import DENSE_KINDS, AnyArchitecture, Architecture, DenseArchitecture
from trigforge.models.settings import Arithmetic, Data, Decorrelation, Pruning, Quantisation, Training
from trigforge.value import Value

PYTHON_NAME: Final = "RECIPE"
"""What a Python recipe calls its `Recipe`."""


class Recipe(Value):
    """A network, how it is trained, how it is quantised."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
    title: str = ""
    """The network in a few words, for tables."""
    data: Data = Data()
    architecture: SerializeAsAny[AnyArchitecture]
    training: Training = Training()
    quantisation: Quantisation = Quantisation()
    pruning: Pruning = Pruning()
    decorrelation: Decorrelation = Decorrelation()

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        self.architecture.check(self.training, self.quantisation)
        return self

    @model_validator(mode="after")
    def _brevitas_can_train_it(self) -> Recipe:
        if self.quantisation.arithmetic is not Arithmetic.BREVITAS:
            return self
        dense = isinstance(self.architecture, DenseArchitecture)
        if not dense:
            known = ", ".join(DENSE_KINDS)
            raise ValueError(f"arithmetic must be learnt here: brevitas trains dense layers only, those of {known}")
        asked = {
            "pruning.fan_in": self.pruning.fan_in,
            "decorrelation.against": self.decorrelation.against,
            "training.imitate": self.training.imitate,
        }
        if unknown := [key for key, value in asked.items() if value]:
            raise ValueError(f"{unknown[0]} must be left out with arithmetic brevitas; take learnt or fixed with it")
        return self

    @field_validator("architecture", mode="wrap")
    @classmethod
    def _own_networks_are_welcome(cls, given: Any, check: ValidatorFunctionWrapHandler) -> Any:
        return given if isinstance(given, Architecture) else check(given)


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with trigforge."""
    folder = files("trigforge.models") / "recipes"
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def find_recipe(name: str) -> Recipe:
    """The recipe in the TOML or Python file `name`, or the shipped recipe of that name."""
    if name in shipped_recipes():
        return Recipe.load(Path(str(files("trigforge.models") / "recipes" / f"{name}.toml")))
    path = Path(name)
    if not path.is_file():
        raise InputError(f"recipe must be a TOML or Python file or one of {', '.join(shipped_recipes())}, not {name!r}")
    return _from_python(path) if path.suffix == ".py" else Recipe.load(path)


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other values of keys such as `training.epochs`; `InputError` where it has or takes none."""
    tree: dict[str, Any] = {}
    for key, value in changes.items():
        *steps, last = key.split(".")
        branch = tree
        for step in steps:
            branch = branch.setdefault(step, {})
        branch[last] = value
    found: Recipe = _replaced(recipe, tree, f"recipe {recipe.name}")
    return found


def _replaced(node: Value, tree: Mapping[str, Any], where: str) -> Any:
    held = {name: getattr(node, name) for name in type(node).model_fields}
    for step, value in tree.items():
        inner = held.get(step)
        if isinstance(inner, Value) and isinstance(value, dict):
            value = _replaced(inner, value, f"{where}, {step}")
        held[step] = value
    return type(node).parse(held, where=where)


def _from_python(path: Path) -> Recipe:
    try:
        found = runpy.run_path(str(path)).get(PYTHON_NAME)
    except Exception as error:
        raise InputError(f"{path} must run as Python, but raises {type(error).__name__}: {error}") from error
    if not isinstance(found, Recipe):
        raise InputError(f"{path} must set {PYTHON_NAME} to a trigforge.models.Recipe, not {type(found).__name__}")
    return found
