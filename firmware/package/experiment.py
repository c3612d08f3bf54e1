"""The types of an experiment's own code in a plug-in, so that it takes the place of the library that is loaded now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import frexp

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.package.cpp_types import (
    Array,
    CppType,
    InputType,
    Product,
    Scalar,
    declare,
    pointer,
    scalars,
    spell,
)
from trigforge.fixed import FixedType

OWN_INPUTS = ("int", "int32_t", "double")
OWN_RESULTS = ("long", "int64_t", "double")
REAL_BITS = {"float": 24, "double": 53}


@dataclass(frozen=True, slots=True)
class Experiment:
    """An input type whose numbers are words times powers of two (`scale`, one a word), and the type of the result."""

    input: InputType
    result: CppType
    scale: tuple[float, ...]

    def keys(self, contract: InputContract, outputs: tuple[FixedType, ...]) -> dict[str, str]:
        """The values for `types.h`; `InputError` for types that do not hold every word and every score exactly."""
        scores, kinds = self._scores(outputs), scalars(self.result)
        shifts = [_result_shift(kind, outputs[k]) for kind, k in zip(kinds, scores, strict=True)]
        return {
            "input": self.input.held,
            "result": pointer(self.result),
            "includes": includes(self.input.kind, self.result),
            "input_typedef": declare(self.input.kind, "Input"),
            "result_typedef": declare(self.result, "Result"),
            "results": str(len(kinds)),
            "input_shifts": _list(self._input_shifts(contract)),
            "result_scores": _list(scores),
            "result_shifts": _list(shifts),
            "result_is_real": _list(int(kind.real) for kind in kinds),
            "result_units": _list((2.0 ** outputs[k].fraction).hex() for k in scores),
            "held": self._held,
            "target": _address(self.result, "Result", "result.value"),
        }

    @property
    def _held(self) -> str:
        """What the test puts into the `std::any` of an input."""
        if self.input.by_value:
            return "input.value"
        return ("(const " if self.input.const else "(") + _address(self.input.kind, "Input", "input.value")[1:]

    def _input_shifts(self, contract: InputContract) -> list[int]:
        kinds = scalars(self.input.kind)
        if len(kinds) != contract.words or len(self.scale) != contract.words:
            raise InputError(
                f"the input type must have {contract.words} numbers, one a word of contract {contract.name!r}, "
                f"not {len(kinds)}"
            )
        if not isinstance(self.input.kind, Product) and kinds[0].text in OWN_INPUTS:
            raise InputError(
                f"the input type must not be {self.input.held}: a plug-in takes it as words or values already"
            )
        rows = zip(kinds, contract.word_names, contract.fields, self.scale, strict=True)
        return [_shift(kind, name, field.low, field.high, scale) for kind, name, field, scale in rows]

    def _scores(self, outputs: tuple[FixedType, ...]) -> list[int]:
        """The score of every number of the result: their order, or one score for each part of a pair."""
        kinds = scalars(self.result)
        parts = self.result.parts if isinstance(self.result, Product) else ()
        if not parts and kinds[0].text in OWN_RESULTS:
            raise InputError(f"the result type must not be {pointer(self.result)}: a plug-in writes it already")
        if len(outputs) == 1 and parts and all(isinstance(part, Scalar) for part in parts):
            return [0] * len(kinds)
        if len(kinds) != len(outputs):
            raise InputError(
                f"the result type must have {len(outputs)} numbers, one a score, not {len(kinds)}, "
                f"as {spell(self.result)} has"
            )
        return list(range(len(kinds)))


def includes(*kinds: CppType) -> str:
    """The headers of some types."""
    has_ap = any(scalar.text.startswith("ap_") for kind in kinds for scalar in scalars(kind))
    headers = '#define HAS_AP_TYPES\n#include "ap_fixed.h"\n#include "ap_int.h"\n' if has_ap else ""
    return f"{headers}#include <array>\n#include <cstdint>\n#include <tuple>\n#include <utility>\n"


def _shift(kind: Scalar, name: str, low: int, high: int, scale: float) -> int:
    """Bits of a number below the least significant one of its word."""
    if kind.real:
        raise InputError(f"the input type must be of integers or fixed-point numbers, not {kind.text}")
    shift = kind.fraction + frexp(scale)[1] - 1
    inside = 0 <= shift < kind.width and kind.low <= low << shift and high << shift <= kind.high
    if not inside:
        raise InputError(
            f"every word of {name}, {low}..{high}, times {scale:g} must be a number of {kind.text}; "
            "choose another --input-type or --scale"
        )
    return shift


def _result_shift(kind: Scalar, score: FixedType) -> int:
    """Bits of a number of the result below the least significant one of its score."""
    left = kind.fraction - score.fraction
    if kind.real and score.width - score.signed <= REAL_BITS[kind.text]:
        return 0
    if not kind.real and 0 <= left < kind.width and kind.low <= score.low << left and score.high << left <= kind.high:
        return left
    raise InputError(
        f"every score of type {score} must be a number of {kind.text} exactly; give the model a score_type that is, or "
        "choose another --result-type"
    )


def _address(kind: CppType, name: str, place: str) -> str:
    """The pointer that a `std::any` holds: to an object, or to the first element of a plain array."""
    first = f"{place}[0]" if isinstance(kind, Array) and kind.plain else place
    return f"(std::remove_extent_t<{name}> *)&{first}"


def _list(numbers: Iterable[object]) -> str:
    return ", ".join(map(str, numbers))
