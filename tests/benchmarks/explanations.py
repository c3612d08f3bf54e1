"""The table of docs/explanations.md: events explained a CPU second, by objects and by words.

    python tests/benchmarks/explanations.py PROGRAM [SAMPLE ...]

PROGRAM is what `trigforge explain` takes; the samples are those that trigforge brings along. CPU time of all threads is
counted, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trigforge.cli_emulate import find_program
from trigforge.explain import Kind, explain_objects, explain_words, spread
from trigforge.explain.objects import Layout
from trigforge.sim.collisions.frozen import FROZEN
from trigforge.stages_explain import read_words, subject_of, typical_words

EVENTS, BY_WORD, REPEATS = 600, 100, 3


def speeds(events: int, task: Callable[[], object]) -> str:
    """The slowest and the fastest of some repeats after one that warms up."""
    task()
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        task()
        found.append(events / (time.process_time() - start))
    return f"{min(found):.0f}–{max(found):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("samples", nargs="*", default=["enhanced_bias", "zero_bias"])
    asked = parser.parse_args()
    found = find_program(asked.program, None)
    score = subject_of(found.program, found.contract, found.folder).score
    others, layout = typical_words(FROZEN / "zero_bias", found.contract), Layout.of(found.contract)
    for name in asked.samples:
        words = read_words(FROZEN / name, found.contract, Kind.SAMPLE).words
        words = words[spread(len(words), EVENTS)]
        objects = layout.present(words).sum(axis=1)
        few = words[:BY_WORD]
        sys.stdout.write(
            f"{name}: {objects.mean():.1f} objects, {(2.0**objects).mean():.0f} sets an event; events a CPU second "
            f"{speeds(EVENTS, lambda words=words: explain_objects(score, found.contract, words))} by objects, "
            f"{speeds(BY_WORD, lambda few=few: explain_words(score, found.contract, few, others))} by words\n"
        )


if __name__ == "__main__":
    main()
