"""The look of all plots: mplhep's ROOT style on matplotlib's own `Figure`, nothing global is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import SymmetricalLogLocator
from numpy.typing import ArrayLike

from trigforge.notation import GROUP
from trigforge.results import Results
from trigforge.sim.collisions.config import TITLES
from trigforge.sim.collisions.processes import PRIMARIES
from trigforge.units import SQRT_S_GEV

INK: Final = "#10141a"
"""Colour of axes and text; a page may replace it by its own."""

MUTED: Final = "#7b8290"
PALETTE: Final = ("#5790fc", "#e42536", "#f89c20", "#964a8b", "#9c9ca1", "#7a21dd")
"""The six colours of arXiv:2107.02270, told apart by colour-blind readers."""

CHOICE: Final = PALETTE[2]
"""Colour of the chosen threshold in all plots."""

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<")
LINES: Final = ((0, ()), (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
SIMULATION: Final = "simulation"
WIDTH: Final = 6.9
"""Inches of a plot."""

_SETTINGS: Final[dict[str, Any]] = {
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "font.size": 12,
    "axes.labelsize": 12.5,
    "axes.titlesize": 12,
    "axes.linewidth": 1.0,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": True,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 7,
    "xtick.minor.size": 3.5,
    "ytick.major.size": 7,
    "ytick.minor.size": 3.5,
    "legend.fontsize": 11,
    "legend.handlelength": 2.2,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "errorbar.capsize": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "trigforge",
    "pdf.fonttype": 42,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "axes.titlecolor"), INK
    ),
}


@contextmanager
def plot_style() -> Iterator[None]:
    """The style, in force until the block ends; figures are made and drawn inside."""
    import mplhep

    with matplotlib.style.context([mplhep.style.ROOT, _SETTINGS]):
        yield


def new_figure(height: float = 5.0, width: float = WIDTH) -> Figure:
    """An empty figure whose parts keep clear of one another."""
    return Figure(figsize=(width, height), layout="constrained")


def label(axes: Axes, results: Results, right: str = "") -> None:
    """Say above the axes what is seen: simulation, not data, of which collisions."""
    heading(axes, SIMULATION, right or conditions(results))


def heading(axes: Axes, left: str, right: str) -> None:
    """Say above the axes what is seen."""
    axes.set_title(rf"$\mathbf{{trigforge}}$ $\mathit{{{left}}}$", loc="left")
    axes.set_title(right, loc="right")


def conditions(results: Results) -> str:
    """Generator, energy and mean pile-up."""
    return collisions(results.pileup)


def collisions(pileup: float) -> str:
    """Which simulated collisions, with how much pile-up."""
    return f"Pythia 8, {SQRT_S_GEV / 1e3:g} TeV, ⟨µ⟩ = {pileup:g}"


def legend_below(figure: Figure, axes: Axes | Sequence[Axes], columns: int = 2) -> Legend:
    """A legend under the axes, where it covers no data."""
    first = [axes] if isinstance(axes, Axes) else axes
    entries = {text: handle for a in first for handle, text in zip(*a.get_legend_handles_labels(), strict=True)}
    return figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)


def plain(text: str) -> str:
    """Text of a user for a plot: no mathematics in it, ordinary spaces."""
    return text.replace(GROUP, " ").replace("$", r"\$")


def title_of(name: str) -> str:
    """What a sample is called: the title of a simulated process, else its name."""
    return PRIMARIES[name].title if name in PRIMARIES else TITLES.get(name, name)


def decades(values: Sequence[float], low: float = 0.5, high: float = 2.0) -> tuple[float, float]:
    """Limits of a logarithmic axis that holds the positive ones of `values`, with margins as factors."""
    positive = [v for v in values if v > 0] or [1.0]
    return min(positive) * low, max(positive) * high


def proportional(factor: float) -> tuple[Callable[[ArrayLike], ArrayLike], Callable[[ArrayLike], ArrayLike]]:
    """The two functions of a second axis that shows `factor` times the first."""
    return (lambda v: factor * np.asarray(v, dtype=np.float64), lambda v: np.asarray(v, dtype=np.float64) / factor)


def score_axis(axes: Axes, low: float, high: float) -> None:
    """Make x that of an integer score: logarithmic, and linear up to 1 if that is on it."""
    if low >= 1:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        minor = SymmetricalLogLocator(base=10, linthresh=1, subs=range(2, 10))
        axes.xaxis.set_minor_locator(minor)
    axes.set_xlim(low, high)
    axes.set_xlabel("anomaly score (firmware integer)")
