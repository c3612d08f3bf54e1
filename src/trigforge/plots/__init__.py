"""The plots of a run: pure functions from `Results` to matplotlib figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from matplotlib.figure import Figure

from trigforge.models.metrics import Comparison
from trigforge.plots import comparison, event_display, explanations, offline, performance, rates
from trigforge.plots.style import conditions, plot_style
from trigforge.results import Results
from trigforge.value import write_atomic

PLOTS: Final[Mapping[str, Callable[[Results], Figure]]] = MappingProxyType(
    {
        "score_spectrum": performance.spectrum_plot,
        "score_objects": explanations.objects_plot,
        "score_fields": explanations.fields_plot,
        "training": performance.training_plot,
        "threshold": rates.threshold_plot,
        "menu_rates": rates.menu_plot,
        "menu_overlap": rates.overlap_plot,
        "streams": rates.streams_plot,
        "jet_response": offline.response_plot,
        "jet_closure": offline.closure_plot,
        "jet_resolution": offline.resolution_plot,
        "dijet_mass": offline.dijet_plot,
    }
)
"""Every plot of which a run has one; of ROC curves (`roc_1` …) and event displays (`event_1` …) there are several."""

TALK_DPI: Final = 200


def figures(results: Results) -> dict[str, Figure]:
    """All plots of a run by name, `roc_1` … first, `event_1` … last."""
    with plot_style():
        drawn = comparison_figures(results.performance.comparison, conditions(results))
        drawn |= {name: draw(results) for name, draw in PLOTS.items()}
        origin, shown = explanations.origin_of(results), enumerate(results.explanations.shown, start=1)
        return drawn | {f"event_{i}": event_display.display(results.explanations, e, origin) for i, e in shown}


def comparison_figures(found: Comparison, right: str) -> dict[str, Figure]:
    """The plots of a comparison by name: `roc_1` … of its signals, and `sculpting`; `right` says what events they are.

    Figures are made inside `plot_style`.
    """
    drawn = {f"roc_{i}": comparison.rate_plot(found, n, right) for i, n in enumerate(found.signals, start=1)}
    return drawn | {"sculpting": comparison.sculpting_plot(found, right)}


def render(figure: Figure, form: str) -> bytes:
    """The file of a figure as `svg`, `png` or `pdf`, the same bytes for the same figure."""
    stamps: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    buffer = BytesIO()
    solid: dict[str, Any] = {} if form == "svg" else {"facecolor": "white"}
    with plot_style():
        figure.savefig(buffer, format=form, metadata=stamps[form], dpi=TALK_DPI, **solid)
    return buffer.getvalue()


def save_plots(results: Results, folder: Path) -> tuple[Path, ...]:
    """Write every plot as PNG and PDF for talks; returns the files."""
    files = []
    for name, figure in figures(results).items():
        for form in ("png", "pdf"):
            files.append(folder / f"{name}.{form}")
            write_atomic(files[-1], render(figure, form))
    return tuple(files)
