"""Emulator packages: source, Makefile and golden test of a program, for CMS software or as a C library."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.package.ap_types import ap_types
from trigforge.firmware.package.experiment import Experiment
from trigforge.firmware.package.golden import EVENTS, golden_values, golden_words
from trigforge.firmware.package.templates import Files, template, write_files
from trigforge.firmware.package.wiring import contract_table, program_code, require_words
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED: Final = """
alignas alignof and asm auto bitand bitor bool break case catch char class compl concept const constexpr continue
decltype default delete do double else enum explicit export extern false float for friend goto if inline int long
main mutable namespace new noexcept not nullptr operator or private protected public register requires restrict
return short signed sizeof static std struct switch template this throw true try typedef typeid typename union
unsigned using virtual void volatile while xor
"""
KEYWORDS: Final = frozenset(_RESERVED.split())
"""Reserved words of C++17."""
C_FUNCTIONS: Final = ("contract_digest", "digest", "encode", "first_outside", "inputs", "outputs", "run")


@dataclass(frozen=True, slots=True)
class Package:
    """A program under the name of its library, its contract, and the words that its golden scores are made of.

    `experiment` are types that a CMS plug-in takes beside its own.
    """

    name: str
    program: IntegerProgram
    contract: InputContract
    words: IntArray
    experiment: Experiment | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in KEYWORDS:
            raise InputError(
                f"the name of a package must be letters, digits and underscores, a letter first and no keyword of C++, "
                f"not {self.name!r}"
            )
        require_words(self.program, self.contract)
        self.contract.check(self.words)
        if not len(self.words):
            raise InputError("a package must have at least one golden event, not none")

    @property
    def keys(self) -> dict[str, str]:
        """The values of the templates' keys."""
        return {
            "name": self.name,
            "guard": self.name.upper(),
            "digest": self.program.digest,
            "contract_name": self.contract.name,
            "contract_digest": self.contract.digest,
            "inputs": str(self.contract.words),
            "outputs": ", ".join(f"`{kind}`" for kind in self.program.outputs),
            "output_count": str(len(self.program.outputs)),
            "golden": str(len(self.words) + EVENTS),
        }


def cmssw_files(package: Package) -> Files:
    """A library of the hls4mlEmulator interface, in a namespace of its own."""
    keys = {**package.keys, "tests": "test/test", "no_warnings": "", "no_checks": ""}
    typed: Files = {"src/types.h": NO_TYPES}
    if package.experiment is not None:
        keys |= {"tests": "test/test test/typed", "no_warnings": NO_AP_WARNINGS, "no_checks": NO_AP_CHECKS}
        typed = _typed(package, package.experiment)
    return {
        "Makefile": template("cmssw/Makefile.in", **keys),
        "README.md": template("cmssw/README.md.in", **keys),
        "exports.map": template("cmssw/exports.map"),
        "include/hls4ml/emulator.h": template("cmssw/emulator.h"),
        "src/model.cpp": template("cmssw/model.cpp.in", **keys),
        "test/test.cpp": template("cmssw/test.cpp"),
        **typed,
        **_shared(package),
    }


def c_files(package: Package) -> Files:
    """A C99 library with a plain header."""
    if package.experiment is not None:
        raise InputError("the types of an experiment must be given with the form cmssw only")
    symbols = sorted(f"{package.name}_{function}" for function in C_FUNCTIONS)
    exported = {"symbols": " ".join(f"{symbol};" for symbol in symbols), "symbol_list": " ".join(symbols)}
    keys = {**package.keys, **exported}
    return {
        "Makefile": template("c/Makefile.in", **keys),
        "README.md": template("c/README.md.in", **keys),
        "exports.map": template("c/exports.map.in", **keys),
        f"include/{package.name}.h": template("c/library.h.in", **keys),
        f"src/{package.name}.c": template("c/library.c.in", **keys),
        "test/test.c": template("c/test.c.in", **keys),
        **_shared(package),
    }


NO_AP_WARNINGS: Final = "-Wno-uninitialized -Wno-maybe-uninitialized"
"""ap_private's default constructor clears the unused bits of a value that is not set yet."""
NO_AP_CHECKS: Final = " -fno-sanitize=shift"
"""ap_private shifts negative numbers to the left."""
NO_TYPES: Final = '#define EXPERIMENT_INPUT ""\n#define EXPERIMENT_RESULT ""\n'
FORMS: Final[Mapping[str, Callable[[Package], Files]]] = {"cmssw": cmssw_files, "c": c_files}
"""The forms of a package by name."""


def write_package(form: str, package: Package, folder: Path) -> None:
    """Write a package of a form of `FORMS` into a folder that is empty or holds a package of trigforge."""
    if form not in FORMS:
        raise InputError(f"the form of a package must be one of {', '.join(FORMS)}, not {form!r}")
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not _is_package(folder))):
        raise InputError(f"{folder} must be a new folder or that of an earlier package; choose another --out")
    write_files(FORMS[form](package), folder)


def _typed(package: Package, experiment: Experiment) -> Files:
    """The experiment's types, their test, and hls4ml's ap_types, as hls4ml puts them into its projects."""
    keys = {**package.keys, **experiment.keys(package.contract, package.program.outputs)}
    headers = ap_types()
    return {
        "src/types.h": template("cmssw/types.h.in", **keys),
        "src/cells.inc": template("common/cells.inc"),
        "test/typed.cpp": template("cmssw/typed.cpp.in", **keys),
        **{
            f"include/ap_types/{path.relative_to(headers).as_posix()}": path.read_text(encoding="utf-8")
            for path in sorted(headers.rglob("*.h"))
        },
    }


def _shared(package: Package) -> Files:
    return {
        "src/contract.inc": contract_table(package.contract, package.program.outputs),
        "src/encode.inc": template("common/encode.inc"),
        "src/program.inc": program_code(package.program),
        "test/golden.h": template("common/golden.h"),
        "test/golden/words.txt": golden_words(package.program, package.words),
        "test/golden/values.txt": golden_values(package.program, package.contract),
    }


def _is_package(folder: Path) -> bool:
    return (folder / "src/program.inc").is_file() and (folder / "test/golden/words.txt").is_file()
