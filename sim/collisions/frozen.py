"""The samples that trigforge brings along, and how samples are found in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trigforge.errors import InputError
from trigforge.sim.collisions.config import ENHANCED_BIAS, ZERO_BIAS
from trigforge.sim.collisions.dataset import SAMPLE_FILE, Sample

FROZEN: Final = Path(__file__).parent / "frozen"
"""Made by `trigforge generate --config frozen/frozen.toml`; each `sample.json` names seed and commit."""

FROZEN_REGIONS: Final = FROZEN / "regions"
"""Smaller samples of the same kinds with calorimeter regions in steps of 2 GeV, by `regions.toml` there."""


def find_samples(folder: Path) -> dict[str, Sample]:
    """The finished samples of events in a folder by name, backgrounds first."""
    found = [Sample.load(record) for record in sorted(folder.glob(f"*/{SAMPLE_FILE}"))]
    return {sample.name: sample for sample in sorted(found, key=lambda s: (not s.background, s.name))}


def require_run_samples(folder: Path) -> dict[str, Sample]:
    """The samples that a run needs: zero and enhanced bias and at least one signal; else `InputError`."""
    found = find_samples(folder)
    missing = [name for name in (ZERO_BIAS, ENHANCED_BIAS) if name not in found]
    if missing or all(sample.background for sample in found.values()):
        has = ", ".join(found) or "none"
        raise InputError(
            f"samples in {folder} must be {ZERO_BIAS}, {ENHANCED_BIAS} and at least one signal, not {has}; "
            "'trigforge generate' makes them"
        )
    pile_up = {name: sample.config.pileup for name, sample in found.items()}
    if len(set(pile_up.values())) > 1:
        shown = ", ".join(f"{name} {mean:g}" for name, mean in pile_up.items())
        raise InputError(f"samples in {folder} must have one mean pile-up, not {shown}")
    return found
