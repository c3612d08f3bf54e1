"""A project with a model file, converted: HLS project, csim, integer program, and the proof that they agree."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.divergence import LayerDivergence, csim_layers, first_divergence, program_layers
from trigforge.firmware.frontends.brevitas import convert_brevitas
from trigforge.firmware.frontends.conversion import Conversion, FloatArray, Source
from trigforge.firmware.frontends.files import convert_file
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.hls import Csim, compile_csim, tensor_sizes
from trigforge.firmware.lowering import Lowering, Width, lower
from trigforge.firmware.program import IntegerProgram, Provenance
from trigforge.firmware.project import ModelFile, Project
from trigforge.fixed import FixedType, IntArray
from trigforge.models.backends import BrevitasNetwork, KerasNetwork, Network
from trigforge.sim.cosim import LevelResult, Vectors, compare
from trigforge.sim.cosim.vectors import contract_vectors
from trigforge.value import Value
from trigforge.words import words_of

PROGRAM_FILE, CONTRACT_FILE, REPORT_FILE = "program.json.gz", "contract.json", "conversion.json"
TOOLS = ("alkaid", "hgq2", "hls4ml", "keras", "numpy")
EXPLAINED = 1000
"""Vectors on which layers are compared one by one."""


class ConversionReport(Value):
    """What a model became: its program, the widths of all its types, and the comparison with csim and the source."""

    name: str
    framework: str
    contract: str
    words: int
    outputs: tuple[str, ...]
    operations: int
    program: str
    vectors: dict[str, int]
    levels: tuple[LevelResult, ...]
    widths: tuple[Width, ...]
    """Every accumulator, quantiser and result: its type, the type that its values need, and what it loses."""
    divergence: LayerDivergence | None = None
    """The first layer in which csim, or the framework, differs from the program."""

    @property
    def ok(self) -> bool:
        """Whether every level agrees on every word, and every layer that was compared."""
        return self.divergence is None and all(level.ok for level in self.levels)


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A converted project: what its file became."""

    project: Project
    contract: InputContract
    source: Source
    csim: Csim
    lowering: Lowering

    @property
    def program(self) -> IntegerProgram:
        """The one meaning of the model."""
        return self.lowering.program

    def inputs(self, words: IntArray) -> FloatArray:
        """The model's input values of contract words (n, words)."""
        return self.contract.model_input.to_float(self.contract.normalise(words))


def convert_project(project: Project, folder: Path, build: Path) -> ConvertedModel:
    """Convert the model file of a project in `folder`; HLS project and program go to `build`.

    Raises `InputError` or `ExactnessError` naming layer, value and remedy, and leaves no half-written project then.
    """
    model = _model(project)
    known = None if not model.contract else InputContract.load(folder / model.contract)
    conversion = Conversion(
        name=project.top,
        folder=build / "hls",
        input_type=known.model_input if known is not None else _input(model),
        targets=project.targets,
        precision=model.precision,
        score=model.score,
        score_type=model.score_type,
    )
    source = convert_file(folder / model.file, conversion, model.sampling)
    try:
        lowering = _lowered(project, source, known)
    except InputError:
        shutil.rmtree(conversion.folder)
        raise
    lowering.program.save(build / PROGRAM_FILE)
    contract = known or _contract(project, source)
    contract.save(build / CONTRACT_FILE)
    return ConvertedModel(project, contract, source, compile_csim(source.graph), lowering)


def convert_network(network: Network, words: int, conversion: Conversion) -> Source:
    """Convert a trained network of so many words that is in memory, and write its HLS project."""
    if isinstance(network, BrevitasNetwork):
        return convert_brevitas(network.module, (words,), conversion)
    assert isinstance(network, KerasNetwork)
    return convert_keras(network.model, conversion)


def examine(converted: ConvertedModel, vectors: Vectors | None = None, *, explain: bool = False) -> ConversionReport:
    """Compare source, csim and program on `vectors`, or those of the conversion; with `explain`, layer by layer too."""
    project, program = converted.project, converted.program
    vectors = conversion_vectors(converted) if vectors is None else vectors
    inputs, words = converted.inputs(vectors.words), program(vectors.words)
    csim = words_of(program, converted.csim(inputs), "csim")
    levels = [compare("csim_vs_program", csim, words_of(program, program.to_float(words), "program"), vectors.kinds)]
    reference = converted.source.reference
    if reference is not None and converted.project.model is not None and converted.project.model.score is None:
        own = words_of(program, reference(inputs), converted.source.framework)
        levels.insert(0, compare("source_vs_csim", own, csim, vectors.kinds))
    return ConversionReport(
        name=project.name,
        framework=converted.source.framework,
        contract=converted.contract.digest,
        words=converted.contract.words,
        outputs=tuple(str(kind) for kind in program.outputs),
        operations=len(program.circuit.nodes),
        program=program.digest,
        vectors=vectors.counts(),
        levels=tuple(levels),
        widths=converted.lowering.widths,
        divergence=_divergence(converted, vectors, explain or not all(level.ok for level in levels)),
    )


def conversion_vectors(converted: ConvertedModel) -> Vectors:
    """The words on which a conversion is compared: within the contract's limits, and events that obey it."""
    asked = converted.project.verification
    return contract_vectors(
        converted.contract,
        random=asked.random,
        saturating=asked.random // 4,
        constrained=asked.random,
        seed=asked.seed,
    )


def _divergence(converted: ConvertedModel, vectors: Vectors, everywhere: bool) -> LayerDivergence | None:
    """The first layer in which the framework, or, if asked for, csim differs from the program.

    A score is no layer of the framework, but it is made of them; so they are always compared where there is one.
    """
    few = vectors.thinned(EXPLAINED)
    inputs, inside = converted.inputs(few.words), program_layers(converted.lowering, few.words)
    layers, source = converted.lowering.layers, converted.source
    found = first_divergence(csim_layers(source.graph, inputs), inside, layers) if everywhere else None
    if found is None and source.inside is not None:
        found = first_divergence(source.inside(inputs), inside, layers)
    return found


def _model(project: Project) -> ModelFile:
    if project.model is None:
        raise InputError(
            f"project {project.name!r} must name a model file to be converted alone; its recipe {project.recipe!r} is "
            "trained and converted by 'trigforge run'"
        )
    return project.model


def _input(model: ModelFile) -> FixedType:
    assert model.input is not None
    return model.input


def _contract(project: Project, source: Source) -> InputContract:
    return InputContract.of_type(project.name, sum(tensor_sizes(source.graph)[0]), _input(_model(project)))


def _lowered(project: Project, source: Source, contract: InputContract | None) -> Lowering:
    """The program, if its outputs have one meaning and nothing wraps by accident."""
    outputs = source.graph.outputs
    if len(outputs) > 1:
        raise InputError(
            f"the model must have one output, not {len(outputs)} ({', '.join(outputs)}), or a score that is made of "
            "them; give [model.score]"
        )
    used = contract or _contract(project, source)
    provenance = Provenance(
        framework=source.framework,
        contract_digest=used.digest,
        tools={name: importlib.metadata.version(name) for name in TOOLS},
    )
    lowering = lower(source.graph, used, provenance)
    if not _model(project).allow_wrap:
        lowering.require_no_wrap()
    return lowering
