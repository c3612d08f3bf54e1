"""Plays the streams of a core and of faulty copies in a simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trigforge.firmware.rtl.axis import AxisTop
from trigforge.sim.cosim import Simulator
from trigforge.sim.cosim.axis import expected_ports, given_ports
from trigforge.sim.cosim.axis_model import Trace
from trigforge.sim.cosim.packed import RESET_CLOCK, Digits, Packed

from .rtl_copies import renamed, written


def play_copies(
    top: AxisTop, mutations: Sequence[tuple[str, str, str]], error_bits: int, trace: Trace, simulator: Simulator,
    folder: Path,
) -> list[dict[str, Digits]]:  # fmt: skip
    """The outputs of the streams of a top and of its mutants `(module, old, new)`, all given what the trace says.

    What a receiver must not look at is undefined where the simulator has a value for that.
    """
    texts = {
        name: text.replace("[31:0] torn_packets", f"[{error_bits - 1}:0] torn_packets").replace(
            "ERROR_BITS = 32", f"ERROR_BITS = {error_bits}"
        )
        for name, text in top.emit().items()
    }
    sources, instances = dict(texts), [top.top]
    for index, mutation in enumerate(mutations):
        sources |= renamed(texts, mutation, f"_mutant_{index}")
        instances.append(f"{top.top}_mutant_{index}")
    packed = Packed.write(
        (*top.core.sources, *written(sources, folder / "sources")),
        instances, top.input_bits, top.output_bits | {"torn_packets": error_bits}, folder, clock="aclk",
    )  # fmt: skip
    return packed.play(given_ports(trace, ~trace.tvalid, undefined=simulator.name == "icarus"), simulator, folder)


def differences(trace: Trace, seen: Mapping[str, Digits], error_bits: int) -> list[str]:
    """The outputs that are not what the model says, and where first; data and TLAST count where they are valid."""
    start = RESET_CLOCK + 1
    expected, heeded = expected_ports(trace, error_bits)
    found = []
    for name, digits in expected.items():
        counts = heeded.get(name, np.ones(len(digits), dtype=bool))
        wrong = ((seen[name] != digits).any(axis=1) & counts)[start:]
        if wrong.any():
            found.append(f"{name} at clock {start + int(np.argmax(wrong))}")
    return found
