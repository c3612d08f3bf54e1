"""Which rule exports which hls4ml layer class."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trigforge.firmware.export import elementwise, merges, products, windows
from trigforge.firmware.export.step import Rule

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Activation": elementwise.activation,
        "ApplyAlpha": products.scale_and_bias,
        "BatchNormalization": products.scale_and_bias,
        "BatchNormalizationQuantizedTanh": elementwise.quantised_tanh,
        "Concatenate": merges.join,
        "Conv1D": products.convolution,
        "Conv2D": products.convolution,
        "Conv2DBatchnorm": products.convolution,
        "Cropping1D": merges.cropping,
        "Cropping2D": merges.cropping,
        "Dense": products.dense,
        "DepthwiseConv1D": products.depthwise,
        "DepthwiseConv2D": products.depthwise,
        "Dot": merges.dot,
        "Einsum": merges.einsum,
        "EinsumDense": products.einsum_dense,
        "FixedPointQuantizer": elementwise.fixed_point_quantizer,
        "GlobalPooling1D": windows.global_pooling,
        "GlobalPooling2D": windows.global_pooling,
        "HardActivation": elementwise.hard_activation,
        "Merge": merges.merge,
        "PReLU": elementwise.prelu,
        "ParametrizedActivation": elementwise.parametrized_activation,
        "PointwiseConv1D": products.convolution,
        "PointwiseConv2D": products.convolution,
        "Pooling1D": windows.pooling,
        "Pooling2D": windows.pooling,
        "Reshape": merges.reshape,
        "Resize": merges.resize,
        "Transpose": merges.transpose,
        "UnaryLUT": elementwise.table,
        "ZeroPadding1D": merges.zero_padding,
        "ZeroPadding2D": merges.zero_padding,
    }
)
"""One rule a class; the classes that lower but are missing here are refused by name."""
