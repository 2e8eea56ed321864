"""The scale of signals along depth as a plan has it: predicted, and measured in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fanin.picture import Ink, Picture
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.report.depth_axes import MANY, clipped, draw_values, frame, placed

PREDICTED = "#009e73"


def signal_rows(plan: Plan) -> tuple[Row, ...]:
    """The rows whose operation puts out a signal of which something is known."""
    return tuple(
        row for row in plan.rows if not row.predicted is row.measured is row.gradient is None
    )


def forward_picture(rows: Sequence[Row]) -> Picture:
    """RMS of what each operation puts out: a line where it is predicted, points as measured."""
    predicted = [row.predicted for row in rows]
    measured = [row.measured for row in rows]

    def draw(axes: Axes, ink: Ink) -> None:
        axes.axhline(1.0, color=ink.text, linewidth=0.8, linestyle=(0, (2, 3)))
        heights = [None if value is None else clipped(value) for value in placed(predicted)]
        points = [(x, y) for x, y in enumerate(heights, 1) if y is not None]
        if points:
            size = 8.0 if len(rows) < MANY else 3.0
            axes.plot(
                *zip(*points, strict=True), "s-", color=PREDICTED, alpha=0.75, lw=1,
                markersize=size, fillstyle="none", gid="predicted",
            )  # fmt: skip
        draw_values(axes, measured, placed(measured))
        low, high = axes.get_ylim()
        axes.set_ylim(min(low / 2, 0.08), max(high * 2, 12.0))

    return _picture("Output", draw, measured, len(rows))


def gradient_picture(rows: Sequence[Row]) -> Picture:
    """RMS of the loss's gradient for what each operation puts out."""
    values = [row.gradient for row in rows]

    def draw(axes: Axes, _: Ink) -> None:
        draw_values(axes, values, placed(values))
        low, high = axes.get_ylim()
        axes.set_ylim(low / 3, high * 3)

    return _picture("Gradient", draw, values, len(rows))


def _picture(
    title: str,
    draw_on: Callable[[Axes, Ink], None],
    values: Sequence[float | None],
    count: int,
) -> Picture:
    def draw(figure: Figure, ink: Ink) -> None:
        axes = figure.subplots()
        axes.set_yscale("log")
        draw_on(axes, ink)
        frame(axes, count)
        axes.set(title=f"{title}, RMS", xlabel="weights, in the model's order")

    known = sum(value is not None for value in values)
    label = f"{title} RMS along depth, measured at {known} of {count} weights, as in the table"
    return Picture(draw, label, (5.2, 3.3))
