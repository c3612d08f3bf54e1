"""Scalar code: equal to the program for every operation, in C and in C++, without undefined behaviour."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.firmware.package.scalar import scalar_source, word_bits
from trigforge.firmware.program import IntegerProgram

from ..random_programs import random_program, random_words  # noqa: TID252  (shared by all firmware tests)

PROGRAMS, EVENTS = 40, 2000
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Werror", "-pedantic")
HEADER = "#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
RUN = """
void run_NUMBER(FILE *in, FILE *out);
void run_NUMBER(FILE *in, FILE *out) {
    int32_t x[INPUTS];
    int64_t y[OUTPUTS];
    while (fread(x, sizeof *x, INPUTS, in) == INPUTS) {
        evaluate(x, y);
        fwrite(y, sizeof *y, OUTPUTS, out);
    }
}
"""


def programs() -> list[IntegerProgram]:
    return [random_program(s, depth=5 + s % 3, width=26 if s % 4 == 0 else 14) for s in range(PROGRAMS)]


def sources(programs: list[IntegerProgram]) -> list[str]:
    """A file a program, and one with the main function, which runs all programs on files `<number>.in`."""
    files, declared, calls = [], "", ""
    for i, program in enumerate(programs):
        code = scalar_source(program.circuit, program.inputs, "evaluate", statements=2000 if i % 2 else 9)
        sizes = {"NUMBER": i, "INPUTS": len(program.inputs), "OUTPUTS": len(program.outputs)}
        body = RUN
        for key, value in sizes.items():
            body = body.replace(key, str(value))
        files.append(HEADER + code + body)
        declared += f"void run_{i}(FILE *in, FILE *out);\n"
        calls += (
            f'in = fopen("{i}.in", "rb"); out = fopen("{i}.out", "wb"); run_{i}(in, out); fclose(in); fclose(out);\n'
        )
    return [*files, f"{HEADER}{declared}int main(void) {{\nFILE *in, *out;\n{calls}return 0;\n}}\n"]


@pytest.mark.parametrize(
    ("compiler", "language"),
    [
        (("gcc", "-std=c99", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"), "c"),
        (("g++", "-std=c++17", "-O2"), "cpp"),
    ],
)
def test_it_equals_the_program(tmp_path: Path, compiler: tuple[str, ...], language: str) -> None:
    """Both words, whole programs and programs in blocks of nine nodes."""
    chosen = programs()
    assert {word_bits(p.circuit) for p in chosen} == {32, 64}
    for i, text in enumerate(sources(chosen)):
        (tmp_path / f"p{i:02}.{language}").write_text(text)
    words = [random_words(program, EVENTS, i) for i, program in enumerate(chosen)]
    for i, given in enumerate(words):
        given.astype(np.int32).tofile(tmp_path / f"{i}.in")
    files = sorted(tmp_path.glob(f"*.{language}"))
    subprocess.run([*compiler, *WARNINGS, "-o", tmp_path / "all", *files], check=True, timeout=200)
    result = subprocess.run(["./all"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr
    for i, program in enumerate(chosen):
        scores = np.fromfile(tmp_path / f"{i}.out", dtype=np.int64).reshape(-1, len(program.outputs))
        assert_array_equal(scores, program(words[i]))
