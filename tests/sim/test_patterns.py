"""Pattern files: round trips, the published layouts byte for byte, captures, and files that must be refused."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.contract import level1_contract
from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import Word
from trigforge.firmware.rtl.links import LinkMap
from trigforge.fixed import IntArray
from trigforge.sim.patterns.check import check_capture
from trigforge.sim.patterns.cms import CmsFormat, read_cms, write_cms
from trigforge.sim.patterns.pattern import END, ORBIT, START, VALID, Header, Kind, Pattern, events_of, play
from trigforge.sim.patterns.text import header_text, read_text, write_text

WORDS = (Word(12, signed=False), Word(8, signed=True), Word(0, signed=False), Word(33, signed=True))
FORMATS = ["text", *CmsFormat]


def header(events: int, words: tuple[Word, ...] = WORDS, frames: int = 3, width: int = 64, **rest: object) -> Header:
    link_map = LinkMap.pack(words, frames, width)
    fields = {"project": "demo", "contract": "c" * 64, "program": "d" * 64, "events": events} | rest
    period, channels = int(fields.pop("period", frames)), fields.pop("channels", range(4, 4 + link_map.links))
    names = [f"{'output' if rest.get('kind') else 'word'}{index}" for index in range(len(words))]
    return Header.of(Kind(fields.pop("kind", "stimulus")), link_map, names, channels, period, **fields)  # type: ignore[arg-type]


def random_words(made: Header, seed: int) -> IntArray:
    low, high = np.array([(w.limits) for w in made.link_map().words]).T
    rng = np.random.default_rng(seed)
    words = rng.integers(low, high, (made.events, len(low)), endpoint=True)
    words[0], words[-1] = low, high
    return words


def written(path: Path, form: str, made: Header, words: IntArray) -> Path:
    blocks = play(made, [words])
    if form == "text":
        write_text(path, made, blocks)
    else:
        write_cms(path, CmsFormat(form), "demo", made.channels, blocks)
    return path


def read_words(path: Path, form: str, made: Header) -> IntArray:
    if form == "text":
        found, buffers = read_text(path)
        assert found == made
    else:
        buffers = read_cms(path, CmsFormat(form))
    return np.concatenate(list(events_of(made, buffers, str(path))))


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
def test_words_survive_every_format(tmp_path_factory: pytest.TempPathFactory, form: str, data: st.DataObject) -> None:
    widths = data.draw(st.lists(st.tuples(st.integers(0, 16), st.booleans()), min_size=1, max_size=8))
    words = tuple(Word(width, signed) for width, signed in widths)
    frames = data.draw(st.integers(1, 4))
    made = header(
        data.draw(st.integers(1, 40)),
        words,
        frames,
        data.draw(st.sampled_from([16, 31, 32, 64])),
        period=data.draw(st.integers(frames, frames + 3)),
        lead=data.draw(st.integers(0, 5)),
    )
    content = random_words(made, data.draw(st.integers(0, 99)))
    path = tmp_path_factory.mktemp("pattern") / data.draw(st.sampled_from(["p.txt", "p.txt.gz"]))
    assert_array_equal(read_words(written(path, form, made, content), form, made), content)


@pytest.mark.parametrize("form", FORMATS)
def test_many_events_are_streamed(tmp_path: Path, form: str) -> None:
    made = header(12_000, period=4, lead=3)
    content = random_words(made, 1)
    path = written(tmp_path / "p.txt.gz", form, made, content)
    assert_array_equal(read_words(path, form, made), content)
    assert gzip.decompress(path.read_bytes()).count(b"\n") > made.clocks


def test_the_same_pattern_gives_the_same_compressed_file(tmp_path: Path) -> None:
    made = header(5)
    files = [written(tmp_path / f"{k}.gz", "text", made, random_words(made, 1)).read_bytes() for k in range(2)]
    assert files[0] == files[1]


def test_text_is_golden(tmp_path: Path) -> None:
    made = header(2, WORDS[:2], frames=2, width=16, lead=1)
    text = written(tmp_path / "p.txt", "text", made, np.array([[0xABC, -1], [1, 5]])).read_text()
    rows = "0000000000 0:0000\n0000000001 d:0abc\n0000000002 3:00ff\n0000000003 5:0001\n0000000004 3:0005\n"
    assert text == (
        "trigforge-pattern 1\nkind: stimulus\nproject: demo\n"
        f"contract: {'c' * 64}\nprogram: {'d' * 64}\n"
        "events: 2\nchannels: 4\nframes: 2\nperiod: 2\nlead: 1\nbits: 16\n"
        "word: 0 u12 0 0 0 word0\nword: 1 s8 0 1 0 word1\ndata:\n"
        f"{rows}end 5 {zlib.crc32(rows.encode()):08x}\n"
    )


CMS_GOLDEN = {
    "empv1": """Board demo
 Quad/Chan :         q01c0                q30c3~~~~~~~
      Link :          004                  123~~~~~~~~
Frame 0000 :   0v0000000000000000   0v0000000000000000
Frame 0001 :   1v0000000000000abc   1v00000000000000ff
Frame 0002 :   0v0000000000000000   0v0000000000000000
Frame 0003 :   1v0000000000000001   1v0000000000000005
Frame 0004 :   0v0000000000000000   0v0000000000000000
""",
    "empv2": """ID: demo
Metadata: (strobe,) start of orbit, start of packet, end of packet, valid

      Link              004                    123~~~~~~~~
Frame 0000    0000 0000000000000000  0000 0000000000000000
Frame 0001    1111 0000000000000abc  1111 00000000000000ff
Frame 0002    0000 0000000000000000  0000 0000000000000000
Frame 0003    0111 0000000000000001  0111 0000000000000005
Frame 0004    0000 0000000000000000  0000 0000000000000000
""",
    "apx": """#Sideband ON
#LinkLabel                LINK_04                    LINK_123~~~~
#BeginData
0x0000    0x00 0x0000000000000000    0x00 0x0000000000000000
0x0001    0x0f 0x0000000000000abc    0x0f 0x00000000000000ff
0x0002    0x00 0x0000000000000000    0x00 0x0000000000000000
0x0003    0x0b 0x0000000000000001    0x0b 0x0000000000000005
0x0004    0x00 0x0000000000000000    0x00 0x0000000000000000
""",
}
CMS_GOLDEN = {form: text.replace("~", " ") for form, text in CMS_GOLDEN.items()}
"""The layouts of CMSSW's L1Trigger/DemonstratorTools, for two links of one frame and a gap of one clock."""


@pytest.mark.parametrize("form", CMS_GOLDEN)
def test_cms_layouts_are_golden(tmp_path: Path, form: str) -> None:
    words = (Word(12, signed=False), Word(60, signed=False))
    made = header(2, words, frames=1, period=2, lead=1, channels=(4, 123))
    assert written(tmp_path / "p", form, made, np.array([[0xABC, 0xFF], [1, 5]])).read_text() == CMS_GOLDEN[form]


CAPTURED = {
    # as an EMP board wrote them: one blank between words, blanks and comments between lines
    "empv1": "# run 7\nBoard vcu118\n Quad/Chan :  q12c0  q12c1\n      Link :  048  049\n\n"
    "Frame 0000 : 0v52CB7D855E064BE0 1v4110c67d227b8316\n# here\n"
    "Frame 0001 : 1s1vbe8630b89986a91f 1v0000000000000001\n",
    # a strobe on the first link alone
    "empv2": "ID: x1\nMetadata: (strobe,) start of orbit, start of packet, end of packet, valid\n\n"
    "      Link  048  049\nFrame 0000    10000 52CB7D855E064BE0  1101 4110c67d227b8316\n"
    "Frame 0001    10011 be8630b89986a91f  0001 0000000000000001\n",
    "apx": "#Sideband ON\n#LinkLabel  LINK_048 LINK_49\n#BeginData\n"
    "0x0000 0x00 0x52cb7d855e064be0 0x07 0x4110c67d227b8316\n0x0001 0x09 0xbe8630b89986a91f 0x01 0x0000000000000001\n",
}
FLAGS = {
    "empv1": [[0, 1], [1, 1]],
    "empv2": [[0, ORBIT | START | VALID], [END | VALID, VALID]],
    "apx": [[0, START | ORBIT | VALID], [END | VALID, VALID]],
}


@pytest.mark.parametrize("form", CAPTURED)
def test_captures_of_boards_are_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "capture").write_text(CAPTURED[form])
    buffers = read_cms(tmp_path / "capture", CmsFormat(form))
    assert buffers.channels == (48, 49)
    whole = buffers.whole()
    assert_array_equal(whole.frames, [[0x52CB7D855E064BE0, 0x4110C67D227B8316], [0xBE8630B89986A91F, 1]])
    assert_array_equal(whole.flags, FLAGS[form])


def test_frame_numbers_grow_past_four_digits(tmp_path: Path) -> None:
    made = header(70_000, WORDS[:1], frames=1)
    for form, last in (("empv1", "Frame 69999 :   1v"), ("empv2", "Frame 69999    "), ("apx", "0x1116f    0x0b ")):
        lines = written(tmp_path / form, form, made, np.zeros((70_000, 1), dtype=np.int64)).read_text().splitlines()
        assert lines[-1].startswith(last)
        assert len(list(read_cms(tmp_path / form, CmsFormat(form)).blocks)) > 1


def test_the_start_of_every_orbit_is_flagged() -> None:
    made = header(3564 * 2 + 5, WORDS[:1], frames=1, period=2, lead=1)
    flags = np.concatenate([block.flags for block in play(made, [np.zeros((made.events, 1), dtype=np.int64)])])
    assert_array_equal(np.flatnonzero(flags[:, 0] & ORBIT), 1 + 2 * 3564 * np.arange(3))


SPOILED = {
    "other magic": (("trigforge-pattern 1", "trigforge-pattern 2"), "must begin with 'trigforge-pattern 1', not"),
    "unknown key": (("lead: 1", "leed: 1"), "unknown key 'leed'"),
    "missing key": (("lead: 1\nbits: 64\n", ""), None),
    "twice": (("lead: 1", "lead: 1\nlead: 1"), "must have the header line 'lead' once, not twice"),
    "short digest": (("d" * 64, "d" * 63), "program = 'ddd"),
    "words overlap": (("0 0 12 word1", "0 0 11 word1"), "must not overlap"),
    "word order": (("word: 1 s8", "word: 2 s8"), "word 1 must be given as 'word: 1 u12 LINK FRAME BIT NAME', not"),
    "no data": (("data:\n", ""), "must have a line 'data:' after its header"),
    "one digit": (("0000000004 5:", "0000000004 4:"), "must have the line 'end 7 .* the file was changed"),
    "no end": (("end 7", "0000000007 0"), "must end with a line 'end', but it stops after clock"),
    "two channels": (("channels: 4", "channels: 4 4"), "channels must be distinct"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_text_file_is_refused(tmp_path: Path, case: str) -> None:
    made = header(2, period=3, lead=1)
    path = written(tmp_path / "p.txt", "text", made, random_words(made, 3))
    (old, new), message = SPOILED[case]
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    if message is None:
        assert read_text(path)[0].lead == 0
        return
    with pytest.raises(InputError, match=message) as caught:
        read_text(path)[1].whole()
    assert "\n" not in str(caught.value)


RESEALED = {
    "a digit less": (
        "0000000001 d:",
        "0000000001 :",
        "clock 1 must have 29 characters for 1 links, not 28: ",
    ),
    "other clock": ("0000000003 ", "0000000004 ", "clock 3 must follow clock 2, not '0000000004'"),
    "other separator": ("0000000001 d:", "0000000001 d;", "the word of clock 1 on channel 4 is not of the format"),
    "no digit": ("0000000001 d:", "0000000001 g:", "the word of clock 1 on channel 4 is not of the format"),
    "comment": ("0000000003 ", "# note\n0000000003 ", "the line of clock 3 must have 29 characters"),
}


@pytest.mark.parametrize("case", RESEALED)
def test_a_line_that_is_not_of_the_format_is_refused_whatever_its_checksum(tmp_path: Path, case: str) -> None:
    made = header(2, period=3, lead=1)
    path = written(tmp_path / "p.txt", "text", made, random_words(made, 3))
    old, new, message = RESEALED[case]
    head, _, rows = path.read_text().replace(old, new).partition("data:\n")
    rows = rows[: rows.index("end")]
    path.write_text(f"{head}data:\n{rows}end {rows.count(chr(10))} {zlib.crc32(rows.encode()):08x}\n")
    with pytest.raises(InputError, match=re.escape(message)):
        read_text(path)[1].whole()


@pytest.mark.parametrize("form", FORMATS)
def test_every_truncation_is_refused(tmp_path: Path, form: str) -> None:
    made = header(3)
    whole = written(tmp_path / "p.txt", form, made, random_words(made, 3)).read_bytes()
    for size in [*range(0, len(whole) - 1, 7), len(whole) - 2]:
        (tmp_path / "short").write_bytes(whole[:size])
        with pytest.raises(InputError):
            read_words(tmp_path / "short", form, made)


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_no_archive_is_refused(tmp_path: Path, form: str) -> None:
    made = header(3)
    written(tmp_path / "p", form, made, random_words(made, 3)).rename(tmp_path / "p.gz")
    with pytest.raises(InputError, match=r"p\.gz must be whole, but Not a gzipped file"):
        read_words(tmp_path / "p.gz", form, made)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_words(tmp_path, form, made)
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        written(tmp_path / "absent" / "p", form, made, random_words(made, 3))


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_archive_is_refused(tmp_path: Path, form: str) -> None:
    made = header(3)
    path = written(tmp_path / "p.gz", form, made, random_words(made, 3))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"p\.gz must be whole, but"):
        read_words(path, form, made)


def test_a_changed_bit_of_text_is_always_found(tmp_path: Path) -> None:
    made = header(2)
    whole = written(tmp_path / "p.txt", "text", made, random_words(made, 3)).read_bytes()
    for position in range(whole.index(b"data:"), len(whole) - 1):
        spoiled = bytearray(whole)
        spoiled[position] ^= 1
        (tmp_path / "bad").write_bytes(spoiled)
        with pytest.raises(InputError):
            read_text(tmp_path / "bad")[1].whole()


HOSTILE = {
    ("empv1", "Board demo", "Bored demo"): "must have the line 'Board NAME' here, not 'Bored demo'",
    ("empv1", "Link :", "Lynx :"): "must have the line 'Link :' here",
    ("empv1", "004     ", "004  4  "): "must name every link once",
    ("empv1", "004     ", "00x     "): "must name its links NUMBER",
    ("empv1", "Frame 0003", "Frame 0004"): "clock 3 must follow clock 2, not '0004'",
    ("empv1", "Frame 0003", "Frame 00_3"): "clock 3 must follow clock 2, not '00_3'",
    ("empv1", "0000000abc", "0000000abc\0"): "line 5 of the pattern file",
    ("apx", "0x0003 ", "0003 "): "clock 3 must follow clock 2, not '0003'",
    ("empv1", "Frame 0003", "Flame 0003"): "must begin with 'Frame'",
    ("empv1", "1v0000000000000abc", "2v0000000000000abc"): "the word of clock 1 on channel 4 is not of the format",
    ("empv1", "1v0000000000000abc", "1v000000000000xabc"): "the word of clock 1 on channel 4 is not of the format",
    ("empv1", "1v0000000000000abc", "1v000000000000abc"): "clock 1 must have words of 18 characters, not '1v0",
    ("empv1", "1v0000000000000abc", "0s1v0000000000000abc"): "clock 1 must have words of 18 characters, not '0s1v",
    ("empv1", "   1v0000000000000abc", ""): "clock 1 must have 5 columns, not 4: 'Frame 0001 :",
    ("empv2", "ID: demo", "Board demo"): "must have the line 'ID: NAME' here, not 'Board demo'",
    ("empv2", "end of packet, valid", "valid, end of packet"): "must have the line 'Metadata: ",
    ("empv2", "1111 0000000000000abc", "1211 0000000000000abc"): "the word of clock 1 on channel 4",
    ("empv2", "1111 0000000000000abc", "01111 0000000000000abc"): "frames without strobe",
    ("empv2", "1111 0000000000000abc", "111 0000000000000abc"): "clock 1 must have words of 4 characters, not '111'",
    ("apx", "#Sideband ON", "#Sideband OFF"): "must have the line '#Sideband ON' here, not '#Sideband OFF'",
    ("apx", "LINK_04 ", "LANK_04 "): "must name its links LINK_NUMBER",
    ("apx", "#BeginData", "#Begin"): "must have the line '#BeginData' here",
    ("apx", "0x0003 ", "0x0004 "): "clock 3 must follow clock 2, not '0x0004'",
    ("apx", "0x0f 0x0000000000000abc", "0x1f 0x0000000000000abc"): "the word or its sideband of clock 1 on channel 4",
    ("apx", "0x0f 0x0000000000000abc", "0x0f 0y0000000000000abc"): "the word or its sideband of clock 1 on channel 4",
}


@pytest.mark.parametrize(("form", "old", "new"), HOSTILE)
def test_hostile_cms_files_are_refused_in_one_line(tmp_path: Path, form: str, old: str, new: str) -> None:
    assert CMS_GOLDEN[form].count(old) == 1
    (tmp_path / "bad").write_text(CMS_GOLDEN[form].replace(old, new))
    with pytest.raises(InputError, match=re.escape(HOSTILE[form, old, new])) as caught:
        read_cms(tmp_path / "bad", CmsFormat(form)).whole()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
def test_binary_rubbish_is_refused(tmp_path: Path, form: str) -> None:
    (tmp_path / "p").write_bytes(np.random.default_rng(1).bytes(5000))
    with pytest.raises(InputError, match=r"p must (begin|have)"):
        read_words(tmp_path / "p", form, header(2))


def test_events_must_be_where_the_header_says(tmp_path: Path) -> None:
    made = header(4, period=5, lead=2)
    path = written(tmp_path / "p", "empv2", made, random_words(made, 1))
    cases = {
        "must have the channels 7 of its header, not 4": header(4, period=5, lead=2, channels=(7,)),
        "clock 1 of channel 4 must have the flags of frame 0 of event 0": header(4, period=5, lead=1),
        "must not be valid": header(4, period=5, lead=3),
        "clock 6 of channel 4 must have the flags of frame 0 of event 1": header(4, period=4, lead=2),
        "must hold the 5 events of its header, but ends after 4": header(5, period=5, lead=2),
    }
    for message, other in cases.items():
        with pytest.raises(InputError, match=message):
            list(events_of(other, read_cms(path, CmsFormat.EMPV2), str(path)))


def test_words_that_do_not_fit_and_missing_events_are_refused() -> None:
    made = header(2, WORDS[:1])
    with pytest.raises(InputError, match=r"must be 0\.\.4095 to fit its place on the links, not 4096"):
        list(play(made, [np.array([[0], [4096]])]))
    with pytest.raises(InputError, match="a pattern of 2 events must be given as many, not 1"):
        list(play(made, [np.array([[0]])]))
    with pytest.raises(InputError, match="period must be at least the 3 frames of an event, not 2"):
        header(2, period=2)


def test_the_level1_contract_fits_on_links(tmp_path: Path) -> None:
    contract = level1_contract()
    link_map = LinkMap.of_contract(contract, 6)
    low, high = contract.limits()
    words = np.random.default_rng(1).integers(low, high, (500, 57), endpoint=True)
    rest = {"project": "vae", "contract": contract.digest, "program": "d" * 64, "events": 500}
    made = Header.of(Kind.STIMULUS, link_map, contract.word_names, range(link_map.links), 9, **rest)
    assert "L1Jet9_phi" in header_text(made)
    path = written(tmp_path / "p.txt", "text", made, words)
    assert_array_equal(read_words(path, "text", made), words)


def capture(made: Header, words: IntArray, delay: int, seed: int) -> Pattern:
    """What a board captures: noise with no flags for `delay` clocks, then the pattern, then some more noise."""
    blocks = list(play(made, [words]))
    noise = np.random.default_rng(seed).integers(0, 2**63, (delay + 7, len(made.channels)), dtype=np.uint64)
    quiet = np.zeros(noise.shape, dtype=np.uint8)
    frames = np.concatenate([noise[:delay], *(b.frames for b in blocks), noise[delay:]])
    flags = np.concatenate([quiet[:delay], *(b.flags for b in blocks), quiet[delay:]])
    return Pattern(0, frames, flags)


@pytest.mark.parametrize("known", [0, VALID, VALID | START])
@pytest.mark.parametrize("delay", [0, 1, 40])
def test_the_latency_of_a_capture_is_found(known: int, delay: int) -> None:
    made = header(300, kind="expected", period=4, lead=0)
    words = random_words(made, 5)
    checked = check_capture(made, words, capture(made, words, delay, 2), known, lead=0)
    assert (checked.latency_clocks, checked.events) == (delay, 300)
    checked.result.require()


@pytest.mark.parametrize("known", [0, VALID, VALID | START])
def test_the_first_difference_of_a_capture_is_named(known: int) -> None:
    made = header(300, kind="expected", period=4)
    words = random_words(made, 5)
    other = words.copy()
    other[77, 1] ^= 0b100
    other[200:] = 0
    checked = check_capture(made, words, capture(made, other, 13, 2), known, lead=3)
    assert (checked.offset, checked.latency_clocks) == (13, 10)
    with pytest.raises(CheckError, match=r"first at event 77 \(captured\), output 1, bit 2: expected"):
        checked.result.require()


def test_a_stuck_bit_does_not_hide_the_latency() -> None:
    made = header(300, (Word(14, signed=False),), frames=1, kind="expected")
    words = random_words(made, 5)
    checked = check_capture(made, words, capture(made, words | 0b1000, 21, 2), VALID, lead=0)
    assert checked.offset == 21
    assert checked.result.first is not None
    assert checked.result.first.bit == 3


def test_bits_of_no_word_are_not_compared() -> None:
    made = header(50, WORDS[:2], frames=2, kind="expected")
    words = random_words(made, 5)
    taken = capture(made, words, 5, 2)
    frames = taken.frames | np.uint64(1 << 60)
    assert check_capture(made, words, Pattern(0, frames, taken.flags), VALID, lead=0).result.ok


def test_a_capture_that_ends_early_is_compared_as_far_as_it_goes() -> None:
    made = header(300, kind="expected", period=4)
    words = random_words(made, 5)
    taken = capture(made, words, 13, 2)
    short = Pattern(0, taken.frames[: 13 + 4 * 100 + 2], taken.flags[: 13 + 4 * 100 + 2])
    assert check_capture(made, words, short, VALID, lead=0).events == 100


def test_captures_that_say_nothing_are_refused() -> None:
    made = header(50, WORDS[:1], frames=1, kind="expected")
    words = random_words(made, 5)
    same = np.full_like(words, 7)
    absent = next(value for value in range(60) if value not in words)
    with pytest.raises(CheckError, match=r"the latency of a capture must show in its outputs, .* agree equally"):
        check_capture(made, same[:10], capture(made, same, 3, 2), VALID, lead=0)
    assert check_capture(made, same[:10], capture(made, same, 3, 2), VALID, lead=0, latency=3).result.ok
    with pytest.raises(CheckError, match="must hold outputs of the program, but none agrees at any of 10 clocks"):
        check_capture(made, words, Pattern(0, np.full((10, 1), absent, np.uint64), np.zeros((10, 1), np.uint8)), 0, 0)
    with pytest.raises(
        InputError, match=r"with 2 outputs must have words of the names output0\.\.output1, not output0"
    ):
        check_capture(made, np.zeros((5, 2), np.int64), capture(made, words, 3, 2), VALID, lead=0)
    with pytest.raises(InputError, match="must have the 1 links of its pattern, not 2"):
        check_capture(made, words, Pattern(0, np.zeros((9, 2), np.uint64), np.zeros((9, 2), np.uint8)), VALID, 0)
    with pytest.raises(InputError, match="must hold an event at clock 99, but it has 60 clocks"):
        check_capture(made, words, capture(made, words, 3, 2), VALID, lead=0, latency=99)
