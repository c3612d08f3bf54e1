"""Copies of modules with faults in them, and tools that read them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path


def renamed(texts: Mapping[str, str], mutation: tuple[str, str, str], suffix: str) -> dict[str, str]:
    """Copies of modules, each of the name of its file and a suffix, with the one place of a text in one replaced."""
    module, old, new = mutation
    assert texts[f"{module}.sv"].count(old) == 1, f"{old!r} must occur once in {module}"
    changed = dict(texts) | {f"{module}.sv": texts[f"{module}.sv"].replace(old, new)}
    names = re.compile(rf"\b({'|'.join(name.removesuffix('.sv') for name in texts)})\b")
    return {name.replace(".sv", f"{suffix}.sv"): names.sub(rf"\1{suffix}", text) for name, text in changed.items()}


def mutants(texts: Mapping[str, str], module: str, mutations: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The sources of a module as it is and of its mutants, which have the number of their mutation in their names."""
    own = {f"{module}.sv": texts[f"{module}.sv"]}
    found = dict(own)
    for index, (old, new) in enumerate(mutations):
        found |= renamed(own, (module, old, new), f"_mutant_{index}")
    return found


def written(texts: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """The files of the texts, in their order, in a new folder."""
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return tuple(folder / name for name in texts)


def tools(folder: Path, command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Status of a tool and what it complains about."""
    run = subprocess.run(
        command, cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=300, check=False
    )
    return run.returncode, run.stderr
