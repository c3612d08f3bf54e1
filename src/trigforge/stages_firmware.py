"""The stages from events to a verified core: events, model, program, rtl, estimate, verify."""

from __future__ import annotations

import importlib.metadata
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from trigforge.contract import InputContract
from trigforge.conversion import REPORT_FILE, ConvertedModel, convert_network, examine
from trigforge.errors import InputError
from trigforge.events.files import PART
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.emulator import Emulator
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.hls import compile_csim, load_csim
from trigforge.firmware.lowering import lower
from trigforge.firmware.program import IntegerProgram, Provenance
from trigforge.firmware.rtl import (
    Tops,
    read_pipeline,
    read_rtl,
    read_tops,
    write_rtl,
    write_tops,
)
from trigforge.firmware.synthesis import estimate
from trigforge.fixed import IntArray
from trigforge.hardware import Hardware, certify_hardware, cover, required_levels
from trigforge.models.architectures import TrainingSet
from trigforge.models.recipe import Recipe, find_recipe
from trigforge.models.train import Aim, train
from trigforge.models.trained import TrainedModel, load_trained
from trigforge.pipeline import Run
from trigforge.results import FirmwareSummary
from trigforge.samples import (
    BACKGROUND,
    TRAINING,
    choosing_half,
    encode,
    level1_background,
    load_program,
    read_sample,
    run_samples,
    sample_folder,
    signal_names,
)
from trigforge.sim.collisions.dataset import simulate
from trigforge.sim.collisions.frozen import require_run_samples
from trigforge.sim.cosim import LEVELS, LevelResult, Vectors, compare, find_simulator
from trigforge.sim.cosim.certify import Subject, native_emulator
from trigforge.sim.cosim.vectors import contract_vectors
from trigforge.training import FLOAT_FOLDER, chooser, float_twin
from trigforge.ui import Update
from trigforge.value import write_atomic
from trigforge.verification import require_agreement
from trigforge.words import words_of

TOOLS: Final = ("alkaid", "cocotb", "hgq2", "hls4ml", "keras", "numpy", "tensorflow-cpu")
CONVERSION: Final = ("firmware", REPORT_FILE)
"""The `ConversionReport` of a run."""
TWIN: Final = ("model", FLOAT_FOLDER)
"""The float twin of a run's model."""
HLS_MARKER: Final = "hls.digest"
EMULATOR_REPEATS, EMULATOR_RUNS = 200, 5


def make_events(run: Run, update: Update) -> str:
    """Find the samples, or simulate them."""
    if run.config.collisions is not None:
        simulate(run.config.collisions, run.path("events"), update, replace=True)
    samples = require_run_samples(sample_folder(run))
    counts = ", ".join(f"{sample.events} {name}" for name, sample in samples.items())
    first = next(iter(samples.values()))
    return f"{counts}; mean pile-up {first.config.pileup:g}, seed {first.config.seed}"


def samples_state(run: Run) -> str:
    """What the samples of a run are, if it does not make them itself."""
    if run.config.collisions is not None:
        return ""
    return ",".join(sample.digest for sample in run_samples(run).values())


def samples_are_there(run: Run) -> bool:
    """Whether every part of every sample is there."""
    folder = sample_folder(run)
    return all(len(list((folder / name).glob(PART))) == s.parts for name, s in run_samples(run).items())


def make_model(run: Run, update: Update) -> str:
    """Train on zero bias."""
    recipe = find_recipe(run.config.project.recipe)
    background = level1_background(read_sample(run, TRAINING))
    twin = load_trained(run.path(*TWIN))
    aim = _aim(run, recipe, background)
    trained = train(recipe, background, update, aim, run.path("model"), twin=twin, replace=True).model
    trained.save(run.path("model"))
    record = trained.record
    return f"{recipe.name}: {record.parameters} parameters, {record.ebops} EBOPs, loss {record.epochs[-1].loss:.3f}"


def make_twin(run: Run, update: Update) -> str:
    """Train the same network in floating point, to compare with."""
    recipe = float_twin(find_recipe(run.config.project.recipe))
    background = level1_background(read_sample(run, TRAINING))
    aim = _aim(run, recipe, background)
    twin = train(recipe, background, update, aim, run.path(*TWIN), replace=True).model.save(run.path(*TWIN))
    return f"{recipe.name} in floating point: loss {twin.record.epochs[-1].loss:.3f}"


def _aim(run: Run, recipe: Recipe, background: TrainingSet) -> Aim:
    """That of 'trigforge train': halves of the signals that are not measured on choose the epoch."""
    signals = {name: encode(background.contract, choosing_half(read_sample(run, name))) for name in signal_names(run)}
    return Aim(*chooser(recipe, background, signals))


def make_program(run: Run, update: Update) -> str:
    """Convert with hls4ml, compile its C++ simulation, lower the graph and compare the two."""
    trained = load_trained(run.path("model"))
    project = run.config.project
    update(0.1, "hls4ml")
    conversion = Conversion(project.top, run.build / "hls", trained.contract.model_input, project.targets)
    source = convert_network(trained.network, trained.contract.words, conversion)
    update(0.4, "g++ csim")
    csim = compile_csim(source.graph)
    update(0.8, "lowering")
    provenance = Provenance(
        framework=trained.record.framework,
        model_digest=trained.record.model_digest,
        contract_digest=trained.contract.digest,
        tools=tool_versions(),
    )
    lowering = lower(source.graph, trained.contract, provenance)
    lowering.require_no_wrap()
    update(0.9, "comparing")
    report = examine(ConvertedModel(project, trained.contract, source, csim, lowering))
    report.save(run.path(*CONVERSION))
    require_agreement(report)
    program = lowering.program
    program.save(run.path("firmware", "program.json.gz"))
    write_atomic(run.build / HLS_MARKER, program.digest)
    return f"{len(program.circuit.nodes)} integer operations, score {program.outputs[0]}, digest {program.digest[:12]}"


def make_rtl(run: Run, update: Update) -> str:
    """Write the RTL of the core, and of what the project has around it: trigger, links, streams."""
    update(0.1, "pipelining")
    program, project = load_program(run), run.config.project
    design = write_rtl(program, project.targets, run.build / "rtl", project.top)
    pipeline = read_pipeline(run.build / "rtl")
    said = (
        f"{design.inputs.bits} bits in, {design.outputs.bits} out, {pipeline.latency_clocks} clocks = "
        f"{pipeline.latency_ns:g} ns, {pipeline.levels:.1f} logic levels estimated ({pipeline.delay_ns:.2f} ns)"
    )
    return "; ".join([said, *_around(write_tops(project, program, design, run.build))])


def _around(tops: Tops) -> Iterator[str]:
    """What is around a core, in words."""
    if tops.trigger is not None:
        yield (
            f"trigger of {tops.trigger.algorithms} algorithms, {tops.trigger.latency_clocks} clocks, "
            f"{tops.trigger.clocks_per_bx} a crossing"
        )
    if tops.links is not None:
        receives, sends = tops.links.receives, tops.links.sends
        yield (
            f"{receives.links} links of {receives.frames} frames of {receives.width} bits in, "
            f"{sends.links} of {sends.width} bits out"
        )
    if tops.axis is not None:
        yield f"AXI4-Streams of {tops.axis.data_bits[0]} bits in, {tops.axis.data_bits[1]} out"


def make_estimate(run: Run, update: Update) -> str:
    """Map the RTL with Yosys."""
    update(0.1, "Yosys")
    resources = estimate(read_design(run), run.build / "yosys")
    resources.save(run.path("firmware", "resources.json"))
    return f"{resources.lut} LUT, {resources.ff} FF, {resources.dsp} DSP, {resources.bram} BRAM ({resources.estimator})"


def make_certificate(run: Run, update: Update) -> str:
    """Compare trainer, csim, program, emulator and RTL word by word; a single difference fails the stage."""
    trained, program, design = load_trained(run.path("model")), load_program(run), read_design(run)
    vectors, project = verification_vectors(run, trained.contract), run.config.project
    update(0.05, f"trainer, csim and emulator on {len(vectors)} vectors")
    emulator = native_emulator(program, run.path("firmware"))
    vectors, bins = cover(program, trained.contract, vectors, project.verification.seed, run.path("firmware"))
    software = _software_levels(run, trained, program, emulator, vectors)
    simulator = find_simulator(project.verification.simulator)
    origin = {"contract": trained.contract.digest, "model": trained.record.model_digest}
    subject = Subject(project.name, program, design, project.targets.clock_ns, origin, tool_versions())
    program_file, folder = run.path("firmware", "program.json.gz"), run.path("firmware")
    hardware = Hardware(subject, project, read_run_tops(run), program_file, run.build, folder)
    certified = certify_hardware(
        hardware, software, vectors, bins, simulator, lambda share, text: update(0.15 + 0.85 * share, text)
    )
    certificate, rtl = certified.certificate, certified.rtl
    certificate.save(run.path("firmware", "certificate.json"))
    certified.require(*required_levels(project, LEVELS))
    certificate.require_latency(project.targets.latency_budget_ns)
    FirmwareSummary(
        clock_ns=project.targets.clock_ns,
        latency_clocks=rtl.latency_clocks,
        ii=rtl.ii,
        latency_budget_ns=project.targets.latency_budget_ns,
        emulator_mega_events_per_second=_emulator_speed(emulator, vectors.words),
        rtl_events_per_second=rtl.events_per_second,
    ).save(run.path("firmware", "timing.json"))
    words = sum(level.words for level in certificate.levels)
    return (
        f"{sum(certificate.mismatches().values())} of {words} words differ on {certificate.events} events; "
        f"{certificate.latency_clocks} clocks = {certificate.latency_ns:g} ns, II {certificate.ii}"
    )


def _software_levels(
    run: Run, trained: TrainedModel, program: IntegerProgram, emulator: Emulator, vectors: Vectors
) -> tuple[LevelResult, ...]:
    """The comparisons that need no simulator."""
    project, words = run.config.project, program(vectors.words)
    csim = load_csim(run.build / "hls", project.top, (len(program.inputs),), (len(program.outputs),))
    values = trained.contract.model_input.to_float(trained.contract.normalise(vectors.words))
    trainer_words = words_of(program, trained(vectors.words), "the trainer")
    csim_words = words_of(program, csim(values), "csim")
    return (
        compare("trainer_vs_csim", trainer_words, csim_words, vectors.kinds),
        compare("csim_vs_program", csim_words, words_of(program, program.to_float(words), "program"), vectors.kinds),
        compare("program_vs_emulator", words, emulator(vectors.words), vectors.kinds),
    )


def _emulator_speed(emulator: Emulator, words: IntArray) -> float:
    """Million events a second of the emulator on all cores, the words in memory as int16, or wider if they must be."""
    narrow = np.min_scalar_type(min(int(words.min()), -int(words.max()) - 1))
    many = np.tile(words.astype(np.promote_types(narrow, np.int16)), (EMULATOR_REPEATS, 1))
    scores = np.zeros((len(many), len(emulator.program.outputs)), dtype=np.int64)
    seconds = []
    for _ in range(EMULATOR_RUNS):
        start = time.monotonic()
        emulator(many, out=scores)
        seconds.append(time.monotonic() - start)
    return len(many) / statistics.median(seconds) / 1e6


def verification_vectors(run: Run, contract: InputContract) -> Vectors:
    """Physics events of all samples in equal shares, and those that the contract's limits and objects suggest."""
    names = (BACKGROUND, *signal_names(run))
    share = -(-run.config.project.verification.physics // len(names))
    columns = [collection.name for collection in contract.collections]
    physics = np.concatenate([encode(contract, read_sample(run, n, columns)[:share]) for n in names])
    asked = run.config.project.verification
    return contract_vectors(
        contract,
        random=asked.random,
        saturating=asked.random // 4,
        constrained=asked.random,
        seed=asked.seed,
        physics=physics,
    )


def read_design(run: Run) -> RtlDesign:
    """The RTL as it lies on disk."""
    return read_rtl(load_program(run), run.build / "rtl", run.config.project.top)


def read_run_tops(run: Run) -> Tops:
    """What the project has around its core, as it lies on disk."""
    return read_tops(run.config.project, load_program(run), read_design(run), run.build)


def rtl_state(run: Run) -> str:
    """Digest of the RTL sources on disk, and of the records of what is around the core: an edit is verified again."""
    try:
        design = read_design(run)
        return replace(design, sources=read_run_tops(run).files(run.build) or design.sources).digest
    except InputError:
        return ""


def rtl_is_intact(run: Run) -> bool:
    """Whether the RTL on disk is of this run's program and settings: projects share their build folder between runs."""
    try:
        read_design(run)
        read_run_tops(run)
    except InputError:
        return False
    return True


def hls_is_intact(run: Run) -> bool:
    """Whether the HLS project on disk is the one that this run's program was lowered from."""
    marker = run.build / HLS_MARKER
    return marker.is_file() and marker.read_text() == load_program(run).digest


def tool_versions() -> dict[str, str]:
    """Versions of the packages that decide the firmware."""
    return {name: importlib.metadata.version(name) for name in TOOLS}
