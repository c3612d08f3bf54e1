"""Architectures: what a recipe may name by its `kind`."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from trigforge.models.architectures.autoencoder import ConvolutionalAutoencoder
from trigforge.models.architectures.base import Architecture, Design, Inputs, Phase, TrainingSet, normalised
from trigforge.models.architectures.compression import Compression
from trigforge.models.architectures.dense import DenseArchitecture
from trigforge.models.architectures.distilled import DistilledStudent
from trigforge.models.architectures.normalised_autoencoder import NormalisedAutoencoder
from trigforge.models.architectures.one_class import OneClass
from trigforge.models.architectures.vae import Vae
from trigforge.models.architectures.vicreg import VicregVae

AnyArchitecture = Annotated[
    Compression | ConvolutionalAutoencoder | DistilledStudent | NormalisedAutoencoder | OneClass | Vae | VicregVae,
    Field(discriminator="kind"),
]
"""What a TOML recipe may ask for, by `kind`; a Python recipe may bring an `Architecture` of its own."""

DENSE_KINDS: Final = tuple(str(one.model_fields["kind"].default) for one in (Compression, OneClass, Vae))
"""Those that are nothing but dense layers in firmware."""

__all__ = [
    "DENSE_KINDS",
    "AnyArchitecture",
    "Architecture",
    "DenseArchitecture",
    "Design",
    "Inputs",
    "Phase",
    "TrainingSet",
    "normalised",
]
