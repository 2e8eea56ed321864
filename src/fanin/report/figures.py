"""Pictures of a comparison as inline SVG: text stays text and takes the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fanin.ensembles import Comparison
from fanin.report.summaries import Band, layer_profile, loss_band, loss_by_rate, metric_band

# Readable on white and on near black; Okabe, Ito 2008, without its black and yellow.
_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#a6761d",
)  # fmt: skip
_STYLES = ("-", "--", ":", "-.")
# Stand-ins that the page's own colours replace.
_INK, _FAINT = "#010203", "#040506"
_STYLE: dict[str, Any] = {
    "axes.edgecolor": _FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "fanin",
    "text.color": _INK,
    "xtick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.color": _FAINT,
    "ytick.labelcolor": _INK,
}
# A signal of zero has no place on a log axis; it is drawn at its lower edge.
_SMALLEST, _GREATEST = 1e-14, 1e14


def curves(comparison: Comparison) -> str:
    """Training loss and held-out metric over steps, with the range over seeds."""

    def draw(left: Axes, right: Axes) -> None:
        # A run that starts at 1e10 would press all others onto the axis.
        ceiling = 2.0 * comparison.uninformed_loss
        for i, row in enumerate(comparison.ranking):
            _draw_band(left, loss_band(comparison, row), i, row.name)
            _draw_band(right, metric_band(comparison, row), i, row.name)
        left.axhline(comparison.uninformed_loss, color=_INK, linewidth=0.8, linestyle=(0, (2, 3)))
        left.set_ylim(0, ceiling)
        left.set(title=f"Training loss ({comparison.loss_name})", xlabel="step")
        right.set(title=f"Held-out {comparison.metric_name}", xlabel="step")

    return _two_panels(draw, "Training loss and held-out metric over steps, one line a recipe")


def signals(comparison: Comparison) -> str:
    """RMS of every layer's output and gradient before training, on log axes."""

    def draw(left: Axes, right: Axes) -> None:
        for i, row in enumerate(comparison.ranking):
            profile = layer_profile(comparison, row.name)
            x = np.arange(1.0, len(profile.layers) + 1)
            for axes, values in ((left, profile.forward), (right, profile.gradient)):
                clipped = np.clip(np.nan_to_num(values, nan=_GREATEST), _SMALLEST, _GREATEST)
                _draw_band(axes, Band(x, *clipped.T), i, row.name)
        for axes, title in ((left, "Output"), (right, "Gradient of a sample's loss")):
            axes.set_yscale("log")
            axes.axhline(1.0, color=_INK, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.set(title=f"{title}, RMS by layer", xlabel="layer, from input to output")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, _SMALLEST / 3), min(high, _GREATEST * 3))

    return _two_panels(draw, "RMS of outputs and gradients by layer before training")


def rates(comparison: Comparison) -> str:
    """Final training loss over learning rates: how much the choice matters for each recipe."""

    def draw(axes: Axes) -> None:
        for i, row in enumerate(comparison.ranking):
            x, y = loss_by_rate(comparison, row.name)
            axes.plot(x, y, **_line(i), marker="o", markersize=4, label=_plain(row.name))
        axes.set_xscale("log")
        axes.set_xticks(sorted(comparison.learning_rates))
        axes.set_xticklabels([f"{rate:g}" for rate in sorted(comparison.learning_rates)])
        axes.minorticks_off()
        axes.set_ylim(0, 2.0 * comparison.uninformed_loss)
        axes.set(title="Training loss at the end", xlabel="learning rate")

    return _one_panel(draw, "Final training loss over learning rates, one line a recipe")


def _line(place: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _STYLES[place // len(_COLOURS) % len(_STYLES)],
    }


def _plain(name: str) -> str:
    """A name for a legend: a dollar sign in it would begin a formula."""
    return name.replace("$", r"\$")


def _draw_band(axes: Axes, band: Band, place: int, label: str) -> None:
    axes.plot(band.x, band.middle, **_line(place), label=_plain(label), zorder=3 - place * 0.01)
    axes.fill_between(
        band.x, band.low, band.high, color=_line(place)["color"], alpha=0.15, linewidth=0
    )


def _two_panels(draw: Callable[[Axes, Axes], None], label: str) -> str:
    with rc_context(_STYLE):  # type: ignore[arg-type]  # keys are literals to the stub
        figure = Figure(figsize=(10.2, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw(left, right)
        return _svg(figure, [left, right], label)


def _one_panel(draw: Callable[[Axes], None], label: str) -> str:
    with rc_context(_STYLE):  # type: ignore[arg-type]  # keys are literals to the stub
        figure = Figure(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        return _svg(figure, [axes], label)


def _svg(figure: Figure, axes: Sequence[Axes], label: str) -> str:
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper")
    text = io.StringIO()
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(text, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace(_INK, "currentColor").replace(_FAINT, "var(--faint)")
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
