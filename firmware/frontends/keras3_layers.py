"""Keras 3 layers and quantisers that hls4ml 1.3 does not read, or reads wrongly.

Importing this module registers the handlers through hls4ml's extension API, and in its place what is wrong in hls4ml's
type inference of quantisers and outputs and in its fusion of BatchNormalization and of quantisers.
"""

from __future__ import annotations

from typing import Any

from hls4ml.converters.keras_v3.conv import ConvHandler
from hls4ml.converters.keras_v3.core import ReLUHandler
from hls4ml.converters.keras_v3.hgq2._base import QMergeHandler
from hls4ml.converters.keras_v3.hgq2.einsum import QEinsumHandler
from hls4ml.converters.keras_v3.hgq2.multi_head_attention import (
    QLinformerAttentionHandler,
    QMultiHeadAttentionHandler,
)
from hls4ml.converters.keras_v3.merge import MergeHandler
from hls4ml.model.layers import DepthwiseConv1D, DepthwiseConv2D, Input, Reshape, Transpose
from hls4ml.model.optimizer.passes import bit_exact
from hls4ml.model.optimizer.passes.bn_fuse import FuseBatchNormalization
from hls4ml.model.optimizer.passes.hgq_proxy_model import FixedPointQuantizer, FuseFixedPointQuantizer

from trigforge.errors import ExactnessError


class Concatenation(MergeHandler):  # type: ignore[misc]
    """`Concatenate` with its axis counted from the last: hls4ml's type inference takes others to have no batch axis."""

    handles = ("keras.src.layers.merging.concatenate.Concatenate",)

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any, cls_name: str | None = None) -> dict[str, Any]:
        """hls4ml's description of the layer."""
        described: dict[str, Any] = super().handle(layer, in_tensors, out_tensors, cls_name)
        rank = len(out_tensors[0].shape)
        return {**described, "axis": layer.axis - rank if layer.axis > 0 else layer.axis}


class Rectifier(ReLUHandler):  # type: ignore[misc]
    """`ReLU` as what it is: hls4ml makes a comparison with 0 in `ap_ufixed<2,32>` of it, which csim gets wrong."""

    handles = ("keras.src.layers.activations.relu.ReLU", "keras.src.layers.activations.leaky_relu.LeakyReLU")

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> tuple[dict[str, Any], ...]:
        """hls4ml's description of the layer."""
        (described,) = super().handle(layer, in_tensors, out_tensors)
        if described.get("activ_param") == 0:
            described = {**described, "class_name": "Activation", "activation": "relu"}
        return (described,)


class Separable(ConvHandler):  # type: ignore[misc]
    """Separable convolutions, whose depthwise kernel hls4ml looks for under another name."""

    handles = (
        "keras.src.layers.convolutional.separable_conv1d.SeparableConv1D",
        "keras.src.layers.convolutional.separable_conv2d.SeparableConv2D",
    )

    def load_weight(self, layer: Any, key: str) -> Any:
        """A weight of the layer."""
        return super().load_weight(layer, "depthwise_kernel" if key == "kernel" else key)


class _OwnQuantisers:
    """Every input behind its own quantiser, also where a layer takes one tensor twice; hls4ml keeps the last one's."""

    def __call__(self, layer: Any, in_tensors: Any, out_tensors: Any) -> tuple[dict[str, Any], ...]:
        described: tuple[dict[str, Any], ...] = super().__call__(layer, in_tensors, out_tensors)  # type: ignore[misc]
        if layer._enable_iq:
            names = [f"{tensor.name}_q{i}" for i, tensor in enumerate(in_tensors)]
            for quantiser, name in zip(described, names, strict=False):
                quantiser["output_keras_tensor_names"] = [name]
            described[len(names)]["input_keras_tensor_names"] = names
        return described


class Merge(_OwnQuantisers, QMergeHandler):  # type: ignore[misc]
    """HGQ2's merges."""

    handles = QMergeHandler.handles


class Einsum(_OwnQuantisers, QEinsumHandler):  # type: ignore[misc]
    """HGQ2's Einstein sum."""

    handles = QEinsumHandler.handles


def require_plain_attention(layer: Any, in_tensors: Any, out_tensors: Any) -> None:
    """Raise `ExactnessError` for masks, which hls4ml drops, and for arguments that it takes from another call."""
    calls = layer._inbound_nodes
    call = next(node for node in calls if node.outputs[0] is out_tensors[0])
    place = in_tensors[0]._keras_history.node_index
    where = f"layer {layer.name!r} ({type(layer).__name__})"
    if place >= len(calls) or calls[place] is not call:
        raise ExactnessError(f"{where} must be called once, on the outputs of layers that are called once")
    given = layer._call_signature.bind(*call.arguments.args, **call.arguments.kwargs).arguments
    unsupported = (
        "query_mask",
        "value_mask",
        "key_mask",
        "attention_mask",
        "use_causal_mask",
        "return_attention_scores",
    )
    for name in unsupported:
        if given.get(name) is not None and given[name] is not False:
            raise ExactnessError(f"{where} must be called without {name}, which hls4ml 1.3 ignores; leave it out")


class Attention(QMultiHeadAttentionHandler):  # type: ignore[misc]
    """HGQ2's multi-head attention under the module name that it has since HGQ2 0.2."""

    handles = ("hgq.layers.attn.mha.QMultiHeadAttention",)

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> Any:
        """hls4ml's descriptions of the layers that it consists of."""
        require_plain_attention(layer, in_tensors, out_tensors)
        return super().handle(layer, in_tensors, out_tensors)


class LinformerAttention(QLinformerAttentionHandler):  # type: ignore[misc]
    """HGQ2's attention with projected keys and values under the module name that it has since HGQ2 0.2."""

    handles = ("hgq.layers.attn.linformer.QLinformerAttention",)

    def handle(self, layer: Any, in_tensors: Any, out_tensors: Any) -> Any:
        """hls4ml's descriptions of the layers that it consists of."""
        require_plain_attention(layer, in_tensors, out_tensors)
        return super().handle(layer, in_tensors, out_tensors)


def _keep_limits(layer: Any) -> Any:
    """The bits that a quantiser delivers; hls4ml drops fraction bits of one that saturates, and so moves its limit.

    Its branch for the other overflow modes keeps them wherever a value can reach the limit.
    """
    overflow = layer.SAT
    layer.SAT = "WRAP"
    try:
        return DELIVERED(layer)
    finally:
        layer.SAT = overflow


def _request_outputs_whole(layer: Any) -> Any:
    """The bits of a layer's values that are used; hls4ml forgets that an output which feeds layers is read itself."""
    if set(layer.outputs) & set(layer.model.outputs):
        return bit_exact._maximum_kif_at_shape(bit_exact.get_output_shape(layer))
    return REQUESTED(layer)


def _fuses(fusion: Any, node: Any) -> bool:
    """Whether hls4ml fuses a BatchNormalization; into a depthwise convolution or an output it does so wrongly."""
    if not FUSES(fusion, node):
        return False
    before = node.get_input_node()
    return not isinstance(before, DepthwiseConv1D | DepthwiseConv2D) and before.outputs[0] not in node.model.outputs


def _joins(fusion: Any, node: Any) -> bool:
    """Whether hls4ml gives a quantiser's type to the layer before it.

    Not behind another quantiser, whose type would be lost; nor through a reshape of an input that is read twice, whose
    own type would stay unknown.
    """
    if not JOINS(fusion, node):
        return False
    before = node.get_input_node()
    if before.attributes.get("_result_t_propagated", False):
        return False
    while isinstance(before, Reshape | Transpose):
        before = before.get_input_node()
        if isinstance(before, Input) and len(bit_exact.get_output_layers(before)) > 1:
            return False
    return True


JOINS = FuseFixedPointQuantizer.match
FuseFixedPointQuantizer.match = _joins
FUSES = FuseBatchNormalization.match
FuseBatchNormalization.match = _fuses
REQUESTED = bit_exact.requested_kif
bit_exact.requested_kif = _request_outputs_whole
DELIVERED = bit_exact._produce_kif.dispatch(FixedPointQuantizer)
bit_exact._produce_kif.register(FixedPointQuantizer, _keep_limits)
