"""`trigforge emulate`: run the exact emulator, write it as a package, or run another emulator library."""

from __future__ import annotations

import io
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from trigforge.cli_samples import JSON, print_json
from trigforge.errors import InputError
from trigforge.ui import Reporter

PROGRAM_FILE: Final = "program.json.gz"
CONTRACT_FILE: Final = "contract.json"
GOLDEN_RANDOM, GOLDEN_PHYSICS = 1000, 2000
DIGITS: Final = 8
USES: Final = {
    None: ("PROGRAM EVENTS SCORES", (3,)),
    "--package": ("PROGRAM [EVENTS]", (1, 2)),
    "--load": ("EVENTS SCORES", (2,)),
}
"""The arguments of each use, and how many there may be."""


@click.command()
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1, metavar="[PROGRAM] [EVENTS] [SCORES]")
@click.option("--contract", type=click.Path(path_type=Path), help="The input contract; default: that of PROGRAM.")
@click.option("--package", "form", type=click.Choice(["cmssw", "c"]), help="Write the emulator of PROGRAM as source.")
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Folder of the package.  [default: its name]")
@click.option("--name", help="Name of the package's library.  [default: that of the project, and the digest]")
@click.option("--load", "library", type=click.Path(path_type=Path), help="Run this hls4ml emulator library (.so).")
@click.option("--input-type", help="C++ type of the input, such as 'ap_fixed<18,13>[57]'.")
@click.option("--result-type", help="C++ type of the result, such as 'std::pair<float[8],ap_ufixed<18,14>>'.")
@click.option("--scale", multiple=True, help="FIELD=FACTOR: numbers of the input are words times a power of two.")
@click.option("--ap-types", type=click.Path(path_type=Path), help="Folder of ap_fixed.h.  [default: hls4ml's]")
@JSON
def emulate(paths: tuple[Path, ...], form: str | None, library: Path | None, as_json: bool, **options: Any) -> None:
    """Run the exact emulator of PROGRAM on EVENTS and write int64 SCORES (.npy).

    PROGRAM is a program.json.gz, or the folder of a run, of a conversion or of a project. EVENTS is a Parquet file or a
    folder of parts. With --package the emulator is written as C++ or C with a golden test, which EVENTS become a part
    of; a plug-in for CMS software also takes the types that are given. With --load another emulator library is run on
    EVENTS, which may also be numbers (.npy).
    """
    if form and library:
        raise InputError("--package and --load must not both be given")
    use = "--package" if form else "--load" if library else None
    wanted, counts = USES[use]
    if len(paths) not in counts:
        raise InputError(f"emulate {use or ''}".rstrip() + f" must be given {wanted}, not {len(paths)} arguments")
    _check_options(use, options)
    if form:
        _write(form, paths, options, as_json)
    elif library:
        _load(library, paths, options, as_json)
    else:
        _run(paths, options["contract"], as_json)


def _check_options(use: str | None, options: dict[str, Any]) -> None:
    """Raise `InputError` for an option of another use, and for a missing one."""
    types = ("input_type", "result_type", "scale")
    owners: dict[str, tuple[str, ...]] = {"out": ("--package",), "name": ("--package",), "ap_types": ("--load",)}
    owners |= dict.fromkeys(types, ("--load", "--package"))
    for key, uses in owners.items():
        if options[key] and use not in uses:
            raise InputError(f"--{key.replace('_', '-')} must be given with {' or '.join(uses)}")
    given = [bool(options[key]) for key in types]
    if not all(given[:2]) and (use == "--load" or any(given)):
        raise InputError(
            f"{use} must be given with --input-type and --result-type, the C++ types inside the std::any of the "
            "library's prepare_input and read_result, such as 'ap_fixed<18,13>[57]' and 'ap_ufixed<18,14>'"
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A program, its contract, the name of its project, and a folder for what is compiled."""

    program: Any
    contract: Any
    name: str
    folder: Path


def find_program(path: Path, contract: Path | None) -> Found:
    """The program that a file or a folder stands for, with the contract it was made with; else `InputError`."""
    from trigforge.contract import InputContract
    from trigforge.firmware.program import IntegerProgram

    if (path / "project.toml").is_file():
        return _checked(_convert(path), contract, path)
    if (path / "trigforge" / PROGRAM_FILE).is_file():
        return _checked(_of_backend(path), contract, path)
    folders = (path / "firmware", path) if path.is_dir() else (path.parent,)
    program = next((f / PROGRAM_FILE for f in folders if (f / PROGRAM_FILE).is_file()), None)
    if path.is_dir() and program is None:
        raise InputError(f"{path} must be the folder of a run, a conversion or a project, but it has no {PROGRAM_FILE}")
    loaded = IntegerProgram.load(program if path.is_dir() and program else path)
    folder = program.parent if path.is_dir() and program else path.parent
    places = (folder.parent / "model" / CONTRACT_FILE, folder / CONTRACT_FILE)
    stated = contract or next((p for p in places if p.is_file()), None)
    if stated is None:
        raise InputError(f"the contract of {path} must be given with --contract; there is none beside it")
    return _checked(Found(loaded, InputContract.load(stated), _project_name(folder), folder), None, path)


def _checked(found: Found, contract: Path | None, path: Path) -> Found:
    from trigforge.contract import InputContract

    used = InputContract.load(contract) if contract else found.contract
    if used.digest != found.program.provenance.contract_digest:
        raise InputError(
            f"the contract must be the one that the program of {path} was made with; give it with --contract"
        )
    return Found(found.program, used, found.name, found.folder)


def _convert(folder: Path) -> Found:
    """The program of a project, converted now."""
    from trigforge.conversion import convert_project
    from trigforge.firmware.project import Project

    project, build = Project.load(folder / "project.toml"), folder / "build" / "emulate"
    with Reporter().stage("convert") as update:
        update(0.1, "hls4ml and lowering")
        converted = convert_project(project, folder, build)
    return Found(converted.program, converted.contract, project.name, build)


def _of_backend(folder: Path) -> Found:
    """The program of a project that hls4ml wrote with the trigforge backend."""
    from trigforge.hls4ml_backend.files import load_project
    from trigforge.hls4ml_backend.interface import model_contract

    project = load_project(folder)
    return Found(project.program, model_contract(project.interface.inputs), project.interface.project, project.own)


def _project_name(folder: Path) -> str:
    """The name of the project of a run or a conversion whose program is in a folder, or else the folder's own."""
    from trigforge.config import STORED, RunConfig
    from trigforge.conversion import REPORT_FILE, ConversionReport

    stored, report = folder.parent / STORED, folder / REPORT_FILE
    if stored.is_file():
        name = RunConfig.load(stored).project.name
    else:
        name = ConversionReport.load(report).name if report.is_file() else folder.resolve().name
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_") or "model"


def _run(paths: tuple[Path, ...], contract: Path | None, as_json: bool) -> None:
    """Score a file of events with the native emulator."""
    import numpy as np

    from trigforge.events import iterate_words
    from trigforge.firmware.emulator import compile_emulator

    path, events, scores = paths
    found = find_program(path, contract)
    emulator = compile_emulator(found.program, found.folder)
    start = time.monotonic()
    result = np.concatenate([emulator(words) for words in iterate_words(events, found.contract)])
    seconds = time.monotonic() - start
    _save(scores, result)
    speed = f"{len(result) / seconds / 1e6:.2f} million/s with reading and encoding"
    Reporter().line(f"{len(result)} events in {seconds:.3f} s ({speed}): {scores}")
    if as_json:
        digest = found.program.digest
        print_json({"events": len(result), "seconds": seconds, "scores": str(scores), "program": digest})


def _write(form: str, paths: tuple[Path, ...], options: dict[str, Any], as_json: bool) -> None:
    """Write the emulator as a package."""
    from trigforge.firmware.package import Package, write_package
    from trigforge.sim.cosim import make_vectors

    found = find_program(paths[0], options["contract"])
    prefix = found.name if found.name[0].isalpha() else f"model_{found.name}"
    name = options["name"] or f"{prefix}_{found.program.digest[:DIGITS]}"
    physics = _first_words(paths[1], found.contract, GOLDEN_PHYSICS) if paths[1:] else None
    low, high = found.contract.limits()
    vectors = make_vectors(low, high, random=GOLDEN_RANDOM, saturating=GOLDEN_RANDOM // 4, seed=1, physics=physics)
    folder = options["out"] or Path(name)
    package = Package(name, found.program, found.contract, vectors.words, _experiment(found.contract, options))
    write_package(form, package, folder)
    Reporter().line(f"{name}: {len(vectors.words)} golden events of words; 'make -C {folder} test' checks them")
    if as_json:
        print_json({"name": name, "folder": str(folder), "program": found.program.digest, "form": form})


def _experiment(contract: Any, options: dict[str, Any]) -> Any:
    """The types that a plug-in takes beside its own, if any are given."""
    from trigforge.firmware.package import Experiment, parse_input, parse_type

    if not options["input_type"]:
        return None
    given, result = parse_input(options["input_type"]), parse_type(options["result_type"])
    return Experiment(given, result, tuple(_factors(contract, options["scale"]).tolist()))


def _load(library: Path, paths: tuple[Path, ...], options: dict[str, Any], as_json: bool) -> None:
    """Run an emulator library on events."""
    from trigforge.firmware.package import load_emulator

    events, scores = paths
    with tempfile.TemporaryDirectory() as scratch:
        types = options["input_type"], options["result_type"]
        emulator = load_emulator(library, *types, Path(scratch), options["ap_types"])
        values = _numbers(events, options["contract"], options["scale"])
        start = time.monotonic()
        result = emulator(values)
        seconds = time.monotonic() - start
    _save(scores, result)
    Reporter().line(f"{len(result)} events in {seconds:.3f} s: {scores}")
    if as_json:
        said = {"events": len(result), "seconds": seconds, "scores": str(scores), "library": str(library)}
        print_json({**said, "type": str(result.dtype), "shape": list(result.shape)})


def _numbers(events: Path, contract: Path | None, scale: tuple[str, ...]) -> Any:
    """The input numbers of events (n, inputs): those of a .npy file, or contract words times the scale of each."""
    import numpy as np

    from trigforge.contract import InputContract

    if events.suffix == ".npy":
        if contract or scale:
            raise InputError(
                f"--contract and --scale must not be given with {events}: its numbers are taken as they are"
            )
        try:
            return np.load(events, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{events} must be an array of numbers that numpy saved, but: {error}") from None
    if contract is None:
        raise InputError(f"the contract of the words of {events} must be given with --contract")
    used = InputContract.load(contract)
    return _all_words(events, used) * _factors(used, scale)


def _factors(contract: Any, scale: tuple[str, ...]) -> Any:
    """The factor of every word, from texts FIELD=FACTOR; FIELD is `pt` or `L1Jet_pt`."""
    import numpy as np

    names = [(f.name, f"{c.name}_{f.name}") for c in contract.collections for _ in range(c.count) for f in c.fields]
    factors = np.ones(len(names))
    for text in scale:
        field, _, number = text.partition("=")
        here = np.array([field in pair for pair in names])
        try:
            factor = float(number)
        except ValueError:
            factor = math.nan
        if not here.any() or not math.isfinite(factor) or math.frexp(factor)[0] != 0.5:
            known = ", ".join(dict.fromkeys(name for pair in names for name in pair))
            raise InputError(f"--scale must be FIELD=power of two, such as pt=0.5, not {text!r}; fields: {known}")
        factors[here] = factor
    return factors


def _all_words(events: Path, contract: Any) -> Any:
    import numpy as np

    from trigforge.events import iterate_words

    return np.concatenate(list(iterate_words(events, contract)))


def _first_words(events: Path, contract: Any, count: int) -> Any:
    """The words of the first events of a file."""
    import numpy as np

    from trigforge.events import iterate_words

    parts, total = [], 0
    for words in iterate_words(events, contract):
        parts.append(words)
        total += len(words)
        if total >= count:
            break
    return np.concatenate(parts)[:count]


def _save(path: Path, array: Any) -> None:
    import numpy as np

    from trigforge.value import write_atomic

    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomic(path, buffer.getvalue())
