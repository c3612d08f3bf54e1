"""`write_report`: a run as one self-contained HTML page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from trigforge.comparison_tables import LEGEND
from trigforge.notation import GROUP, count
from trigforge.plots import figures, render
from trigforge.plots.style import INK, conditions, title_of
from trigforge.report_explanations import display_titles, explanation_tables
from trigforge.report_tables import NOT_COMPARABLE, tables
from trigforge.report_verdict import headlines, verdict, warnings
from trigforge.results import Results
from trigforge.units import crossing_rate_hz
from trigforge.value import write_atomic

TEMPLATE: Final = "report.html"


def write_report(results: Results, path: Path) -> None:
    """Write the page; the file is complete or not there, and the same for the same results."""
    write_atomic(path, render_report(results))


def render_report(results: Results) -> str:
    """The page as HTML without any outside resource: plots are inline SVG that take the page's colour of ink."""
    environment = Environment(
        loader=PackageLoader("trigforge"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plots = {name: inline_svg(render(figure, "svg"), name) for name, figure in figures(results).items()}
    return environment.get_template(TEMPLATE).render(
        results=results,
        conditions=conditions(results),
        crossing_mhz=f"{crossing_rate_hz(results.config.rates.colliding_bunches) / 1e6:.2f}{GROUP}MHz",
        headlines=headlines(results),
        verdict=verdict(results),
        warnings=warnings(results),
        tables={**tables(results), **explanation_tables(results)},
        plots=plots,
        not_comparable=NOT_COMPARABLE,
        comparison_legend=LEGEND,
        jets_fitted=count(results.jets.jets_fitted),
        jets_tested=count(results.jets.jets_tested),
        sqrt_s_tev=f"{results.search.sqrt_s_gev / 1e3:g}",
        displays=display_titles(results),
        rocs=[(f"roc_{i}", title_of(r.name)) for i, r in enumerate(results.performance.rocs, start=1)],
    )


def inline_svg(svg: bytes, name: str) -> Markup:
    """An SVG file as an element of a page: no prologue, comments or metadata, its ids its own, as wide as its place."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?|<metadata>.*?</metadata>\n?", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| version="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace(INK, "currentColor")
    label = f'<svg role="img" aria-label="{name.replace("_", " ")}"'
    return Markup(re.sub(r'<svg width="[^"]*" height="[^"]*"', label, text, count=1))  # noqa: S704  (matplotlib's own)
