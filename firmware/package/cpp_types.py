"""The C++ types inside the `std::any` of an emulator library: parsed, checked, and laid out as numpy types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from trigforge.errors import InputError

TOKEN: Final = re.compile(r"\s*([A-Za-z_]\w*(?:::\w+)*|-?\d+|[<>,\[\]*&])")
INTEGERS: Final = {
    "bool": (False, 1), "char": (True, 8), "short": (True, 16), "int": (True, 32), "long": (True, 64),
    "unsigned": (False, 32), "int8_t": (True, 8), "int16_t": (True, 16), "int32_t": (True, 32), "int64_t": (True, 64),
    "uint8_t": (False, 8), "uint16_t": (False, 16), "uint32_t": (False, 32),
}  # fmt: skip
"""Sign and bits of integers."""
MAX_WIDTH: Final = 62
MODE: Final = re.compile(r"AP_[A-Z_]+|\d+")
BY_VALUE: Final = " by value"
EXAMPLES: Final = "'ap_fixed<18,13>[57]', 'float[12]' or 'std::pair<std::array<ap_fixed<10,7>,8>,ap_ufixed<18,14>>'"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number: an integer of `width` bits worth 2^-`fraction` each, or a floating-point number (width 0)."""

    text: str
    signed: bool
    width: int
    fraction: int = 0

    @property
    def real(self) -> bool:
        """Whether it is a floating-point number."""
        return self.width == 0

    @property
    def low(self) -> int:
        """Smallest mantissa."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest mantissa."""
        return (1 << (self.width - self.signed)) - 1


@dataclass(frozen=True, slots=True)
class Array:
    """`T[N]` or `std::array<T, N>`."""

    element: CppType
    count: int
    plain: bool


@dataclass(frozen=True, slots=True)
class Product:
    """`std::pair` or `std::tuple`."""

    template: str
    parts: tuple[CppType, ...]


CppType = Scalar | Array | Product


@dataclass(frozen=True, slots=True)
class InputType:
    """What `prepare_input` takes: a pointer to an object, to a constant one, or the object itself."""

    kind: CppType
    const: bool = False
    by_value: bool = False

    @property
    def held(self) -> str:
        """The type inside the `std::any`."""
        return spell(self.kind) if self.by_value else pointer(self.kind, const=self.const)


def parse_input(text: str) -> InputType:
    """The input type of a text: a type, `const` before it, or ` by value` after it."""
    bare = text.strip()
    by_value, const = bare.endswith(BY_VALUE), bare.startswith("const ")
    kind = parse_type(bare.removesuffix(BY_VALUE).removeprefix("const "))
    if by_value and isinstance(kind, Array) and kind.plain:
        raise InputError(f"an array cannot be held by value in a std::any, as {text!r} says; write std::array<T,N>")
    return InputType(kind, const, by_value)


def parse_type(text: str) -> CppType:
    """The type that a text names; `InputError` says what is not understood."""
    tokens, end = [], 0
    while end < len(text.rstrip()):
        found = TOKEN.match(text, end)
        if found is None:
            raise _error(text, f"{text[end:]!r} is no part of a type")
        tokens.append(found[1])
        end = found.end()
    parser = _Parser(text, tokens)
    kind = parser.type()
    if parser.tokens:
        raise _error(text, f"{parser.tokens[0]!r} is not expected there")
    return kind


def spell(kind: CppType) -> str:
    """A type in C++."""
    match kind:
        case Scalar(text):
            return text
        case Array(_, _, True):
            element, dimensions = _dimensions(kind)
            return spell(element) + "".join(f"[{n}]" for n in dimensions)
        case Array(element, count, _):
            return f"std::array<{spell(element)}, {count}>"
        case Product(template, parts):
            return f"{template}<{', '.join(map(spell, parts))}>"


def pointer(kind: CppType, *, const: bool = False) -> str:
    """What a `std::any` holds for an object: a pointer to it, or to the first element of a plain array."""
    prefix = "const " if const else ""
    if not (isinstance(kind, Array) and kind.plain):
        return f"{prefix}{spell(kind)}*"
    element = kind.element
    if isinstance(element, Array) and element.plain:
        innermost, dimensions = _dimensions(element)
        return f"{prefix}{spell(innermost)}(*)" + "".join(f"[{n}]" for n in dimensions)
    return f"{prefix}{spell(element)}*"


def declare(kind: CppType, name: str) -> str:
    """`typedef` of a type."""
    element, dimensions = _dimensions(kind)
    return f"typedef {spell(element)} {name}" + "".join(f"[{n}]" for n in dimensions) + ";"


def scalars(kind: CppType) -> tuple[Scalar, ...]:
    """The numbers of an object, in order."""
    match kind:
        case Scalar():
            return (kind,)
        case Array(element, count, _):
            return scalars(element) * count
        case Product(_, parts):
            return tuple(s for part in parts for s in scalars(part))


def layout(kind: CppType) -> np.dtype[Any]:
    """The numpy type of an object: mantissas as int64, floating-point numbers as float64."""
    match kind:
        case Scalar():
            return np.dtype(np.float64 if kind.real else np.int64)
        case Array(element, count, _):
            return np.dtype((layout(element), (count,)))
        case Product(template, parts):
            names = ("first", "second") if template == "std::pair" else [f"get{i}" for i in range(len(parts))]
            return np.dtype([(name, layout(part)) for name, part in zip(names, parts, strict=True)])


def _dimensions(kind: CppType) -> tuple[CppType, tuple[int, ...]]:
    dimensions = []
    while isinstance(kind, Array) and kind.plain:
        dimensions.append(kind.count)
        kind = kind.element
    return kind, tuple(dimensions)


@dataclass(slots=True)
class _Parser:
    text: str
    tokens: list[str]

    def type(self) -> CppType:
        kind: CppType = self._named(self._next("a type"))
        dimensions = []
        while self.tokens[:1] == ["["]:
            self._take("[")
            dimensions.append(self._count())
            self._take("]")
        if prod(dimensions) > 1 << 20:
            raise _error(self.text, "it has more than a million elements")
        for count in reversed(dimensions):
            kind = Array(kind, count, plain=True)
        return kind

    def _named(self, name: str) -> CppType:
        bare = name.removeprefix("std::")
        match bare:
            case "float" | "double":
                return Scalar(bare, signed=True, width=0)
            case "long" | "unsigned" if self.tokens and self.tokens[0] in ("long", "int"):
                raise _error(self.text, "write int64_t, uint32_t … for integers of two words")
            case "array":
                self._take("<")
                element = self.type()
                self._take(",")
                count = self._count()
                self._take(">")
                return Array(element, count, plain=False)
            case "pair" | "tuple":
                parts = tuple(self._arguments())
                if bare == "pair" and len(parts) != 2:
                    raise _error(self.text, f"a pair has two types, not {len(parts)}")
                return Product(f"std::{bare}", parts)
            case "ap_int" | "ap_uint" | "ap_fixed" | "ap_ufixed":
                return self._ap(bare)
            case _ if bare in INTEGERS:
                signed, width = INTEGERS[bare]
                return Scalar(bare, signed, width)
            case _:
                raise _error(self.text, f"{name!r} is not a type that is known")

    def _arguments(self) -> list[CppType]:
        self._take("<")
        parts = [self.type()]
        while self.tokens[:1] == [","]:
            self._take(",")
            parts.append(self.type())
        self._take(">")
        return parts

    def _ap(self, name: str) -> Scalar:
        self._take("<")
        words = [self._next("a width")]
        while self.tokens[:1] == [","]:
            self._take(",")
            words.append(self._next("a number or a mode"))
        self._take(">")
        fixed = name.endswith("fixed")
        numbers, modes = words[: 1 + fixed], words[1 + fixed :]
        if len(numbers) <= fixed or not all(re.fullmatch(r"-?\d+", n) for n in numbers):
            raise _error(self.text, f"{name} takes {'a width and integer bits' if fixed else 'a width'}")
        if len(modes) > (3 if fixed else 0) or not all(MODE.fullmatch(mode) for mode in modes):
            raise _error(self.text, f"{name} takes {'modes such as AP_RND, AP_SAT' if fixed else 'no modes'}")
        width = int(numbers[0])
        if not 1 <= width <= MAX_WIDTH:
            raise _error(self.text, f"a width must be 1..{MAX_WIDTH}, not {width}")
        fraction = width - int(numbers[1]) if fixed else 0
        return Scalar(f"{name}<{', '.join(words)}>", not name.startswith("ap_u"), width, fraction)

    def _count(self) -> int:
        word = self._next("a number of elements")
        if not word.isdigit() or int(word) < 1:
            raise _error(self.text, f"a number of elements must be positive, not {word!r}")
        return int(word)

    def _next(self, expected: str) -> str:
        if not self.tokens:
            raise _error(self.text, f"{expected} is missing at its end")
        return self.tokens.pop(0)

    def _take(self, token: str) -> None:
        if self._next(repr(token)) != token:
            raise _error(self.text, f"{token!r} is missing")


def _error(text: str, problem: str) -> InputError:
    return InputError(f"a type must be written as in C++, such as {EXAMPLES}, not {text!r}: {problem}")
