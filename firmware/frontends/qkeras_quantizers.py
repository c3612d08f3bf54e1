"""The quantisers of QKeras 0.9 as a file saves them: their names and parameters."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from trigforge.errors import ExactnessError, InputError

SIGNATURES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quantized_bits": {
            "bits": 8, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": None,
            "use_stochastic_rounding": False, "scale_axis": None, "qnoise_factor": 1.0, "var_name": None,
            "use_ste": True, "use_variables": False,
        },
        "quantized_relu": {
            "bits": 8, "integer": 0, "use_sigmoid": 0, "negative_slope": 0.0, "use_stochastic_rounding": False,
            "relu_upper_bound": None, "is_quantized_clip": True, "qnoise_factor": 1.0, "var_name": None,
            "use_ste": True, "use_variables": False,
        },
        "quantized_tanh": {"bits": 8, "use_stochastic_rounding": False, "symmetric": False, "use_real_tanh": False},
        "quantized_sigmoid": {
            "bits": 8, "symmetric": False, "use_real_sigmoid": False, "use_stochastic_rounding": False,
        },
        "quantized_po2": {
            "bits": 8, "max_value": None, "use_stochastic_rounding": False, "quadratic_approximation": False,
            "log2_rounding": "rnd", "qnoise_factor": 1.0, "var_name": None, "use_ste": True, "use_variables": False,
        },
        "quantized_relu_po2": {
            "bits": 8, "max_value": None, "negative_slope": 0, "use_stochastic_rounding": False,
            "quadratic_approximation": False, "log2_rounding": "rnd", "qnoise_factor": 1.0, "var_name": None,
            "use_ste": True, "use_variables": False,
        },
        "binary": {"use_01": False, "alpha": None, "use_stochastic_rounding": False},
        "ternary": {"alpha": None, "threshold": None, "use_stochastic_rounding": False, "number_of_unrolls": 5},
        "stochastic_binary": {"alpha": None, "temperature": 6.0, "use_real_sigmoid": True},
        "stochastic_ternary": {
            "alpha": None, "threshold": None, "temperature": 8.0, "use_real_sigmoid": True, "number_of_unrolls": 5,
        },
        "binary_tanh": {},
        "binary_sigmoid": {},
    }
)  # fmt: skip
"""Parameters of every supported quantiser in the order of QKeras's constructors, with their defaults."""

INFERENCE = MappingProxyType({"stochastic_binary": "binary", "stochastic_ternary": "ternary"})
"""Stochastic quantisers draw numbers in training only."""


@dataclass(frozen=True, slots=True)
class Quantizer:
    """A quantiser of QKeras with all its parameters; `where` names it in messages."""

    name: str
    parameters: Mapping[str, Any]
    where: str

    def __getitem__(self, key: str) -> Any:
        return self.parameters[key]

    def refuse(self, parameter: str, expected: str, remedy: str) -> ExactnessError:
        """The error for a parameter without an exact meaning."""
        return ExactnessError(
            f"{self.where}: {parameter} of {self.name} must be {expected}, not {self[parameter]!r}; {remedy}"
        )


def read_quantizer(saved: Any, where: str) -> Quantizer:
    """The quantiser of a saved configuration: a dictionary of class name and parameters, or a call as text."""
    name, given = _parse_text(saved, where) if isinstance(saved, str) else _parse_dictionary(saved, where)
    if name not in SIGNATURES:
        raise ExactnessError(
            f"{where}: the quantiser must be one of {', '.join(sorted(SIGNATURES))}, not {name!r}; train with one"
        )
    signature = SIGNATURES[name]
    unknown = sorted(key for key, value in given.items() if key not in signature and value is not None)
    if unknown:
        raise InputError(
            f"{where}: {name} must have the parameters of QKeras 0.9 ({', '.join(signature)}), not {unknown[0]!r}; "
            "save the model with QKeras 0.9.0"
        )
    parameters = {**signature, **{key: value for key, value in given.items() if key in signature}}
    quantizer = Quantizer(INFERENCE.get(name, name), MappingProxyType(parameters), where)
    if parameters.get("qnoise_factor", 1.0) != 1.0:
        raise quantizer.refuse("qnoise_factor", "1", "finish the quantisation-noise schedule before saving")
    return quantizer


def _parse_dictionary(saved: Any, where: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(saved, dict) or not isinstance(saved.get("class_name"), str):
        raise InputError(f"{where}: the quantiser must be a QKeras configuration, not {saved!r}")
    config = saved.get("config") or {}
    if saved["class_name"] == "function" and isinstance(config, str):
        return config, {}
    if not isinstance(config, dict):
        raise InputError(f"{where}: the parameters of {saved['class_name']} must be a dictionary, not {config!r}")
    return saved["class_name"], config


def _parse_text(saved: str, where: str) -> tuple[str, dict[str, Any]]:
    """The name and parameters of text such as `quantized_relu(6, 2, negative_slope=0.25)`."""
    error = InputError(f"{where}: the quantiser must be a QKeras call such as quantized_bits(8,0), not {saved!r}")
    try:
        call = ast.parse(saved.strip(), mode="eval").body
        if isinstance(call, ast.Name):
            return call.id, {}
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise error
        names = list(SIGNATURES.get(call.func.id, {}))
        positional = {names[i]: ast.literal_eval(value) for i, value in enumerate(call.args)}
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, IndexError, ValueError):
        raise error from None
    return call.func.id, {**positional, **named}
