"""Passes of the backend's flow: what hls4ml's own passes do only for backends that they know by name."""

from __future__ import annotations

import warnings
from types import MethodType
from typing import Any, Final

from hls4ml.backends.fpga.passes.hgq_proxy_model import ProcessFixedPointQuantizerLayer, generate_mask_fn
from hls4ml.model.types import Source

from trigforge.errors import InputError

STRATEGY: Final = "latency"
PARALLEL: Final = {"ReuseFactor": 1, "Strategy": "Latency"}


class QuantizerMask(ProcessFixedPointQuantizerLayer):  # type: ignore[misc]
    """hls4ml's C++ of a heterogeneous quantiser (HGQ), as for Vitis."""

    def transform(self, model: Any, node: Any) -> None:  # noqa: ARG002  (hls4ml's signature)
        """Set the node's generated function."""
        k, b, i = node.mask_kbi
        shape = node.get_input_variable().shape
        source = generate_mask_fn(node.name, shape, k, b, i, node.RND, node.SAT, "vitis")
        node.set_attr("mask_fn_codegen", Source(source))


def accept_settings(model: Any) -> None:
    """What a new graph goes through first: no streams, no HLS scheduling, and defaults for what YAML left out."""
    config = model.config.config
    for key, value in model.config.backend.create_initial_config().items():
        config.setdefault(key, value)
    if config["IOType"] != "io_parallel":
        raise InputError(
            f"IOType must be io_parallel with the trigforge backend, not {config['IOType']!r}: its RTL takes a whole "
            "event every clock"
        )
    ignored = drop_scheduling(model.config)
    if ignored:
        warnings.warn(
            f"{' and '.join(ignored)} ignored: the RTL takes an event every clock, every operation has its own logic",
            stacklevel=2,
        )
    bind_trace(model)


def drop_scheduling(config: Any) -> list[str]:
    """Set reuse factors to 1 and strategies to latency, which change no value; the names of those that were asked."""
    changed = []
    if any(factor not in (None, 1) for factor in (config.model_rf, *_values(config, "rf"))):
        changed.append("ReuseFactor")
    if any(str(strategy).lower() != STRATEGY for strategy in (config.model_strategy, *_values(config, "strategy"))):
        changed.append("Strategy")
    asked = config.config["HLSConfig"]  # the user's own dictionaries: they are replaced, not changed
    for section in set(asked) & {"LayerType", "LayerName"}:
        asked = {**asked, section: {name: _parallel(entry) for name, entry in asked[section].items()}}
    config.config["HLSConfig"] = {**asked, "Model": _parallel(asked.get("Model") or {})}
    config.model_rf, config.model_strategy = 1, STRATEGY
    for kind in ("layer_type", "layer_name"):
        setattr(config, f"{kind}_rf", dict.fromkeys(getattr(config, f"{kind}_rf"), 1))
        setattr(config, f"{kind}_strategy", dict.fromkeys(getattr(config, f"{kind}_strategy"), STRATEGY))
    return changed


def _parallel(entry: dict[str, Any]) -> dict[str, Any]:
    """A section of hls4ml's configuration with the settings of a fully parallel circuit, where it has any."""
    return {**entry, **{key: value for key, value in PARALLEL.items() if key in entry}}


def bind_trace(model: Any) -> None:
    """Let `model.trace` be ours: hls4ml asks a backend for `predict`, but not for `trace`."""
    from trigforge.hls4ml_backend.tracing import trace

    model.trace = MethodType(trace, model)


def _values(config: Any, setting: str) -> list[Any]:
    return [v for kind in ("layer_type", "layer_name") for v in getattr(config, f"{kind}_{setting}").values()]
