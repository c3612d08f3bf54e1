"""`StreamLedger`: rate × event size = bandwidth of the full-event and the trigger-level stream."""

from __future__ import annotations

import math
from pathlib import Path

import awkward as ak
import correctionlib
import numpy as np
from pydantic import Field, model_validator

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.reuse import interaction_groups
from trigforge.tla.menu import Menu, decide
from trigforge.tla.rates import any_accepted, tabulate_rates
from trigforge.tla.tla_file import JET_PT_MIN_GEV, Container, PartSize, tla_content, tla_jets, write_tla
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, crossing_rate_hz
from trigforge.value import Value
from trigforge.weighted import (
    MIN_EFFECTIVE_EVENTS,
    FloatArray,
    Rate,
    check_weights,
    measure_rate,
    refuse_unsupported,
)

NOMINAL_EVENT_BYTES = 1.5e6
"""Size of a full raw event: an assumption of every study here, not a measurement."""


class StreamRow(Value):
    """One stream; `size_is_measured` says whether `event_bytes` was read off a written file or is assumed."""

    name: str
    selection: str
    rate_hz: float = Field(ge=0)
    rate_err_hz: float = Field(default=0.0, ge=0)
    effective_events: float | None = None
    event_bytes: float = Field(gt=0)
    size_is_measured: bool
    bandwidth_mb_s: float
    parts: tuple[PartSize, ...] = ()

    @model_validator(mode="after")
    def _bandwidth_is_rate_times_size(self) -> StreamRow:
        product = self.rate_hz * self.event_bytes / 1e6
        if not math.isclose(self.bandwidth_mb_s, product, rel_tol=1e-9, abs_tol=1e-12):
            raise ValueError(f"bandwidth must be rate x size = {product:g} MB/s, not {self.bandwidth_mb_s:g}")
        return self


class StreamLedger(Value):
    """Streams, their rates, sizes and bandwidths, and what a reader of them must know."""

    rows: tuple[StreamRow, ...] = Field(min_length=1)
    notes: tuple[str, ...] = ()

    @property
    def bandwidth_mb_s(self) -> float:
        """Sum over the streams."""
        return sum(row.bandwidth_mb_s for row in self.rows)

    def stream(self, name: str) -> StreamRow:
        """One stream by name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError(f"stream must be one of {', '.join(r.name for r in self.rows)}, not {name!r}")

    def summary(self) -> dict[str, dict[str, float]]:
        """The entry `streams` of a run's summary."""
        keys = ("rate_hz", "event_bytes", "bandwidth_mb_s")
        return {row.name: {key: getattr(row, key) for key in keys} for row in self.rows}


class StreamOptions(Value):
    """Selections of the two streams."""

    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES
    main_stream: str = "main"
    main_rate_hz: float = Field(default=1000.0, gt=0)
    main_event_bytes: float = Field(default=NOMINAL_EVENT_BYTES, gt=0)
    tla_stream: str = "tla"
    tla_min_jets: int = Field(default=2, ge=1)
    tla_jet_pt_gev: float = Field(default=JET_PT_MIN_GEV, gt=0)
    container: Container = Container.TTREE
    min_effective_events: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0)


def measure_streams(
    menu: Menu,
    events: ak.Array,
    scores: IntArray | None,
    cset: correctionlib.CorrectionSet,
    tla_path: Path,
    options: StreamOptions | None = None,
) -> StreamLedger:
    """The streams of a menu on background events (n); the trigger-level one is written to `tla_path`.

    Main: Level-1 seeds of the main stream and a leading calibrated jet above the threshold that gives the wanted
    rate. TLA: seeds of the TLA stream and `tla_min_jets` calibrated jets.
    """
    o = options or StreamOptions()
    decisions = decide(menu, events, scores)
    weights = check_weights(ak.to_numpy(events["weight"]))
    jets = tla_jets(events, cset, o.tla_jet_pt_gev)
    main = any_accepted(menu, decisions, menu.of_stream(o.main_stream))
    tla = any_accepted(menu, decisions, menu.of_stream(o.tla_stream))
    tla = tla * ak.to_numpy(ak.num(jets) >= o.tla_min_jets)
    chosen, groups = tla > 0, interaction_groups(events)
    content = tla_content(
        events[chosen],
        jets[chosen],
        {name: bits[chosen] for name, bits in decisions.items()},
        None if scores is None else scores[chosen],
    )
    rows = (
        _main_row(main, jets, weights, groups, o),
        _tla_row(content, tla[chosen], measure_rate(weights, tla, o.colliding_bunches, groups), tla_path, o),
    )
    table = tabulate_rates(menu, decisions, weights, o.colliding_bunches, groups)
    assumed = f"the full event size of {o.main_event_bytes / 1e6:g} MB is an assumption, not measured"
    return StreamLedger(rows=rows, notes=(*table.notes, assumed))


def founding_figures() -> StreamLedger:
    """The figures to reproduce: 1 kHz of 1.5 MB = 1.5 GB/s beside 4 kHz of 5 kB = 20 MB/s."""
    nominal = Rate(1000.0, 0.0, 0.0), Rate(4000.0, 0.0, 0.0)
    return StreamLedger(
        rows=(
            _row("main", "nominal", nominal[0], NOMINAL_EVENT_BYTES),
            _row("tla", "nominal", nominal[1], 5e3),
        ),
        notes=("nominal figures, not measured",),
    )


def _main_row(
    accepted: FloatArray, jets: ak.Array, weights: FloatArray, groups: IntArray, o: StreamOptions
) -> StreamRow:
    leading = ak.to_numpy(ak.fill_none(ak.firsts(jets["pt"]), 0.0))
    threshold = _threshold_at_rate(leading, weights * accepted, o)
    selected = accepted * (leading >= threshold)
    rate = measure_rate(weights, selected, o.colliding_bunches, groups)
    probability = o.main_rate_hz / crossing_rate_hz(o.colliding_bunches)
    what = f"a main stream of {o.main_rate_hz:g} Hz"
    refuse_unsupported(what, len(weights), rate.effective_events, probability, o.min_effective_events)
    return _row(o.main_stream, f"leading jet pt >= {threshold:.1f} GeV", rate, o.main_event_bytes)


def _threshold_at_rate(values: FloatArray, weights: FloatArray, o: StreamOptions) -> float:
    """The lowest of `values` (n,) above which the rate of `weights` (n,) does not exceed the wanted one."""
    distinct, place = np.unique(values, return_inverse=True)
    above = np.cumsum(np.bincount(place, weights)[::-1])[::-1]
    within = crossing_rate_hz(o.colliding_bunches) * above <= o.main_rate_hz
    return float(distinct[np.argmax(within)]) if within.any() else float(np.nextafter(distinct[-1], np.inf))


def _tla_row(content: ak.Array, chances: FloatArray, rate: Rate, path: Path, o: StreamOptions) -> StreamRow:
    """The stream at its rate, with the bytes of an event of the expected mix rather than of the simulated one."""
    size = write_tla(path, content, o.container)
    shares = ak.to_numpy(content["genWeight"]).astype(np.float64) * chances
    mean_jets = float(np.average(ak.to_numpy(ak.num(content["TLAJet"])), weights=shares))
    selection = f">= {o.tla_min_jets} jets of pt >= {o.tla_jet_pt_gev:g} GeV"
    return _row(o.tla_stream, selection, rate, size.event_bytes(mean_jets), size.parts)


def _row(name: str, selection: str, rate: Rate, event_bytes: float, parts: tuple[PartSize, ...] = ()) -> StreamRow:
    return StreamRow(
        name=name,
        selection=selection,
        rate_hz=rate.hz,
        rate_err_hz=rate.error_hz,
        effective_events=rate.effective_events or None,
        event_bytes=event_bytes,
        size_is_measured=bool(parts),
        bandwidth_mb_s=rate.hz * event_bytes / 1e6,
        parts=parts,
    )
