"""The two pictures that most experiments need: lines over layers or steps, and bars with seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.picture import COLOURS, Ink, Picture, line, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = Mapping[str, Sequence[float] | Sequence[Sequence[float]]]


def lines(
    panels: Mapping[str, Series] | Series,
    label: str,
    *,
    x: str,
    y: str,
    at: Sequence[float] | None = None,
    log: bool = False,
    log_x: bool = False,
    limit: float | None = None,
    size: tuple[float, float] = (6.4, 3.4),
) -> Picture:
    """Lines, one a name; where a name has one list a seed, their median with the range behind it.

    Args:
        panels: name to values, or title to such a mapping for panels side by side.
        label: says in one sentence what can be seen.
        x, y: names of the axes.
        at: places on the x axis; None for 1, 2, ...
        log, log_x: whether an axis is logarithmic; values of 0 and below are then left out.
        limit: drawn as a dotted line across.
        size: in inches.
    """
    titled: dict[str, Any] = dict(panels) if _of_panels(panels) else {"": panels}

    def draw(figure: Figure, ink: Ink) -> None:
        axes = figure.subplots(1, len(titled), sharey=True, squeeze=False)[0]
        for one, (title, series) in zip(axes, titled.items(), strict=True):
            for place, (name, values) in enumerate(series.items()):
                _line(one, place, name, np.asarray(values, np.float64), at, log)
            if limit is not None:
                one.axhline(limit, color=ink.text, linestyle=":", linewidth=1)
            if log:
                one.set_yscale("log")
            if log_x:
                one.set_xscale("log")
            one.set_title(plain(title))
            one.set_xlabel(x)
        axes[0].set_ylabel(y)
        if len(next(iter(titled.values()))) > 1:
            axes[-1].legend()

    return Picture(draw, label, size)


def bars(
    values: Mapping[str, Sequence[float] | Mapping[str, Sequence[float]]],
    label: str,
    *,
    y: str,
    log: bool = False,
    limit: float | None = None,
    size: tuple[float, float] = (6.4, 3.4),
) -> Picture:
    """A bar for the mean of each name, with a dot for every seed; a mapping of mappings groups.

    Args:
        values: name to one value a seed, or group to such a mapping.
        label: says in one sentence what can be seen.
        y: name of the axis.
        log: whether it is logarithmic.
        limit: drawn as a dotted line across.
        size: in inches.
    """
    grouped = any(isinstance(one, Mapping) for one in values.values())

    def draw(figure: Figure, ink: Ink) -> None:
        axes: Axes = figure.subplots()
        groups: dict[str, Any] = dict(values) if grouped else {"": values}
        names = list(dict.fromkeys(name for group in groups.values() for name in group))
        width = 0.8 / (len(names) if grouped else 1)
        for where, group in enumerate(groups.values()):
            for place, name in enumerate(names):
                if name not in group:
                    continue
                middle = where + (place - (len(names) - 1) / 2) * width if grouped else place
                seeds = np.asarray(group[name], np.float64)
                seeds = seeds[np.isfinite(seeds)]
                if not seeds.size:
                    axes.annotate("not finite", (middle, 0), rotation=90, va="bottom", ha="center",
                                  xycoords=("data", "axes fraction"))  # fmt: skip
                    continue
                mean = float(np.exp(np.log(seeds).mean())) if log else float(seeds.mean())
                colour = COLOURS[place % len(COLOURS)]
                axes.bar(middle, mean, 0.9 * width, color=colour, alpha=0.75,
                         label=plain(name) if grouped and not where else None)  # fmt: skip
                spread = np.linspace(-0.25, 0.25, len(seeds)) * width if len(seeds) > 1 else [0.0]
                axes.plot(middle + np.asarray(spread), seeds, "o", color=ink.text, markersize=2.5)
        titles = list(groups) if grouped else names
        axes.set_xticks(range(len(titles)), [plain(title) for title in titles])
        if max(map(len, titles)) * len(titles) > 70:
            axes.tick_params(axis="x", labelrotation=30)
        if limit is not None:
            axes.axhline(limit, color=ink.text, linestyle=":", linewidth=1)
        if log:
            axes.set_yscale("log")
        axes.grid(visible=False, axis="x")
        axes.set_ylabel(y)
        if grouped:
            # Above the bars: inside it would lie on one of them. Ten letters fit an inch.
            columns = int(10 * size[0] // (max(map(len, names)) + 6))
            figure.legend(loc="outside upper left", ncols=max(1, min(columns, len(names))))

    return Picture(draw, label, size)


def _of_panels(panels: Mapping[str, Any]) -> bool:
    return any(isinstance(one, Mapping) for one in panels.values())


def _line(
    axes: Axes, place: int, name: str, values: Any, at: Sequence[float] | None, log: bool
) -> None:
    rows = np.atleast_2d(values)
    if log:
        rows = np.where(rows > 0, rows, np.nan)
    where = np.arange(1, rows.shape[1] + 1) if at is None else np.asarray(at, np.float64)
    style = line(place)
    # A layer where every seed has nothing to show leaves a gap, without a warning.
    seen = np.isfinite(rows).any(0)
    middle, least, greatest = (np.full(rows.shape[1], np.nan) for _ in range(3))
    middle[seen] = np.nanmedian(rows[:, seen], 0)
    least[seen], greatest[seen] = np.nanmin(rows[:, seen], 0), np.nanmax(rows[:, seen], 0)
    axes.plot(where, middle, label=plain(name), **style)
    if len(rows) > 1:
        axes.fill_between(where, least, greatest, color=style["color"], alpha=0.2, linewidth=0)
