"""The axes of a scale along depth: a log axis that has a place for every number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

LINE: Final = "#0072b2"
RINGS: Final = {"error": "#cc3377", "warning": "#e69f00"}
MANY: Final = 60
"""From so many layers on, marks are small."""

# A picture of numbers in double precision still needs room about them.
_SMALLEST, _GREATEST = 1e-200, 1e200


def draw_values(
    axes: Axes, values: Sequence[float | None], heights: Sequence[float | None]
) -> None:
    """A point for each number: a circle, a triangle for 0, a cross for what is not finite."""
    points = [
        (x, y, value)
        for x, (y, value) in enumerate(zip(heights, values, strict=True), 1)
        if y is not None and value is not None
    ]
    axes.plot([x for x, *_ in points], [y for _, y, _ in points], color=LINE, lw=1, alpha=0.8)
    size = 4.5 if len(values) < MANY else 2.0
    for mark, colour, fits in (
        ("o", LINE, lambda value: 0 < value < math.inf),
        ("v", LINE, lambda value: value == 0),
        ("x", RINGS["error"], lambda value: not math.isfinite(value)),
    ):
        own = [(x, y) for x, y, value in points if fits(value)]
        if own:
            large = size if mark == "o" else size + 2.5
            axes.plot(*zip(*own, strict=True), mark, color=colour, markersize=large)


def frame(axes: Axes, count: int) -> None:
    """Limits and ticks for so many layers."""
    axes.set_xlim(0.4, max(count, 1) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_minor_formatter(NullFormatter())


def placed(values: Sequence[float | None]) -> list[float | None]:
    """On a log axis: zeros a decade below the rest, what is not finite a decade above it."""
    proper = [value for value in values if value is not None and 0 < value < math.inf]
    low = clipped(min(proper, default=0.1) / 10)
    high = clipped(max(proper, default=10.0) * 10)

    def place(value: float) -> float:
        return min(max(value, low), high) if math.isfinite(value) else high

    return [None if value is None else place(value) for value in values]


def clipped(value: float) -> float:
    """Where a picture has room for it."""
    return min(max(value, _SMALLEST), _GREATEST)
