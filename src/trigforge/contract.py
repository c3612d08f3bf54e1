"""`InputContract`: the ordered hardware words of one bunch crossing and the on-chip normaliser in front of a model.

The contract is stated once and used by trainer, emulator, RTL and rate study, so that truncated half units, wrong
scales or another word order cannot differ between them.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial, reduce

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field as Spec
from pydantic import model_validator

from trigforge import units
from trigforge.errors import InputError
from trigforge.fixed import FixedType, IntArray, Overflow, Rounding
from trigforge.value import Value


class OutOfRange(StrEnum):
    """What `InputContract.encode` does with a value beyond a field's range."""

    REFUSE = "refuse"
    SATURATE = "saturate"


class Field(Value):
    """One hardware word: `word = round(value / lsb)`, ties to even, in `low..high` and in `bits` bits.

    A cyclic field (φ) is taken modulo `high + 1` instead of saturating. The normaliser maps it to
    `(word - offset) · 2^-shift`.
    """

    name: str
    unit: str
    lsb: float = Spec(gt=0)
    bits: int = Spec(ge=1, le=32)
    signed: bool
    low: int
    high: int
    cyclic: bool = False
    offset: int = 0
    shift: int = Spec(default=0, ge=-32, le=32)

    @model_validator(mode="after")
    def _range_fits_bits(self) -> Field:
        low, high = (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) if self.signed else (0, (1 << self.bits) - 1)
        if not low <= self.low <= self.high <= high:
            raise ValueError(f"the range {self.low}..{self.high} of {self.name} must lie in {low}..{high}")
        if self.cyclic and self.low != 0:
            raise ValueError(f"the cyclic field {self.name} must start at 0, not {self.low}")
        return self


class Collection(Value):
    """`count` objects of one kind, hardest first; missing ones are padded with words of value 0."""

    name: str
    count: int = Spec(ge=1)
    fields: tuple[Field, ...] = Spec(min_length=1)

    @property
    def width(self) -> int:
        """Number of words."""
        return self.count * len(self.fields)


class InputContract(Value):
    """The words of one crossing, object by object, and the type that the normaliser casts them to."""

    name: str
    collections: tuple[Collection, ...] = Spec(min_length=1)
    model_input: FixedType = FixedType(
        signed=True, width=14, integer=6, rounding=Rounding.RND_CONV, overflow=Overflow.SAT
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> InputContract:
        names = [c.name for c in self.collections]
        if len(set(names)) != len(names):
            raise ValueError(f"collection names must be unique, not {names}")
        return self

    @classmethod
    def of_type(cls, name: str, words: int, kind: FixedType) -> InputContract:
        """The contract of a model that takes `words` mantissas of a fixed-point type as they are."""
        low, high = (-(1 << (kind.width - 1)) if kind.signed else 0), kind.high
        word = Field(
            name="x", unit="", lsb=kind.lsb, bits=kind.width, signed=kind.signed, low=low, high=high,
            shift=kind.fraction,
        )  # fmt: skip
        return cls(name=name, collections=(Collection(name="words", count=words, fields=(word,)),), model_input=kind)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The field of every word, in word order."""
        return tuple(f for c in self.collections for _ in range(c.count) for f in c.fields)

    @property
    def words(self) -> int:
        """Number of words of a crossing."""
        return sum(c.width for c in self.collections)

    @property
    def word_names(self) -> tuple[str, ...]:
        """`<collection><index>_<field>` of every word, in word order."""
        return tuple(f"{c.name}{i}_{f.name}" for c in self.collections for i in range(c.count) for f in c.fields)

    def limits(self) -> tuple[IntArray, IntArray]:
        """The smallest and the largest value of every word, each of shape (words,)."""
        return np.array([f.low for f in self.fields]), np.array([f.high for f in self.fields])

    def encode(self, events: ak.Array, policy: OutOfRange = OutOfRange.SATURATE) -> IntArray:
        """Words of events in physical units: int64 of shape (n, words).

        `events` holds one record or list of records a collection, hardest first. Surplus objects are dropped, missing
        ones have the words of 0. A missing collection, field or list and a value that is not finite are `InputError`s.
        With `OutOfRange.REFUSE` a value outside its range raises `InputError` naming word, value and range.
        """
        from trigforge.encoding import encode_events

        return encode_events(self, events, policy)

    def decode(self, words: npt.ArrayLike) -> ak.Array:
        """Events in physical units from words (n, words): the inverse of `encode`.

        An object is present where any of its words differs from the padding value 0; a single-object
        collection is always present.
        """
        words = self.check(words)
        columns, start = {}, 0
        for c in self.collections:
            block = words[:, start : start + c.width].reshape(len(words), c.count, len(c.fields))
            start += c.width
            columns[c.name] = _decode(c, block)
        return ak.Array(columns)

    def check(self, words: npt.ArrayLike) -> IntArray:
        """`words` as int64 of shape (n, words), all inside their ranges; else `InputError`."""
        array = np.asarray(words)
        if array.ndim != 2 or array.shape[1] != self.words or array.dtype.kind not in "iu":
            raise InputError(
                f"words must be integers of shape (n, {self.words}) for contract {self.name!r}, "
                f"not {array.dtype} of shape {array.shape}"
            )
        low, high = self.limits()
        if len(array) and ((array.min(axis=0) < low) | (array.max(axis=0) > high)).any():
            event, word = np.argwhere((array < low) | (array > high))[0]
            raise InputError(
                f"word {self.word_names[word]} of event {event} must be in {low[word]}..{high[word]}, "
                f"not {array[event, word]}; encode(..., OutOfRange.SATURATE) clips"
            )
        return array.astype(np.int64, copy=False)

    def normalise(self, words: npt.ArrayLike) -> IntArray:
        """Mantissas of `model_input` for words (n, words): `cast((word - offset) · 2^-shift)`."""
        checked, start = self.check(words), 0
        mantissas = np.empty(checked.shape, dtype=np.int64)
        for c in self.collections:
            for i, field in enumerate(c.fields):
                block = slice(start + i, start + c.width, len(c.fields))
                mantissas[:, block] = self._normalise(field, checked[:, block])
            start += c.width
        return mantissas

    def _normalise(self, field: Field, words: IntArray) -> IntArray:
        """Mantissas of the words of one field, from a table of its range where that is the shorter way."""
        if words.size <= field.high - field.low:
            return self.model_input.cast(words - field.offset, field.shift)
        table = self.model_input.cast(np.arange(field.low, field.high + 1) - field.offset, field.shift)
        return table[words - field.low]

    def with_normaliser(self, offsets: dict[str, int], shifts: dict[str, int]) -> InputContract:
        """A contract whose fields `<collection>_<field>` have these offsets and shifts."""
        collections = []
        for c in self.collections:
            fields = tuple(
                f.model_copy(update={"offset": offsets[f"{c.name}_{f.name}"], "shift": shifts[f"{c.name}_{f.name}"]})
                for f in c.fields
            )
            collections.append(c.model_copy(update={"fields": fields}))
        return InputContract.model_validate({**self.model_dump(), "collections": [c.model_dump() for c in collections]})

    def fit_normaliser(
        self, words: npt.ArrayLike, weights: npt.ArrayLike | None = None, model_range: float = 1.0
    ) -> InputContract:
        """A contract whose shifts bring the spread of background words (n, words) to about `model_range`.

        Per field of a collection, over its present objects and with event weights (n,): offset = rounded mean for
        signed and cyclic fields and 0 for others (padding then stays at the edge of the spectrum); 2^shift ≥ spread /
        `model_range`, where the spread is the root mean square about the offset.
        """
        present, start = self.check(words), 0
        event_weights = np.ones(len(present)) if weights is None else np.asarray(weights, dtype=np.float64)
        offsets, shifts = {}, {}
        for c in self.collections:
            block = present[:, start : start + c.width].reshape(-1, len(c.fields))
            start += c.width
            here = (block != 0).any(axis=1)
            block, shares = block[here], np.repeat(event_weights, c.count)[here]
            for i, f in enumerate(c.fields):
                key, column = f"{c.name}_{f.name}", block[:, i].astype(np.float64)
                centred = len(column) and (f.signed or f.cyclic)
                offsets[key] = round(float(np.average(column, weights=shares))) if centred else 0
                square = np.average((column - offsets[key]) ** 2, weights=shares) if len(column) else 1.0
                spread = float(np.sqrt(square))
                shifts[key] = int(np.clip(np.ceil(np.log2(max(spread, 1e-9) / model_range)), 0, 16))
        return self.with_normaliser(offsets, shifts)


def _decode(collection: Collection, block: IntArray) -> ak.Array:
    if collection.count == 1:
        return ak.zip({f.name: block[:, 0, i] * f.lsb for i, f in enumerate(collection.fields)})
    objects = block.reshape(-1, len(collection.fields))
    present = reduce(np.bitwise_or, objects.T) != 0
    kept = np.compress(present, objects, axis=0)
    columns = {f.name: kept[:, i] * f.lsb for i, f in enumerate(collection.fields)}
    return ak.unflatten(ak.zip(columns), present.reshape(-1, collection.count).sum(axis=1))


def kinematics(*, pt_bits: int, eta_max: int, eta_bits: int, eta_lsb: float, phi_steps: int) -> tuple[Field, ...]:
    """The words pt (0.5 GeV), eta (`-eta_max..eta_max` steps of `eta_lsb`) and phi (2π / `phi_steps`) of an object."""
    return (
        Field(
            name="pt",
            unit="GeV",
            lsb=units.PT_LSB_GEV,
            bits=pt_bits,
            signed=False,
            low=0,
            high=2**pt_bits - 1,
        ),
        Field(name="eta", unit="", lsb=eta_lsb, bits=eta_bits, signed=True, low=-eta_max, high=eta_max),
        Field(
            name="phi",
            unit="rad",
            lsb=2 * np.pi / phi_steps,
            bits=(phi_steps - 1).bit_length(),
            signed=False,
            low=0,
            high=phi_steps - 1,
            cyclic=True,
        ),
    )


def level1_contract() -> InputContract:
    """The 57 words of a global-trigger anomaly network: MET, 4 e/γ, 4 µ, 10 jets, each pt, η, φ.

    Scales of the CMS global trigger: pt in 0.5 GeV; calorimeter η in 0.087/2, φ in 2π/144; muon η in 0.010875, φ in
    2π/576. MET has no η, its word is 0.
    """
    calo = partial(kinematics, eta_bits=8, eta_lsb=units.CALO_ETA_LSB, phi_steps=units.CALO_PHI_STEPS)
    muon = partial(kinematics, eta_bits=9, eta_lsb=units.MUON_ETA_LSB, phi_steps=units.MUON_PHI_STEPS)
    return InputContract(
        name="level1-57",
        collections=(
            Collection(name="L1MET", count=1, fields=calo(pt_bits=12, eta_max=0)),
            Collection(name="L1EG", count=4, fields=calo(pt_bits=9, eta_max=69)),
            Collection(name="L1Mu", count=4, fields=muon(pt_bits=9, eta_max=225)),
            Collection(name="L1Jet", count=10, fields=calo(pt_bits=11, eta_max=115)),
        ),
    )
