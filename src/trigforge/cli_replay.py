"""`trigforge replay FILE`: a saved failure played again, word by word and bit by bit, with waves on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trigforge.cli_samples import print_json
from trigforge.errors import CheckError
from trigforge.sim.cosim import find_simulator
from trigforge.sim.cosim.replay import Failure, played, suspect_of
from trigforge.ui import Reporter

SHOWN_EVENTS = 8


def replay_file(file: Path, out: Path | None, waves: Path | None, as_json: bool) -> None:
    """Play the failure in `file` again with the program and the RTL of `out` (the file's folder), print both answers.

    `waves` is the FST file to write. Raises `InputError` if program or RTL are others by now, `CheckError` if the
    answers still differ.
    """
    failure, folder, reporter = Failure.load(file), out or file.parent, Reporter()
    suspect = suspect_of(failure, folder, find_simulator(failure.simulator))
    with reporter.stage("replay") as update:
        update(0.1, f"RTL in {suspect.simulator.label}")
        now = played(suspect, np.array(failure.words, dtype=np.int64), failure.kind, folder, waves)
    for line in describe(failure, now):
        reporter.line(line)
    if waves is not None:
        reporter.line(str(waves))
    if as_json:
        shown = None if now is None else now.model_dump(mode="json", include={"expected", "got", "bits"})
        print_json({"failure": failure.model_dump(mode="json"), "now": shown, "waves": waves and str(waves)})
    if now is not None:
        output, bit = now.first
        raise CheckError(
            f"the RTL of {failure.name!r} must give {now.expected[output]} on output {output}, "
            f"but it gave {now.got[output]}; bit {bit} is the lowest that differs"
        )


def describe(failure: Failure, now: Failure | None) -> list[str]:
    """The events of a failure by their words that are not padding, and the outputs that differ, bit by bit."""
    events = len(failure.words)
    lines = [f"{failure.name}: {events} event{'s' if events > 1 else ''}, first seen on a {failure.kind} vector"]
    for k, event in enumerate(failure.words[-SHOWN_EVENTS:]):
        words = ", ".join(f"word {word} = {value}" for word, value in enumerate(event) if value) or "padding"
        lines.append(f"event {max(events - SHOWN_EVENTS, 0) + k}: {words}")
    lines.append(f"event {failure.event} fails:")
    if now is None:
        return [*lines, f"as expected this time; it failed in {failure.tool}: {'; '.join(failure.differences())}"]
    lines += now.differences()
    if (now.expected, now.got) != (failure.expected, failure.got):
        lines.append(f"otherwise than before, in {failure.tool}: {'; '.join(failure.differences())}")
    return lines
