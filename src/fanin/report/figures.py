"""Pictures of a comparison as inline SVG: text stays text and takes the page's colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fanin.ensembles import Comparison
from fanin.picture import Ink, Picture, line, plain
from fanin.report.summaries import Band, layer_profile, loss_band, loss_by_rate, metric_band

# A signal of zero has no place on a log axis; it is drawn at its lower edge.
_SMALLEST, _GREATEST = 1e-14, 1e14


def curves(comparison: Comparison) -> str:
    """Training loss and held-out metric over steps, with the range over seeds."""

    def draw(left: Axes, right: Axes, ink: Ink) -> None:
        # A run that starts at 1e10 would press all others onto the axis.
        ceiling = 2.0 * comparison.uninformed_loss
        for i, row in enumerate(comparison.ranking):
            _draw_band(left, loss_band(comparison, row), i, row.name)
            _draw_band(right, metric_band(comparison, row), i, row.name)
        left.axhline(
            comparison.uninformed_loss, color=ink.text, linewidth=0.8, linestyle=(0, (2, 3))
        )
        left.set_ylim(0, ceiling)
        left.set(title=f"Training loss ({comparison.loss_name})", xlabel="step")
        right.set(title=f"Held-out {comparison.metric_name}", xlabel="step")

    return _two_panels(draw, "Training loss and held-out metric over steps, one line a recipe")


def signals(comparison: Comparison) -> str:
    """RMS of every layer's output and gradient before training, on log axes."""

    def draw(left: Axes, right: Axes, ink: Ink) -> None:
        for i, row in enumerate(comparison.ranking):
            profile = layer_profile(comparison, row.name)
            x = np.arange(1.0, len(profile.layers) + 1)
            for axes, values in ((left, profile.forward), (right, profile.gradient)):
                clipped = np.clip(np.nan_to_num(values, nan=_GREATEST), _SMALLEST, _GREATEST)
                _draw_band(axes, Band(x, *clipped.T), i, row.name)
        for axes, title in ((left, "Output"), (right, "Gradient of a sample's loss")):
            axes.set_yscale("log")
            axes.axhline(1.0, color=ink.text, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.set(title=f"{title}, RMS by layer", xlabel="layer, from input to output")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, _SMALLEST / 3), min(high, _GREATEST * 3))

    return _two_panels(draw, "RMS of outputs and gradients by layer before training")


def rates(comparison: Comparison) -> str:
    """Final training loss over learning rates: how much the choice matters for each recipe."""

    def draw(axes: Axes, _: Ink) -> None:
        for i, row in enumerate(comparison.ranking):
            x, y = loss_by_rate(comparison, row.name)
            axes.plot(x, y, **line(i), marker="o", markersize=4, label=plain(row.name))
        axes.set_xscale("log")
        axes.set_xticks(sorted(comparison.learning_rates))
        axes.set_xticklabels([f"{rate:g}" for rate in sorted(comparison.learning_rates)])
        axes.minorticks_off()
        axes.set_ylim(0, 2.0 * comparison.uninformed_loss)
        axes.set(title="Training loss at the end", xlabel="learning rate")

    return _one_panel(draw, "Final training loss over learning rates, one line a recipe")


def _draw_band(axes: Axes, band: Band, place: int, label: str) -> None:
    axes.plot(band.x, band.middle, **line(place), label=plain(label), zorder=3 - place * 0.01)
    axes.fill_between(
        band.x, band.low, band.high, color=line(place)["color"], alpha=0.15, linewidth=0
    )


def _two_panels(draw: Callable[[Axes, Axes, Ink], None], label: str) -> str:
    def fill(figure: Figure, ink: Ink) -> None:
        left, right = figure.subplots(1, 2)
        draw(left, right, ink)
        _legend(figure, left)

    return Picture(fill, label, (10.2, 3.6)).svg()


def _one_panel(draw: Callable[[Axes, Ink], None], label: str) -> str:
    def fill(figure: Figure, ink: Ink) -> None:
        axes = figure.subplots()
        draw(axes, ink)
        _legend(figure, axes)

    return Picture(fill, label, (6.4, 3.4)).svg()


def _legend(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper")
