"""The scale of signals along depth, beside what theory expects and where findings are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fanin.diagnosis import Report
from fanin.picture import Ink, Picture
from fanin.report.check_layers import Row
from fanin.report.check_tables import severity
from fanin.report.depth_axes import MANY, RINGS, clipped, draw_values, frame, placed
from fanin.report.expected_scale import Expected, expected_forward, expected_gradient

BAND = "#009e73"
_MOST_NUMBERED = 12


def forward_picture(report: Report, layers: Sequence[Row]) -> Picture:
    """RMS of what each layer puts out."""
    values = [row.layer.forward for row in layers]

    def around_one(axes: Axes, ink: Ink) -> None:
        axes.axhline(1.0, color=ink.text, linewidth=0.8, linestyle=(0, (2, 3)))
        low, high = axes.get_ylim()
        axes.set_ylim(min(low / 2, 0.08), max(high * 5, 12.0))

    return _picture(report, layers, values, expected_forward(layers), "Output", around_one)


def gradient_picture(report: Report, layers: Sequence[Row]) -> Picture:
    """RMS of the loss's gradient for what each layer puts out."""
    values = [row.layer.gradient for row in layers]

    def wide(axes: Axes, _: Ink) -> None:
        low, high = axes.get_ylim()
        axes.set_ylim(low / 3, high * 5)

    return _picture(report, layers, values, expected_gradient(layers), "Gradient", wide)


def _picture(
    report: Report,
    layers: Sequence[Row],
    values: Sequence[float | None],
    expected: Sequence[Expected | None],
    title: str,
    limits: Callable[[Axes, Ink], None],
) -> Picture:
    def draw(figure: Figure, ink: Ink) -> None:
        axes = figure.subplots()
        axes.set_yscale("log")
        _draw_expected(axes, expected)
        heights = placed(values)
        draw_values(axes, values, heights)
        _draw_findings(axes, report, layers, heights, ink)
        limits(axes, ink)
        frame(axes, len(values))
        axes.set(title=f"{title}, RMS", xlabel="layers, from input to output")

    known = sum(value is not None for value in values)
    label = f"{title} RMS along depth at {known} of {len(values)} layers, as in the table of layers"
    return Picture(draw, label, (5.2, 3.3))


def _draw_expected(axes: Axes, expected: Sequence[Expected | None]) -> None:
    places = [(x, one) for x, one in enumerate(expected, 1)]
    for known, group in groupby(places, key=lambda pair: pair[1] is not None):
        pairs = [(x, one) for x, one in group if one is not None]
        if not known:
            continue
        # Half a layer to each side, so that one alone can be seen.
        x = [pairs[0][0] - 0.4, *(x for x, _ in pairs), pairs[-1][0] + 0.4]
        bands = [pairs[0][1], *(one for _, one in pairs), pairs[-1][1]]
        low, high = zip(*((clipped(one.low), clipped(one.high)) for one in bands), strict=True)
        axes.fill_between(x, low, high, color=BAND, alpha=0.28, linewidth=0, gid="expected")


def _draw_findings(
    axes: Axes,
    report: Report,
    layers: Sequence[Row],
    values: Sequence[float | None],
    ink: Ink,
) -> None:
    named = [
        (row, severity(report, row.layer), (row.place, value))
        for row, value in zip(layers, values, strict=True)
        if value is not None and row.layer.findings
    ]
    size = 9.0 if len(values) < MANY else 5.0
    for worst, mark in (("warning", "s"), ("error", "o")):
        points = [point for _, own, point in named if own == worst]
        if points:
            axes.plot(
                *zip(*points, strict=True), mark, markersize=size, fillstyle="none",
                color=RINGS[worst], markeredgewidth=1.6,
            )  # fmt: skip
    numbered: set[int] = set()
    for row, _, point in named:
        new = sorted(set(row.layer.findings) - numbered)[: _MOST_NUMBERED - len(numbered)]
        if new:
            numbered.update(new)
            axes.annotate(
                ", ".join(str(index + 1) for index in new), point, (0, 7),
                textcoords="offset points", ha="center", fontsize=9, weight="bold", color=ink.text,
            )  # fmt: skip
