"""The table of Keras and QKeras layer classes and their rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends import qkeras_layers, qkeras_shapes
from trigforge.firmware.frontends.qkeras_network import Tensor
from trigforge.firmware.frontends.qkeras_parameters import SavedLayer
from trigforge.firmware.frontends.qkeras_translation import Rule, Translation, require


def translate(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    """Append a layer's plain form; `ExactnessError` names a layer that has none, or what in it has none."""
    rule = RULES.get(layer.class_name)
    if rule is None:
        raise ExactnessError(
            f"{layer.label} has no exact form; use layers among {', '.join(sorted(RULES))}, or cut the model before it"
        )
    require(layer, "data_format", ("channels_last", None), "train with channels_last")
    result = rule(to, layer, inputs)
    kind = to.parameters.given(layer, "result")
    return result if kind is None else to.network.cast(f"{layer.name}_result", result, kind)


RULES: Mapping[str, Rule] = MappingProxyType({**qkeras_layers.RULES, **qkeras_shapes.RULES})
"""The rule of every supported layer class."""
