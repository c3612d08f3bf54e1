"""Packages: they build, they are right bit for bit, one wrong bit fails, and nothing of them leaks out."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract, level1_contract
from trigforge.errors import InputError
from trigforge.firmware.package import Package, write_package
from trigforge.firmware.package.golden import as_events, physical_values
from trigforge.fixed import FixedType

from .toys import exported, fails, made, toy_contract, toy_package, toy_program, toy_words

FORMS = ("cmssw", "c")


@pytest.fixture(params=FORMS)
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a built package, to be changed."""
    built = request.getfixturevalue({"cmssw": "cmssw", "c": "library"}[request.param])
    return Path(shutil.copytree(built, tmp_path / "copy"))


def flip(text: str, numbers: int) -> str:
    """The text with the lowest bit of the last of the integers of its second line flipped, checksum kept."""
    head, line, rest = text.split("\n", 2)
    words = line.split()
    words[numbers] = str(int(words[numbers]) ^ 1)
    return "\n".join([head, " ".join(words), rest])


@pytest.mark.parametrize("file", ["words.txt", "values.txt"])
def test_one_flipped_bit_of_a_golden_file_fails(package: Path, file: str) -> None:
    golden = package / "test/golden" / file
    golden.write_text(flip(golden.read_text(), -1))
    assert f"{file} has changed since it was written: its checksum differs" in fails(package, "test")


@pytest.mark.parametrize("file", ["words.txt", "values.txt"])
def test_one_flipped_bit_of_a_score_fails_by_itself(package: Path, file: str) -> None:
    """The checksum is made right again, so that the score is what fails."""
    import zlib

    golden = package / "test/golden" / file
    body = flip(golden.read_text(), -1).split("\n", 1)[1]
    kind, version, _, *sizes = golden.read_text().split("\n", 1)[0].split()
    golden.write_text(f"{kind} {version} {zlib.crc32(body.encode()):08x} {' '.join(sizes)}\n{body}")
    assert re.search(rf"{file}: score 3 of event 0 must be -?\d+, not -?\d+", fails(package, "test"))


def test_one_changed_constant_of_the_program_fails(package: Path) -> None:
    """A bias of the last sums, off by one unit in the last place."""
    source = package / "src/program.inc"
    text = source.read_text()
    last = list(re.finditer(r"\+ (\d+)\)", text))[-1]
    source.write_text(text[: last.start(1)] + str(int(last[1]) + 1) + text[last.end(1) :])
    assert re.search(r"words.txt: score \d of event \d+ must be -?\d+, not -?\d+", fails(package, "test"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("nearbyint(value", "trunc(value"), ("rest + turn", "rest + field->high"), ("field->low : field->high", "0 : 0")],
)
def test_another_rounding_or_range_fails(package: Path, old: str, new: str) -> None:
    source = package / "src/encode.inc"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    assert re.search(r"values.txt: word \d+ of event \d+ must be -?\d+, not -?\d+", fails(package, "test"))


def test_a_truncated_golden_file_fails(package: Path) -> None:
    (package / "test/golden/words.txt").write_text("trigforge-golden-words 1 00000000 0 13 4\n")
    assert "words.txt must hold golden words of version 1, at least one event" in fails(package, "test")


def test_an_additional_symbol_fails(package: Path) -> None:
    (package / "exports.map").write_text("{ global: *; };")
    for source in package.glob("src/toy_v1.c"):
        source.write_text(f"{source.read_text()}\nint leaked;\n")
    assert re.search(r"must export [\w ]+ only, not [^\n]*(leaked|_ZT)", fails(package, "test"))


def test_the_plug_in_exports_two_symbols(cmssw: Path) -> None:
    assert exported(cmssw / "toy_v1.so") == ["create_model", "destroy_model"]


@pytest.mark.parametrize("package", ["cmssw"], indirect=True)
def test_the_sanitizers_are_content_with_the_plug_in(package: Path) -> None:
    made(package, "sanitize")


@pytest.mark.parametrize("package", ["c"], indirect=True)
def test_the_sanitizers_are_content_with_the_library(package: Path) -> None:
    made(package, "sanitize", "install", "PREFIX=there")
    assert (package / "there/lib/libtoy_v1.so").is_file()
    assert (package / "there/include/toy_v1.h").is_file()


def test_two_versions_side_by_side_are_both_right(cmssw: Path, tmp_path: Path) -> None:
    """Loaded with RTLD_LOCAL and RTLD_GLOBAL, in both orders; even of one name, which is the worst case."""
    write_package("cmssw", toy_package("toy_v1", 2), tmp_path)
    made(tmp_path)
    assert (tmp_path / "src/program.inc").read_text() != (cmssw / "src/program.inc").read_text()
    first, second = ([folder / "toy_v1.so", folder / "test/golden"] for folder in (cmssw, tmp_path))
    for order in ([*first, *second], [*second, *first]):
        for flags in ([], ["--global"]):
            subprocess.run([cmssw / "test/test", *flags, *order], check=True, timeout=60)
    crossed = [first[0], second[1], second[0], first[1]]
    assert subprocess.run([cmssw / "test/test", *crossed], check=False, timeout=60).returncode == 1


def test_a_network_of_the_size_of_the_anomaly_trigger(tmp_path: Path) -> None:
    contract = level1_contract()
    program = toy_program(contract, 3, (16, 3))
    write_package("cmssw", Package("anomaly", program, contract, toy_words(contract, 300, 3)), tmp_path)
    made(tmp_path, "test")


def load(library: Path) -> Any:
    loaded = ctypes.CDLL(str(library / "libtoy_v1.so"))
    loaded.toy_v1_digest.restype = loaded.toy_v1_contract_digest.restype = ctypes.c_char_p
    loaded.toy_v1_first_outside.restype = ctypes.c_int64
    return loaded


def pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def test_the_library_scores_and_encodes_as_python_does(library: Path) -> None:
    loaded, contract = load(library), toy_contract()
    program, values = toy_program(contract, 1), physical_values(contract, 20_000, 5)
    words = np.empty((len(values), contract.words), np.int32)
    assert loaded.toy_v1_encode(pointer(values), ctypes.c_int64(len(values)), pointer(words)) == 0
    assert_array_equal(words, contract.encode(as_events(contract, values)))
    scores = np.empty((len(values), len(program.outputs)), np.int64)
    assert loaded.toy_v1_run(pointer(words), ctypes.c_int64(len(values)), pointer(scores)) == 0
    assert_array_equal(scores, program(words))


def test_the_library_refuses_what_is_outside(library: Path) -> None:
    loaded, contract = load(library), toy_contract()
    words = np.ascontiguousarray(toy_words(contract, 9, 1), np.int32)
    words[7, 3] = contract.fields[3].high + 1
    scores = np.full((9, 4), -5, np.int64)
    assert loaded.toy_v1_first_outside(pointer(words), ctypes.c_int64(9)) == 7
    assert loaded.toy_v1_run(pointer(words), ctypes.c_int64(9), pointer(scores)) == 1
    assert_array_equal(scores, -5)
    values = np.zeros((2, contract.words))
    for bad in (np.nan, np.inf, -np.inf):
        values[1, 4] = bad
        assert loaded.toy_v1_encode(pointer(values), ctypes.c_int64(2), pointer(words)) == 1


class Word(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("unit", ctypes.c_char_p),
        ("lsb", ctypes.c_double),
        *((key, ctypes.c_int32) for key in ("low", "high", "cyclic")),
    )


def test_the_library_says_what_it_is(library: Path) -> None:
    loaded, contract = load(library), toy_contract()
    program = toy_program(contract, 1)
    assert loaded.toy_v1_digest().decode() == program.digest
    assert loaded.toy_v1_contract_digest().decode() == contract.digest
    table = ctypes.POINTER(Word)()
    assert loaded.toy_v1_inputs(ctypes.byref(table)) == contract.words
    for i, (name, field) in enumerate(zip(contract.word_names, contract.fields, strict=True)):
        word = table[i]
        found = (word.name.decode(), word.unit.decode(), word.lsb, word.low, word.high, bool(word.cyclic))
        assert found == (name, field.unit, field.lsb, field.low, field.high, field.cyclic)
    kinds = ctypes.POINTER(ctypes.c_int32 * 3)()
    assert loaded.toy_v1_outputs(ctypes.byref(kinds)) == len(program.outputs)
    assert [tuple(kinds[i]) for i in range(4)] == [(t.signed, t.width, t.fraction) for t in program.outputs]


def test_a_mistake_is_refused(tmp_path: Path) -> None:
    good = toy_package("good", 1)
    for name in ("2fast", "a-b", "class", ""):
        with pytest.raises(InputError, match=f"the name of a package must be letters, .* not '{name}'"):
            Package(name, good.program, good.contract, good.words)
    with pytest.raises(InputError, match="must have at least one golden event, not none"):
        Package("good", good.program, good.contract, good.words[:0])
    with pytest.raises(
        InputError, match="contract 'level1-57' must have 13 words, one an input of the program, not 57"
    ):
        Package("good", good.program, level1_contract(), good.words)
    wide = InputContract.of_type("wide", 13, FixedType(signed=True, width=12, integer=12))
    with pytest.raises(InputError, match=r"word words0_x must lie in 0\.\.1023, .* not in -2048\.\.2047"):
        Package("good", good.program, wide, good.words)
    with pytest.raises(InputError, match="the form of a package must be one of cmssw, c, not 'rpm'"):
        write_package("rpm", good, tmp_path / "new")
    (tmp_path / "mine.txt").write_text("do not touch")
    with pytest.raises(InputError, match="must be a new folder or that of an earlier package"):
        write_package("c", good, tmp_path)
