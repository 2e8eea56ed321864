"""Results on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.console import ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from fanin.ensembles import Comparison
from fanin.report import summaries
from fanin.report.summaries import layer_profile

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-=+*%#"
# A decade and a half around 1 is a middle bar; below 1e-9 and above 1e9 all look alike.
_DECADES = 9.0
_MOST_LAYERS = 14


def comparison_view(comparison: Comparison, options: ConsoleOptions) -> Iterator[RenderableType]:
    """The parts of a comparison, for rich."""
    yield Text(comparison.title, style="bold")
    yield Text(summaries.headline(comparison), style="dim")
    yield Text("")
    yield _ranking(comparison)
    yield Text(
        "loss: training, at the end. p: paired t-test against the best, Holm.\n"
        f"steps: to a training loss of {comparison.level:.3g}. "
        "lost: share of seeds that diverged",
        style="dim italic",
    )
    yield Text("")
    yield _signals(comparison, ascii_only=options.ascii_only)
    layers = len(comparison.signals[0].layers)
    yield Text(
        f"before training, {layers} layers from input to output; a bar is 2.3 decades of 18",
        style="dim italic",
    )
    yield Text("")
    for notice in summaries.notices(comparison):
        yield Text(notice, style="yellow")
    yield Text(comparison.conclusion)


def _ranking(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, expand=False)
    table.add_column("recipe", overflow="fold", min_width=12)
    for name in ("rate", "loss", comparison.metric_name):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    for name in ("p", "steps", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, row in enumerate(comparison.ranking):
        table.add_row(
            Text(row.name),
            f"{row.learning_rate:g}",
            summaries.shown_loss(row),
            f"{row.metric:.3f}",
            summaries.shown_interval(row),
            summaries.shown_p(row, best=place == 0),
            "-" if row.steps_to_level is None else str(row.steps_to_level),
            f"{row.diverged:.0%}" if row.diverged else "-",
            style="bold" if place == 0 else "",
        )
    return table


def _signals(comparison: Comparison, *, ascii_only: bool) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, expand=False)
    table.add_column("RMS by layer", overflow="fold", min_width=12)
    table.add_column("output", no_wrap=True)
    table.add_column("first, last", no_wrap=True, justify="right")
    table.add_column("gradient", no_wrap=True)
    table.add_column("first, last", no_wrap=True, justify="right")
    for row in comparison.ranking:
        profile = layer_profile(comparison, row.name)
        cells: list[RenderableType] = [Text(row.name)]
        for values in (profile.forward[:, 1], profile.gradient[:, 1]):
            cells += [
                Text(sparkline(values, ascii_only=ascii_only)),
                f"{_short(values[0])}, {_short(values[-1])}",
            ]
        table.add_row(*cells)
    return table


def sparkline(values: NDArray[np.float64], *, ascii_only: bool = False) -> str:
    """One bar a value on a log scale from 1e-9 to 1e9; a dot for 0, a cross for no number.

    More than 14 values are thinned evenly; first and last stay.
    """
    if len(values) > _MOST_LAYERS:
        values = values[np.linspace(0, len(values) - 1, _MOST_LAYERS).round().astype(int)]
    bars = _ASCII_BARS if ascii_only else _BARS
    return "".join(_bar(float(value), bars) for value in values)


def _bar(value: float, bars: str) -> str:
    if not np.isfinite(value):
        return "x"
    if value == 0:
        return "." if bars is _BARS else " "
    place = (np.log10(value) + _DECADES) / (2 * _DECADES)
    return bars[int(np.clip(place * len(bars), 0, len(bars) - 1))]


def _short(value: float) -> str:
    return f"{value:.2g}" if 1e-3 <= value < 1e4 or value == 0 else f"{value:.0e}"
