"""Synthesis kept by digest: the same sources, tool and options are mapped, placed and routed once.

An entry of the cache is a folder named by the digest of all that decides it. It is made beside its place and renamed
into it when it is whole, so processes may share a cache; of two that make the same entry, the first is kept. What a
tool left when it failed stays in a folder `failed_…`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from pydantic import Field

from trigforge.errors import CheckError
from trigforge.firmware.synthesis.families import Family
from trigforge.firmware.synthesis.harness import MODULES, HarnessCost, wrap
from trigforge.firmware.synthesis.netlist import NETLIST, Resources, logic_levels
from trigforge.firmware.synthesis.nextpnr import Ecp5, Route, route
from trigforge.firmware.synthesis.tools import nextpnr_version, yosys_version
from trigforge.firmware.synthesis.yosys import Block, map_block
from trigforge.value import Value

SEEDS: Final = (1, 2, 3)
_RESULT: Final = "result.json"
_FORMAT: Final = 1
"""Raised when what an entry holds, or how it is made, changes."""

_Made = TypeVar("_Made", bound=Value)


class Synthesis(Value):
    """A block mapped to a family's cells; `resources.estimator` names tool, version and options."""

    block: str
    """The block's top module."""
    sources_digest: str
    """Of its sources, as `Block.digest`."""
    family: Family
    resources: Resources
    levels: int = Field(ge=0)
    """LUTs on the longest path between registers or ports."""


class Placement(Value):
    """A block placed and routed in its harness once for every seed."""

    block: str
    sources_digest: str
    device: Ecp5
    target_mhz: float = Field(gt=0)
    """The clock that place and route aim at."""
    harness: HarnessCost
    routes: tuple[Route, ...] = Field(min_length=1)
    estimator: str

    @property
    def fmax_mhz(self) -> float:
        """Median of the seeds' highest frequencies."""
        return statistics.median(r.fmax_mhz for r in self.routes)

    @property
    def fmax_range(self) -> tuple[float, float]:
        """The lowest and the highest of them."""
        found = [r.fmax_mhz for r in self.routes]
        return min(found), max(found)

    @property
    def worst(self) -> Route:
        """The slowest of them."""
        return min(self.routes, key=lambda r: r.fmax_mhz)

    @property
    def comb(self) -> int:
        """Logic cells of the block alone."""
        return self.worst.comb - self.harness.lut

    @property
    def ff(self) -> int:
        """Flip-flops of the block alone."""
        return self.worst.ff - self.harness.ff

    @property
    def block_limits(self) -> bool:
        """Whether every seed's limiting path lies between flip-flops of the block."""
        return all(r.path.inside for r in self.routes)


class _Wrapped(Value):
    harness: HarnessCost


def synthesise(block: Block, family: Family, cache: Path) -> Synthesis:
    """Map a block to a family's cells and find its longest path, or what the cache has of it."""
    return _mapped(block, family, cache)[0]


def place_and_route(
    block: Block, cache: Path, device: Ecp5 | None = None, target_mhz: float = 200.0, seeds: tuple[int, ...] = SEEDS
) -> Placement:
    """Place and route a block in its harness on an ECP5 for every seed that the cache does not have yet."""
    device = device or Ecp5()
    target_mhz = float(f"{target_mhz:g}")
    version = nextpnr_version()
    _, mapped = _mapped(block, Family.ECP5, cache)
    texts = [(Path(__file__).parent / f"{module}.sv").read_text(encoding="utf-8") for module in MODULES]
    wrapped, inside = _kept(
        cache,
        ("wrap", mapped.name, *texts),
        _Wrapped,
        lambda folder: _Wrapped(harness=wrap(block, mapped, folder, Family.ECP5)),
    )

    def routed(seed: int) -> Route:
        decides = ("route", inside.name, version, *device.options, f"{target_mhz:g}", seed)
        return _kept(cache, decides, Route, lambda to: route(inside, to, device, target_mhz, seed, block.top))[0]

    return Placement(
        block=block.top,
        sources_digest=block.digest,
        device=device,
        target_mhz=target_mhz,
        harness=wrapped.harness,
        routes=tuple(map(routed, dict.fromkeys(seeds))),
        estimator=f"{version} {' '.join(device.options)} --freq {target_mhz:g} after {yosys_version()} "
        f"{Family.ECP5.command}",
    )


def _mapped(block: Block, family: Family, cache: Path) -> tuple[Synthesis, Path]:
    """The mapped block and the folder of its netlist."""
    digest = block.digest

    def make(folder: Path) -> Synthesis:
        resources = map_block(block, folder, family)
        levels = logic_levels(folder, family)
        if family is not Family.ECP5:
            (folder / NETLIST).unlink()
        return Synthesis(block=block.top, sources_digest=digest, family=family, resources=resources, levels=levels)

    return _kept(cache, ("map", digest, yosys_version(), family.command), Synthesis, make)


def _kept(
    cache: Path, decides: tuple[object, ...], kind: type[_Made], make: Callable[[Path], _Made]
) -> tuple[_Made, Path]:
    """The result and the folder of a cache's entry, made if it is not there."""
    key = hashlib.sha256(json.dumps([_FORMAT, *decides]).encode()).hexdigest()
    entry = cache / f"{decides[0]}_{key[:32]}"
    if not (entry / _RESULT).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=cache))
        try:
            make(scratch).save(scratch / _RESULT)
            _publish(scratch, entry)
        except CheckError as error:
            failed = entry.with_name(f"failed_{entry.name}")
            shutil.rmtree(failed, ignore_errors=True)
            scratch.rename(failed)
            raise CheckError(str(error).replace(scratch.name, failed.name)) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return kind.load(entry / _RESULT), entry


def _publish(scratch: Path, entry: Path) -> None:
    """Rename a whole entry into its place, unless another process was faster."""
    try:
        scratch.rename(entry)
    except OSError:
        if not (entry / _RESULT).is_file():
            raise
