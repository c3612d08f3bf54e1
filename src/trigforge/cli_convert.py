"""`trigforge convert MODEL`: any saved model as an exact integer program and an HLS project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trigforge.cli_samples import print_json
from trigforge.conversion import (
    REPORT_FILE,
    ConversionReport,
    ConvertedModel,
    conversion_vectors,
    convert_project,
    examine,
)
from trigforge.errors import CheckError, InputError
from trigforge.firmware.export import check_exported, export_onnx, export_qonnx
from trigforge.firmware.project import ModelFile, Project
from trigforge.ui import Reporter

PROJECT_FILE = "project.toml"
SHOWN_OUTPUTS = 4


def convert_alone(
    path: Path, out: Path, as_json: bool, explain: bool, form: str | None, options: dict[str, Any]
) -> None:
    """Convert a model file, or the project in a folder, into `out` and print what it became.

    A word that differs between levels raises `CheckError` naming the first layer that differs.
    """
    project, folder = read_project(path, options)
    reporter = Reporter()
    with reporter.stage("convert") as update:
        update(0.1, "hls4ml and lowering")
        converted = convert_project(project, folder, out)
        update(0.7, "comparing")
        report = examine(converted, explain=explain)
        report.save(out / REPORT_FILE)
        exported = _export(converted, out, form) if form else None
    for line in describe(report, explain=explain):
        reporter.line(line)
    reporter.line(f"{out / 'hls'}, {out / REPORT_FILE}{f', {exported}' if exported else ''}")
    if as_json:
        print_json({**report.model_dump(mode="json"), "folder": str(out), "export": exported})
    if not report.ok:
        raise CheckError(f"every level must agree on every word, but they differ first in {report.divergence}")


def read_project(path: Path, options: dict[str, Any]) -> tuple[Project, Path]:
    """The project that a folder, or a model file with options, stands for, and the folder of its files."""
    if path.is_dir():
        if any(options.values()):
            raise InputError(f"options of a model must be in {path / PROJECT_FILE}, not on the command line")
        return Project.load(path / PROJECT_FILE), path
    precision = {"default": options["precision"]}
    model = ModelFile.parse({"file": path.name, **options, "precision": precision}, where="the command line")
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in path.stem.lower()).split()
    return Project.parse({"name": "_".join(words), "model": model.model_dump()}, where=str(path)), path.parent


def describe(report: ConversionReport, *, explain: bool) -> list[str]:
    """The report in lines: the program, the levels and, on demand, the widths and the first difference."""
    outputs, more = report.outputs[:SHOWN_OUTPUTS], len(report.outputs) - SHOWN_OUTPUTS
    lines = [
        f"{report.framework}: {report.operations} integer operations, digest {report.program[:12]}",
        f"outputs: {', '.join(outputs)}{f' and {more} more' if more > 0 else ''}",
        *(f"{level.name}: {level.mismatches} of {level.words} words differ" for level in report.levels),
    ]
    if explain:
        lines += [*map(str, report.widths), f"first layer that differs: {report.divergence or 'none'}"]
    return lines


def _export(converted: ConvertedModel, out: Path, form: str) -> str:
    """Write the model in another form and execute it on the conversion's vectors: it must give the program's words."""
    target = out / f"{converted.project.name}.{form}.onnx"
    write = {"qonnx": export_qonnx, "onnx": export_onnx}[form]
    write(converted.source.graph, converted.contract, converted.lowering, target)
    check_exported(target, converted.contract, converted.program, conversion_vectors(converted).words)
    return str(target)
