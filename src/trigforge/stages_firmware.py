"""The stages from events to a verified core: events, model, program, rtl, estimate, verify."""

from __future__ import annotations

import importlib.metadata
import time
from functools import partial
from typing import Final

import awkward as ak
import numpy as np

from trigforge.contract import InputContract, level1_contract
from trigforge.errors import InputError
from trigforge.events import read_events, write_events
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.hls import compile_csim, convert, load_csim
from trigforge.firmware.lower import lower
from trigforge.firmware.program import IntegerProgram, Provenance
from trigforge.firmware.rtl import read_rtl, write_rtl
from trigforge.firmware.synthesis import estimate
from trigforge.fixed import IntArray
from trigforge.models.metrics import FloatArray
from trigforge.models.recipe import find_recipe
from trigforge.models.train import train
from trigforge.models.trained import load_trained
from trigforge.pipeline import Run
from trigforge.results import FirmwareSummary
from trigforge.samples import BACKGROUND, encode, events_file, load_program, split
from trigforge.sim.collisions.simulate import simulate
from trigforge.sim.cosim import LEVELS, Certificate, Vectors, compare, find_simulator, make_vectors
from trigforge.sim.cosim import simulate as cosimulate
from trigforge.ui import Update
from trigforge.value import write_atomic

TOOLS: Final = ("alkaid", "cocotb", "hgq2", "hls4ml", "keras", "numpy", "tensorflow-cpu")
HLS_MARKER: Final = "hls.digest"
EMULATOR_REPEATS: Final = 200
COMPARISON_BITS: Final = 16
"""Trainer and csim are compared on a grid this many bits finer than the output's least significant bit."""


def make_events(run: Run, update: Update) -> str:
    """Simulate the samples."""
    samples = simulate(run.config.collisions, lambda fraction: update(fraction, "Pythia 8 and Level-1"))
    for name, events in samples.items():
        write_events(run.path(events_file(name)), events)
    counts = ", ".join(f"{len(events)} {name}" for name, events in samples.items())
    return f"{counts}; mean pile-up {run.config.collisions.pileup:g}"


def make_model(run: Run, update: Update) -> str:
    """Train on the training share of the background."""
    recipe = find_recipe(run.config.project.recipe)
    events = read_events(run.path(events_file(BACKGROUND)))
    events = events[split(len(events))[0]]
    words = encode(level1_contract(), events)
    weights = ak.to_numpy(events["weight"]).astype(np.float64)
    contract = level1_contract().fit_normaliser(words, weights)
    trained = train(recipe, contract, words, weights, update)
    trained.save(run.path("model"))
    record = trained.record
    return f"{recipe.name}: {record.parameters} parameters, {record.ebops} EBOPs, loss {record.loss[-1]:.3f}"


def make_program(run: Run, update: Update) -> str:
    """Convert with hls4ml, compile its C++ simulation and lower the graph."""
    trained = load_trained(run.path("model"))
    project = run.config.project
    update(0.1, "hls4ml")
    graph = convert(trained.keras, project.targets, run.build / "hls", project.top)
    update(0.4, "g++ csim")
    compile_csim(graph)
    update(0.8, "lowering")
    provenance = Provenance(
        framework=trained.record.framework,
        model_digest=trained.record.model_digest,
        contract_digest=trained.contract.digest,
        tools=tool_versions(),
    )
    program = lower(graph, trained.contract, provenance)
    program.save(run.path("firmware", "program.json.gz"))
    write_atomic(run.build / HLS_MARKER, program.digest)
    return f"{len(program.circuit.nodes)} integer operations, score {program.outputs[0]}, digest {program.digest[:12]}"


def make_rtl(run: Run, update: Update) -> str:
    """Write the RTL."""
    update(0.1, "pipelining")
    design = write_rtl(load_program(run), run.config.project.targets, run.build / "rtl", run.config.project.top)
    return (
        f"{design.inputs.bits} bits in, {design.outputs.bits} out, {design.latency_clocks} clocks: {run.build / 'rtl'}"
    )


def make_estimate(run: Run, update: Update) -> str:
    """Map the RTL with Yosys."""
    update(0.1, "Yosys")
    resources = estimate(read_design(run), run.build / "yosys")
    resources.save(run.path("firmware", "resources.json"))
    return f"{resources.lut} LUT, {resources.ff} FF, {resources.dsp} DSP, {resources.bram} BRAM ({resources.estimator})"


def make_certificate(run: Run, update: Update) -> str:
    """Compare trainer, csim, program, emulator and RTL word by word; a single difference fails the stage."""
    trained, program, project = load_trained(run.path("model")), load_program(run), run.config.project
    vectors = verification_vectors(run, trained.contract)
    design = read_design(run)
    update(0.05, f"trainer and csim on {len(vectors)} vectors")
    values = trained.contract.model_input.to_float(trained.contract.normalise(vectors.words))
    csim = load_csim(run.build / "hls", project.top, len(program.inputs), len(program.outputs))(values)
    words = program(vectors.words)
    emulator = compile_emulator(program, run.path("firmware"))
    emulated = emulator(vectors.words)
    many = np.tile(vectors.words, (EMULATOR_REPEATS, 1)).astype(np.int32)
    start = time.monotonic()
    emulator(many)
    rate = len(many) / (time.monotonic() - start) / 1e6
    update(0.15, f"building the {project.verification.simulator} model")
    simulator = find_simulator(project.verification.simulator)
    rtl = cosimulate(
        design,
        vectors.words,
        simulator,
        run.build / "sim" / project.verification.simulator,
        clock_period_ns=project.targets.clock_ns,
    )
    fine = partial(_on_fine_grid, program)
    certificate = Certificate(
        name=project.name,
        levels=(
            compare("trainer_vs_csim", fine(trained(vectors.words)), fine(csim), vectors.kinds),
            compare("csim_vs_program", fine(csim), fine(program.to_float(words)), vectors.kinds),
            compare("program_vs_emulator", words, emulated, vectors.kinds),
            compare("program_vs_rtl", words, rtl.outputs, vectors.kinds),
        ),
        vectors=vectors.counts(),
        latency_clocks=rtl.latency_clocks,
        ii=rtl.ii,
        clock_ns=project.targets.clock_ns,
        tools={**tool_versions(), "simulator": rtl.simulator},
        digests={
            "contract": trained.contract.digest,
            "model": trained.record.model_digest,
            "program": program.digest,
            "rtl": design.digest,
        },
    )
    certificate.save(run.path("firmware", "certificate.json"))
    certificate.require(*LEVELS)
    certificate.require_latency(project.targets.latency_budget_ns)
    FirmwareSummary(
        clock_ns=project.targets.clock_ns,
        latency_clocks=rtl.latency_clocks,
        ii=rtl.ii,
        latency_budget_ns=project.targets.latency_budget_ns,
        emulator_mega_events_per_second=rate,
        rtl_events_per_second=rtl.events_per_second,
    ).save(run.path("firmware", "timing.json"))
    return (
        f"0 of {sum(level.words for level in certificate.levels)} words differ on {certificate.events} events; "
        f"{certificate.latency_clocks} clocks = {certificate.latency_ns:g} ns, II {certificate.ii}"
    )


def verification_vectors(run: Run, contract: InputContract) -> Vectors:
    """Physics events of all samples in equal shares, and random, corner, walking and saturating vectors."""
    names = (BACKGROUND, *run.config.collisions.signals)
    share = -(-run.config.project.verification.physics // len(names))
    physics = np.concatenate([encode(contract, read_events(run.path(events_file(n)))[:share]) for n in names])
    low, high = contract.limits()
    asked = run.config.project.verification
    return make_vectors(low, high, random=asked.random, saturating=asked.random // 4, seed=asked.seed, physics=physics)


def read_design(run: Run) -> RtlDesign:
    """The RTL as it lies on disk."""
    return read_rtl(load_program(run), run.build / "rtl", run.config.project.top)


def rtl_state(run: Run) -> str:
    """Digest of the RTL sources on disk: an edited file is verified again."""
    try:
        return read_design(run).digest
    except InputError:
        return ""


def rtl_is_intact(run: Run) -> bool:
    """Whether the RTL on disk is of this run's program: projects share their build folder between runs."""
    try:
        read_design(run)
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


def _on_fine_grid(program: IntegerProgram, values: FloatArray) -> IntArray:
    """Real outputs (n, outputs) as integers, on a grid far finer than the output's own."""
    fractions = np.array([t.fraction + COMPARISON_BITS for t in program.outputs])
    mantissas: IntArray = np.rint(np.ldexp(values, fractions)).astype(np.int64)
    return mantissas
