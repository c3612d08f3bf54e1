"""The table of rules: one an hls4ml layer class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from trigforge.firmware.lowering import (
    activations,
    affine,
    conv,
    dense,
    einsum,
    layernorm,
    merge,
    padding,
    pooling,
    quantizers,
    shapes,
    softmax,
)
from trigforge.firmware.lowering.layer import Outcome
from trigforge.firmware.lowering.symbols import Symbols

Rule = Callable[[Any, list[Symbols]], Outcome]
"""From a node of the `ModelGraph` and the symbols of its inputs to what it gives before the cast to its result."""

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Activation": activations.activation,
        "ApplyAlpha": affine.scale_and_bias,
        "BatchNormalization": affine.scale_and_bias,
        "BatchNormalizationQuantizedTanh": affine.quantised_tanh,
        "Concatenate": merge.join,
        "Conv1D": conv.convolution,
        "Conv2D": conv.convolution,
        "Conv2DBatchnorm": conv.convolution,
        "Cropping1D": padding.cropping,
        "Cropping2D": padding.cropping,
        "Dense": dense.dense,
        "DepthwiseConv1D": conv.depthwise,
        "DepthwiseConv2D": conv.depthwise,
        "Dot": merge.dot,
        "Einsum": einsum.einsum,
        "EinsumDense": einsum.einsum_dense,
        "Embedding": shapes.embedding,
        "FixedPointQuantizer": quantizers.fixed_point_quantizer,
        "GlobalPooling1D": pooling.global_pooling,
        "GlobalPooling2D": pooling.global_pooling,
        "HardActivation": activations.hard_activation,
        "LayerNormalization": layernorm.layer_normalization,
        "Merge": merge.merge,
        "PReLU": activations.prelu,
        "ParametrizedActivation": activations.parametrized_activation,
        "PointwiseConv1D": conv.convolution,
        "PointwiseConv2D": conv.convolution,
        "Pooling1D": pooling.pooling,
        "Pooling2D": pooling.pooling,
        "Reshape": shapes.reshape,
        "Resize": padding.resize,
        "Softmax": softmax.softmax,
        "Transpose": shapes.transpose,
        "UnaryLUT": activations.unary_table,
        "ZeroPadding1D": padding.zero_padding,
        "ZeroPadding2D": padding.zero_padding,
    }
)
