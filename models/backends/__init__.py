"""Backends: the framework of every arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from trigforge.models.backends.base import Backend, Network, Weights
from trigforge.models.backends.brevitas import BrevitasBackend, BrevitasNetwork
from trigforge.models.backends.keras import KerasBackend, KerasNetwork, load_keras
from trigforge.models.settings import Arithmetic

if TYPE_CHECKING:
    from trigforge.models.recipe import Recipe

BREVITAS: Final = (BrevitasBackend, BrevitasNetwork)
KERAS: Final = (KerasBackend, KerasNetwork)
_BACKENDS: Final[Mapping[Arithmetic, tuple[type[Backend], type[Network]]]] = MappingProxyType(
    {arithmetic: BREVITAS if arithmetic is Arithmetic.BREVITAS else KERAS for arithmetic in Arithmetic}
)


def backend_of(recipe: Recipe) -> Backend:
    """The backend that trains a recipe."""
    return _BACKENDS[recipe.quantisation.arithmetic][0](recipe)


def network_of(arithmetic: Arithmetic) -> type[Network]:
    """The class of the networks of an arithmetic."""
    return _BACKENDS[arithmetic][1]


__all__ = [
    "Backend",
    "BrevitasNetwork",
    "KerasNetwork",
    "Network",
    "Weights",
    "backend_of",
    "load_keras",
    "network_of",
]
