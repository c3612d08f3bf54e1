"""`Recipe`: everything that decides a training, as a TOML file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pydantic import Field

from trigforge.errors import InputError
from trigforge.value import Value


class Quantisation(Value):
    """Initial bit widths and the pressure on them; HGQ then learns a width for every weight and activation.

    EBOPs (effective bit operations, arXiv:2405.00645) are the cost term, weighted with `beta`, which rises
    log-linearly from `beta_start` to `beta_end` over the epochs after `warmup` (a fraction of all epochs).
    """

    weight_bits: int = Field(default=6, ge=1, le=16)
    activation_fraction: int = Field(default=4, ge=0, le=12)
    activation_integer: int = Field(default=4, ge=1, le=12)
    beta_start: float = Field(default=1e-7, gt=0)
    beta_end: float = Field(default=1e-5, gt=0)
    warmup: float = Field(default=0.2, ge=0, lt=1)


class Recipe(Value):
    """A variational autoencoder whose encoder and Σµ² score go to firmware (arXiv:2108.03986)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    hidden: tuple[int, ...] = Field(default=(32, 16), min_length=1)
    latent: int = Field(default=3, ge=1, le=64)
    kl_weight: float = Field(default=0.5, gt=0, lt=1)
    reconstruct: tuple[str, ...] = Field(default=("pt",), min_length=1)
    """The fields that the decoder must reproduce. All are read; angles alone carry no anomaly but much variance."""
    max_importance: float = Field(default=100.0, gt=0)
    """Most that a rare word may count in the reconstruction error."""
    epochs: int = Field(default=60, ge=1)
    batch: int = Field(default=2048, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    seed: int = Field(default=1, ge=0)
    quantisation: Quantisation = Quantisation()


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with trigforge."""
    folder = files("trigforge.models") / "recipes"
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def find_recipe(name: str) -> Recipe:
    """The recipe in the file `name`, or the shipped recipe of that name."""
    if name in shipped_recipes():
        return Recipe.load(Path(str(files("trigforge.models") / "recipes" / f"{name}.toml")))
    path = Path(name)
    if not path.is_file():
        raise InputError(f"recipe must be a TOML file or one of {', '.join(shipped_recipes())}, not {name!r}")
    return Recipe.load(path)
