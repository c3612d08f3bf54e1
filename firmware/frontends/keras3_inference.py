"""Inference graphs of Keras models: a VAE's sampling layer is dropped and its mean kept."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import quiet

CONFIG, LATENT_MEAN = "config.json", "LatentMean"
KNOWN_PACKAGES = ("keras", "hgq", "qkeras", "builtins")


def load_keras(path: Path, sampling: str = "") -> Any:
    """Read a Keras 3 model file for inference.

    `sampling` names the layer that draws z from [µ, log σ²]; it is replaced by µ, its first input, whatever its class.
    Any other layer of a class that is neither Keras's nor HGQ2's raises `ExactnessError`, a broken or foreign file
    `InputError`. No code of the file is run.
    """
    import hgq.layers  # noqa: F401  (registers the layers' classes)

    config, archive = _read(path)
    layers = list(_layers(config))
    names = [layer.get("name") or layer.get("config", {}).get("name", "") for layer in layers]
    if sampling and sampling not in names:
        raise InputError(f"sampling must name a layer of {path} ({', '.join(names)}), not {sampling!r}")
    for layer, name in zip(layers, names, strict=True):
        if name == sampling:
            layer.update(module=None, class_name=LATENT_MEAN, registered_name=LATENT_MEAN, config={"name": name})
        elif _package(layer) not in KNOWN_PACKAGES:
            raise ExactnessError(
                f"layer {name!r} of {path} must be of Keras or HGQ2, not the custom class {layer['class_name']!r}; "
                "if it samples a latent space from [mean, log variance], name it as sampling"
            )
    archive[CONFIG] = json.dumps(config).encode()
    try:
        model = _rebuilt(archive)
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} must be a Keras 3 model file: {reason}") from None
    return without_sampling(model, sampling) if sampling else model


def without_sampling(model: Any, sampling: str) -> Any:
    """The functional model with layer `sampling` replaced by its first input; the layers and weights are shared."""
    import keras

    names = [layer.name for layer in model.layers]
    if sampling not in names:
        raise InputError(f"sampling must name a layer of the model ({', '.join(names)}), not {sampling!r}")

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name == sampling:
            return args[0][0] if isinstance(args[0], list | tuple) else args[0]
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _read(path: Path) -> tuple[Any, dict[str, bytes]]:
    if not path.is_file():
        raise InputError(f"{path} must be a Keras 3 model file (.keras), but there is none; check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
            return json.loads(content[CONFIG]), content
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError, json.JSONDecodeError, OSError) as error:
        raise InputError(f"{path} must be a whole Keras 3 model file written by model.save: {error}") from None


def _rebuilt(content: dict[str, bytes]) -> Any:
    """The model of an archive's content."""
    import keras

    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.keras"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return keras.saving.load_model(path, {LATENT_MEAN: _latent_mean()}, compile=False, safe_mode=True)


def _layers(config: Any) -> Iterator[dict[str, Any]]:
    """The configurations of all layers, also of nested models."""
    for layer in config.get("config", {}).get("layers", ()):
        yield layer
        yield from _layers(layer)


def _package(layer: dict[str, Any]) -> str:
    module = layer.get("module") or layer.get("registered_name") or ""
    return str(module).replace(">", ".").split(".")[0]


def _latent_mean() -> Any:
    """The class of the layer that stands for a sampling layer until the model is built: it passes µ on."""
    import keras

    class LatentMean(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        """z = µ."""

        def call(self, mean: Any, *others: Any) -> Any:  # noqa: ARG002  (log σ² keeps its layer in the model)
            return mean[0] if isinstance(mean, list | tuple) else mean

    return LatentMean
