"""`LinkMap`: where the words of a bunch crossing are on serial links, and frames from words and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.fixed import IntArray

Frames = npt.NDArray[np.uint64]
"""What links carry: (n, links, frames), bit 0 of a frame in bit 0 of its number."""

LINK_BITS: Final = 64
"""Bits a frame of a link has unless said otherwise."""
MAX_FRAMES: Final = 127
MAX_LINKS: Final = 512


class Place(NamedTuple):
    """Where a word's least significant bit is; the rest of the word follows it upwards in the same frame."""

    link: int
    frame: int
    bit: int


@dataclass(frozen=True, slots=True)
class LinkMap:
    """The words of one bunch crossing on `links` links that each carry `frames` frames of `width` bits a crossing.

    At 40 MHz times `frames` the links carry one frame a clock. Raises `InputError` if a number is out of range, a
    word does not lie in its frame or two words overlap.
    """

    words: tuple[Word, ...]
    places: tuple[Place | None, ...]
    """One a word; None for a word of width 0, which has no bits."""
    links: int
    frames: int
    width: int = LINK_BITS

    def __post_init__(self) -> None:
        _require_shape(self.links, self.frames, self.width)
        if len(self.places) != len(self.words):
            raise InputError(f"a link map must have a place for every word ({len(self.words)}), not {len(self.places)}")
        owner: dict[Place, int] = {}
        for index, (word, place) in enumerate(zip(self.words, self.places, strict=True)):
            self._require_room(index, word, place)
            for at in [] if place is None else [place._replace(bit=place.bit + k) for k in range(word.width)]:
                if at in owner:
                    raise InputError(
                        f"words of a link map must not overlap, but {owner[at]} and {index} both have bit {at.bit} of "
                        f"frame {at.frame} of link {at.link}; move one of them"
                    )
                owner[at] = index

    @classmethod
    def pack(
        cls, words: Sequence[Word], frames: int, width: int = LINK_BITS, links: int | None = None, align: int = 1
    ) -> LinkMap:
        """Words in their order, frame by frame and link by link from bit 0; one that does not fit begins a frame.

        Every word begins at a multiple of `align` bits of its frame. Without `links` there are as many as the words
        need. Raises `InputError` if the words do not fit.
        """
        _require_shape(1 if links is None else links, frames, width)
        widest = max((word.width for word in words), default=0)
        if widest > width:
            raise InputError(f"a word on a link must have at most {width} bits, a frame's, not {widest}; split it")
        places: list[Place | None] = []
        number, bit = 0, 0
        for word in words:
            bit = -(-bit // align) * align
            if bit + word.width > width:
                number, bit = number + 1, 0
            places.append(Place(number // frames, number % frames, bit) if word.width else None)
            bit += word.width
        needed = number // frames + 1
        if links is not None and links < needed:
            raise InputError(
                f"{len(words)} words of {sum(word.width for word in words)} bits, none across two frames, need "
                f"{needed} links of {frames} frames of {width} bits, not {links}, which hold {links * frames * width}; "
                "give more links, frames or bits a frame, or place the words by hand"
            )
        return cls(tuple(words), tuple(places), needed if links is None else links, frames, width)

    @classmethod
    def of_contract(
        cls, contract: InputContract, frames: int, width: int = LINK_BITS, links: int | None = None
    ) -> LinkMap:
        """The words of a contract with all bits of their fields, packed in their order (see `pack`)."""
        return cls.pack([Word(f.bits, f.signed) for f in contract.fields], frames, width, links)

    def serialise(self, words: IntArray) -> Frames:
        """Frames (n, links, frames) of words (n, words); bits that belong to no word are 0.

        Raises `InputError` if a word has not as many bits as its value needs.
        """
        if words.ndim != 2 or words.shape[1] != len(self.words) or words.dtype != np.int64:
            raise InputError(
                f"words for links must be int64 of shape (n, {len(self.words)}), not {words.dtype} of shape "
                f"{words.shape}"
            )
        frames = np.zeros((len(words), self.links, self.frames), dtype=np.uint64)
        for index, (word, place) in enumerate(zip(self.words, self.places, strict=True)):
            column, (low, high) = words[:, index], word.limits
            if len(column) and not (low <= column.min() and column.max() <= high):
                event = int(np.argmax((column < low) | (column > high)))
                raise InputError(
                    f"word {index} of event {event} must be {low}..{high} to fit its place on the links, "
                    f"not {int(column[event])}"
                )
            if place is not None:
                bits = column.astype(np.uint64) & np.uint64((1 << word.width) - 1)
                frames[:, place.link, place.frame] |= bits << np.uint64(place.bit)
        return frames

    def deserialise(self, frames: Frames) -> IntArray:
        """Words (n, words) of frames (n, links, frames): the inverse of `serialise`, whatever the unused bits are."""
        if frames.ndim != 3 or frames.shape[1:] != (self.links, self.frames) or frames.dtype != np.uint64:
            raise InputError(
                f"frames must be uint64 of shape (n, {self.links}, {self.frames}), not {frames.dtype} of shape "
                f"{frames.shape}"
            )
        words = np.zeros((len(frames), len(self.words)), dtype=np.int64)
        for index, (word, place) in enumerate(zip(self.words, self.places, strict=True)):
            if place is None:
                continue
            bits = frames[:, place.link, place.frame] >> np.uint64(place.bit) & np.uint64((1 << word.width) - 1)
            words[:, index] = bits.astype(np.int64)
            if word.signed:
                words[:, index] -= (words[:, index] >> (word.width - 1)) << word.width
        return words

    def _require_room(self, index: int, word: Word, place: Place | None) -> None:
        if (place is None) != (word.width == 0):
            raise InputError(f"word {index} of a link map must have a place if it has bits ({word.width}), not {place}")
        if place is None:
            return
        sizes = (self.links, self.frames, self.width - word.width + 1)
        if not all(0 <= k < size for k, size in zip(place, sizes, strict=True)):
            raise InputError(
                f"the {word.width} bits of word {index} must lie in one of {self.frames} frames of {self.width} bits "
                f"on one of {self.links} links, not at link {place.link}, frame {place.frame}, bit {place.bit}"
            )


def _require_shape(links: int, frames: int, width: int) -> None:
    bounds = (("links", links, MAX_LINKS), ("frames", frames, MAX_FRAMES), ("width", width, LINK_BITS))
    for what, number, most in bounds:
        if not 1 <= number <= most:
            raise InputError(f"{what} of a link map must be 1..{most}, not {number!r}")
