"""Names beside markers, where they cover the least of other markers and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes

POINTS: Final = 9.5
"""Size of the letters."""
LETTER: Final = 0.56
"""Width of a letter by its size, on average."""
SIDES: Final = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
PANEL_POINTS: Final = (215.0, 235.0)
"""Width and height of the axes that tags are written in, about."""

Box = tuple[float, float, float, float]
"""Left, bottom, right and top in points."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A text and the data coordinates of what it names."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Spot:
    """A marker: its data coordinates and its radius in points."""

    x: float
    y: float
    radius: float


def write_tags(
    axes: Axes, tags: Sequence[Tag], radii: Sequence[float], spots: Sequence[Spot], lines: Sequence[float]
) -> None:
    """Write every tag, the first in bold, beside the marker of that radius (0: one of the `lines`, above or below)."""
    taken = [_around(axes, spot.x, spot.y, spot.radius) for spot in spots]
    heights = [_points(axes, 0, y)[1] for y in lines]
    taken += [(0.0, height - 2, PANEL_POINTS[0], height + 2) for height in heights]
    for tag, radius in zip(tags, radii, strict=True):
        width, height = LETTER * POINTS * len(tag.text), 1.2 * POINTS
        options = [_beside(side, radius, width, height) for side in SIDES] if radius else [(2.0, 3.0), (2.0, -14.0)]
        x, y = _points(axes, tag.x, tag.y)
        boxes = [(x + dx, y + dy, x + dx + width, y + dy + height) for dx, dy in options]
        best = min(range(len(boxes)), key=lambda i: _badness(boxes[i], taken))
        taken.append(boxes[best])
        axes.annotate(
            tag.text, (tag.x, tag.y), options[best], textcoords="offset points", fontsize=POINTS, zorder=6,
            fontweight="bold" if tag is tags[0] else None,
        )  # fmt: skip


def _beside(side: tuple[int, int], radius: float, width: float, height: float) -> tuple[float, float]:
    """The lower left corner of a text on one side of a marker, from its middle."""
    gap = radius + 3 if 0 in side else 0.75 * radius + 2
    x = gap if side[0] > 0 else -gap - width if side[0] < 0 else -width / 2
    y = gap if side[1] > 0 else -gap - height if side[1] < 0 else -0.35 * height
    return x, y


def _points(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Data coordinates in points from the lower left corner of the axes."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return (x - left) / (right - left) * PANEL_POINTS[0], (y - bottom) / (top - bottom) * PANEL_POINTS[1]


def _around(axes: Axes, x: float, y: float, radius: float) -> Box:
    at = _points(axes, x, y)
    return at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius


def _badness(box: Box, taken: Sequence[Box]) -> float:
    """Square points that a text covers of others, and ten times what is outside the axes."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    inside = _overlap(box, (0.0, 0.0, *PANEL_POINTS))
    return sum(_overlap(box, other) for other in taken) + 10 * (area - inside)


def _overlap(one: Box, other: Box) -> float:
    width = np.clip(min(one[2], other[2]) - max(one[0], other[0]), 0, None)
    height = np.clip(min(one[3], other[3]) - max(one[1], other[1]), 0, None)
    return float(width * height)
