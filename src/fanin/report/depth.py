"""The scale of signals along depth, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from fanin.observation.observed import Observation
from fanin.observation.readouts import Signal
from fanin.picture import COLOURS, Ink, Picture

_SMALLEST, _GREATEST = 1e-14, 1e14
_MARKS = {"weight": "o", "table": "s", "join": "D"}


def profile(observation: Observation) -> list[Signal]:
    """The signals that stand for depth: those of weights, tables and joins, in order."""
    return [signal for signal in observation.signals if signal.kind in _MARKS]


def depth_picture(observation: Observation) -> Picture:
    """Forward and gradient RMS, one point a weight, table or join, on log axes."""
    signals = profile(observation)
    forward = [signal.forward.rms for signal in signals]
    gradient = [None if s.gradient is None else s.gradient.rms for s in signals]

    def draw(figure: Figure, ink: Ink) -> None:
        left, right = figure.subplots(1, 2)
        for axes, values, title in ((left, forward, "Output"), (right, gradient, "Gradient")):
            _draw(axes, signals, values, ink)
            axes.set(title=f"{title}, RMS", xlabel="weights and joins, from input to output")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper")

    return Picture(draw, "RMS of outputs and gradients along depth", (10.2, 3.4))


def _draw(axes: Axes, signals: Sequence[Signal], values: Sequence[float | None], ink: Ink) -> None:
    size = 4.5 if len(signals) < 60 else 2.5
    points = [
        (place, _placed(value), signal.kind)
        for place, (signal, value) in enumerate(zip(signals, values, strict=True), 1)
        if value is not None
    ]
    for colour, (kind, mark) in zip(COLOURS, _MARKS.items(), strict=False):
        own = [(x, y) for x, y, other in points if other == kind]
        if own:
            x, y = zip(*own, strict=True)
            axes.plot(x, y, color=colour, linewidth=1, alpha=0.35)
            axes.plot(x, y, mark, color=colour, markersize=size, label=kind)
    axes.set_yscale("log")
    axes.axhline(1.0, color=ink.text, linewidth=0.8, linestyle=(0, (2, 3)))
    axes.set_xlim(0.5, max(len(signals), 1) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(min(max(low, _SMALLEST / 3), 0.08), max(min(high, _GREATEST * 3), 12.0))


def _placed(value: float) -> float:
    """On the axis: what is not finite on its upper edge, zero on its lower."""
    if math.isnan(value):
        return _GREATEST
    return min(max(value, _SMALLEST), _GREATEST)
