"""Maps of words to links and back: exact, and refused where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.contract import level1_contract
from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.firmware.rtl.links import LinkMap, Place


@st.composite
def maps(draw: st.DrawFn) -> LinkMap:
    """Words at places that were drawn, not packed: shuffled over the frames, with gaps."""
    links, frames, width = draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 64))
    words: list[Word] = []
    places: list[Place | None] = []
    for link in range(links):
        for frame in range(frames):
            bit = draw(st.integers(0, width))
            while bit < width and draw(st.booleans()):
                size = draw(st.integers(1, min(62, width - bit)))
                words.append(Word(size, draw(st.booleans())))
                places.append(Place(link, frame, bit))
                bit += size + draw(st.integers(0, 3))
    words.append(Word(0, signed=False))
    places.append(None)
    order = draw(st.permutations(range(len(words))))
    return LinkMap(tuple(words[k] for k in order), tuple(places[k] for k in order), links, frames, width)


@given(maps(), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_deserialise_is_the_inverse_of_serialise(link_map: LinkMap, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = np.array([w.limits for w in link_map.words]).T
    words = np.concatenate([rng.integers(low, high, (40, len(low)), endpoint=True), low[None], high[None]])
    frames = link_map.serialise(words)
    assert frames.shape == (42, link_map.links, link_map.frames)
    assert_array_equal(link_map.deserialise(frames), words)
    used = link_map.serialise(np.where(low < 0, -1, high)[None])[0]
    assert not (frames & ~used).any()
    noise = rng.integers(0, 2**64, frames.shape, dtype=np.uint64)
    assert_array_equal(link_map.deserialise(frames | noise & ~used), words)
    assert_array_equal(link_map.serialise(link_map.deserialise(noise)), noise & used)


@given(st.lists(st.integers(0, 24), max_size=40), st.integers(1, 9), st.integers(24, 64))
@settings(max_examples=200, deadline=None)
def test_words_are_packed_in_order_and_without_gaps(widths: list[int], frames: int, width: int) -> None:
    link_map = LinkMap.pack([Word(w, signed=False) for w in widths], frames, width)
    used = [(w, p) for w, p in zip(widths, link_map.places, strict=True) if p is not None]
    assert len(used) == sum(w > 0 for w in widths)
    ends = [Place(0, 0, 0), *(p._replace(bit=p.bit + w) for w, p in used)]
    for (size, place), end in zip(used, ends, strict=False):
        number, before = place.link * frames + place.frame, end.link * frames + end.frame
        assert (number, place.bit) in {(before, end.bit), (before + 1, 0)}
        assert number == before or end.bit + size > width
    assert link_map.links == ends[-1].link + 1


def test_words_begin_at_multiples_if_they_are_to() -> None:
    words = [Word(w, signed=False) for w in (3, 8, 0, 9, 1, 16)]
    link_map = LinkMap.pack(words, 2, 24, align=8)
    assert link_map.places == (
        Place(0, 0, 0), Place(0, 0, 8), None, Place(0, 1, 0), Place(0, 1, 16), Place(1, 0, 0),
    )  # fmt: skip
    with pytest.raises(InputError, match="need 2 links of 2 frames of 24 bits, not 1, which hold 48"):
        LinkMap.pack(words, 2, 24, links=1, align=8)
    assert LinkMap.pack(words, 2, 24, links=1).links == 1


def test_a_word_is_where_its_place_says() -> None:
    link_map = LinkMap((Word(4, signed=True), Word(3, signed=False)), (Place(1, 2, 5), Place(0, 1, 0)), 2, 3, 16)
    frames = link_map.serialise(np.array([[-3, 6]]))
    expected = np.zeros((1, 2, 3), dtype=np.uint64)
    expected[0, 1, 2], expected[0, 0, 1] = 0b1101 << 5, 6
    assert_array_equal(frames, expected)


def test_the_words_of_a_contract_take_all_bits_of_their_fields() -> None:
    contract = level1_contract()
    assert [LinkMap.of_contract(contract, frames).links for frames in (4, 6, 8, 9)] == [3, 2, 2, 1]
    low, high = contract.limits()
    words = np.concatenate([low[None], high[None]])
    link_map = LinkMap.of_contract(contract, 9)
    assert_array_equal(link_map.deserialise(link_map.serialise(words)), words)


BYTE = Word(8, signed=False)


@pytest.mark.parametrize(
    ("words", "places", "shape", "message"),
    [
        (
            (BYTE, BYTE),
            (Place(0, 0, 0), Place(0, 0, 7)),
            (1, 2, 16),
            "but 0 and 1 both have bit 7 of frame 0 of link 0",
        ),
        ((BYTE,), (Place(0, 0, 9),), (1, 2, 16), "the 8 bits of word 0 must lie in one of 2 frames of 16 bits on one"),
        ((BYTE,), (Place(0, 2, 0),), (1, 2, 16), "not at link 0, frame 2, bit 0"),
        ((BYTE,), (Place(1, 0, 0),), (1, 2, 16), "not at link 1, frame 0, bit 0"),
        ((BYTE,), (Place(0, 0, -1),), (1, 2, 16), "not at link 0, frame 0, bit -1"),
        ((BYTE,), (None,), (1, 2, 16), r"word 0 of a link map must have a place if it has bits \(8\), not None"),
        ((Word(0, signed=False),), (Place(0, 0, 0),), (1, 2, 16), r"if it has bits \(0\), not Place\(link=0"),
        ((BYTE,), (), (1, 2, 16), r"must have a place for every word \(1\), not 0"),
        ((), (), (0, 2, 16), r"links of a link map must be 1\.\.512, not 0"),
        ((), (), (1, 128, 16), r"frames of a link map must be 1\.\.127, not 128"),
        ((), (), (1, 2, 65), r"width of a link map must be 1\.\.64, not 65"),
    ],
)
def test_a_map_that_cannot_be_is_refused(
    words: tuple[Word, ...], places: tuple[Place | None, ...], shape: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LinkMap(words, places, *shape)


def test_words_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="a word on a link must have at most 16 bits, a frame's, not 17; split it"):
        LinkMap.pack([Word(17, signed=False)], 4, 16)
    fits_not = r"^5 words of 40 bits, .* need 2 links of 2 frames of 16 bits, not 1, which hold 32; give more links"
    with pytest.raises(InputError, match=fits_not):
        LinkMap.pack([BYTE] * 5, 2, 16, links=1)
    with pytest.raises(InputError, match=r"frames of a link map must be 1\.\.127, not 0"):
        LinkMap.pack([BYTE], 0)
    link_map = LinkMap.pack([BYTE, Word(4, signed=True)], 2, 16)
    with pytest.raises(InputError, match=r"word 1 of event 1 must be -8\.\.7 to fit its place on the links, not 8"):
        link_map.serialise(np.array([[255, 7], [0, 8]]))
    with pytest.raises(
        InputError, match=r"words for links must be int64 of shape \(n, 2\), not int64 of shape \(1, 3\)"
    ):
        link_map.serialise(np.zeros((1, 3), dtype=np.int64))
    with pytest.raises(InputError, match=r"frames must be uint64 of shape \(n, 1, 2\), not int64 of shape \(1, 1, 2\)"):
        link_map.deserialise(np.zeros((1, 1, 2), dtype=np.int64))
