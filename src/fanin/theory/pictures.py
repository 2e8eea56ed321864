"""Pictures of the theory: phases, maps with their fixed points, forecasts over measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fanin.errors import InputError
from fanin.picture import COLOURS, Ink, Picture, plain
from fanin.theory.activations import as_activation
from fanin.theory.correlations import correlation_map
from fanin.theory.critical import edge_of_chaos
from fanin.theory.fixed_points import FixedPoint
from fanin.theory.forecast import Forecast
from fanin.theory.kernels import kernel_of
from fanin.theory.mean_field import variance_map
from fanin.theory.ranges import require_std
from fanin.theory.second_moments import gain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

# Where a fixed point of the variance is looked for.
_SQUARES = np.geomspace(1e-9, 1e9, 361)
_DEEPEST = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class PhaseGrid:
    """chi_1 over a plane of sigma_w and sigma_b.

    Args:
        sigma_w, sigma_b: the axes.
        q: of shape (sigma_b, sigma_w): where the variance goes from q = 1; inf without bound.
        chi_1: factor of the gradient's second moment in one layer, there.
    """

    sigma_w: Array
    sigma_b: Array
    q: Array
    chi_1: Array

    @property
    def depth(self) -> Array:
        """Layers over which gradients change e-fold, 1 / |ln chi_1|."""
        with np.errstate(divide="ignore"):
            depth: Array = 1.0 / np.abs(np.log(self.chi_1))
        return depth


def phase_grid(activation: object, sigma_w: ArrayLike, sigma_b: ArrayLike) -> PhaseGrid:
    """chi_1 at the end of the variance map, over a grid.

    The second moments of the activation are had once for each q, not for each point, so a fine
    grid costs little; between the q's they are interpolated (relative error about 1e-3).

    Raises:
        InputError: no activation, or a sigma that is negative or not finite.
    """
    weights, biases = (np.asarray(values, np.float64).ravel() for values in (sigma_w, sigma_b))
    for what, values in (("sigma_w", weights), ("sigma_b", biases)):
        for value in values:
            require_std(what, float(value))
    kernel = kernel_of(as_activation(activation))
    known = [(q, kernel.square(q), kernel.slope_square(q)) for q in map(float, _SQUARES)]
    squares, moments, slopes = np.array([row for row in known if np.isfinite(row).all()]).T
    logs = np.log(squares)
    middle = int(np.searchsorted(squares, 1.0))
    q = np.empty((biases.size, weights.size))
    slope = np.empty_like(q)
    for j, weight in enumerate(weights):
        drift = weight**2 * moments + biases[:, None] ** 2 - squares
        for i, row in enumerate(drift):
            end = _end(row, logs, middle)
            q[i, j] = np.exp(end) if np.isfinite(end) else (np.inf if end > 0 else 0.0)
            slope[i, j] = np.interp(end, logs, slopes)
    return PhaseGrid(weights, biases, q, weights**2 * slope)


def _end(drift: Array, logs: Array, middle: int) -> float:
    """The log of q where the map comes to rest from q = 1: it moves in the direction of drift."""
    if drift[middle] > 0:
        ahead = np.flatnonzero(drift[middle:] <= 0)
        if not ahead.size:
            return float("inf")
        after = middle + int(ahead[0])
        before = after - 1
    else:
        behind = np.flatnonzero(drift[: middle + 1] >= 0)
        if not behind.size:
            return float("-inf")
        before = int(behind[-1])
        after = min(before + 1, drift.size - 1)
    rise = drift[before] - drift[after]
    share = drift[before] / rise if rise else 0.0
    return float(logs[before] + share * (logs[after] - logs[before]))


def phase_diagram(
    activation: object,
    *,
    sigma_w: tuple[float, float] | None = None,
    sigma_b: tuple[float, float] = (0.0, 1.0),
    mark: tuple[float, float] | None = None,
) -> Picture:
    """Where a deep network is ordered or chaotic, and how deep a signal reaches.

    Colour: layers over which gradients change e-fold, 1 / |ln chi_1|. Line: the edge of chaos,
    where they do not change.

    Args:
        activation: a name, a function or a module.
        sigma_w, sigma_b: ranges of the axes. None: from near 0 to 2.5 times the gain.
        mark: a point (sigma_w, sigma_b) to mark.

    Raises:
        InputError: no activation, or a range that is none.

    Example:
        >>> phase_diagram("tanh").label
        'Phases of tanh networks: depth of signals by sigma_w and sigma_b'

    References:
        Poole et al., 2016, arXiv:1606.05340, figure 1; Schoenholz et al., 2017, arXiv:1611.01232,
        figure 2.
    """
    known = as_activation(activation)
    wide = (0.05, 2.5 * gain(known)) if sigma_w is None else sigma_w
    for what, (low, high) in (("sigma_w", wide), ("sigma_b", sigma_b)):
        if not 0 <= low < high:
            raise InputError(f"{what} must be a range from 0 or above, got {(low, high)}")
    grid = phase_grid(known, np.linspace(*wide, 161), np.linspace(*sigma_b, 101))
    edge = edge_of_chaos(known)

    def draw(figure: Figure, ink: Ink) -> None:
        from matplotlib.colors import LogNorm

        axes = figure.subplots()
        image = axes.imshow(
            np.clip(grid.depth, 1.0, _DEEPEST),
            norm=LogNorm(1.0, _DEEPEST),
            cmap="viridis",
            origin="lower",
            extent=(*wide, *sigma_b),
            aspect="auto",
        )
        axes.grid(visible=False)
        point = edge.sigma_w.size == 1
        style = {"marker": "o", "clip_on": False} if point else {"linewidth": 2.0}
        axes.plot(edge.sigma_w, edge.sigma_b, color="white", **style)
        for name, there in (("ordered", grid.chi_1 < 1), ("chaotic", grid.chi_1 > 1)):
            _name_region(axes, name, there & (grid.depth < 30), grid)
        if mark is not None:
            axes.plot(
                *mark,
                marker="x",
                color=COLOURS[1],
                markersize=9,
                markeredgewidth=2.5,
                clip_on=False,
            )
        axes.set(xlabel="sigma_w", ylabel="sigma_b", xlim=wide, ylim=sigma_b)
        axes.set_title(f"{plain(known.name)}: the edge of chaos")
        bar = figure.colorbar(image, ax=axes)
        bar.set_label("layers until gradients change e-fold")
        bar.outline.set_edgecolor(ink.faint)

    label = f"Phases of {known.name} networks: depth of signals by sigma_w and sigma_b"
    return Picture(draw, label, (6.4, 4.0))


def _name_region(axes: Axes, name: str, there: NDArray[np.bool_], grid: PhaseGrid) -> None:
    """Write a name into the middle of a region, if that is large enough to hold it."""
    if there.mean() < 0.08:
        return
    rows, columns = np.nonzero(there)
    x, y = grid.sigma_w[int(np.median(columns))], grid.sigma_b[int(np.median(rows))]
    axes.text(x, y, name, color="white", ha="center", va="center", fontsize=12)


def map_diagram(activation: object, sigma_w: float, sigma_b: float = 0.0) -> Picture:
    """The variance map and the correlation map of one layer, with their fixed points.

    Filled points attract, hollow ones repel. The correlation map is that at the variance's end.

    Args:
        activation: a name, a function or a module.
        sigma_w, sigma_b: of weights (std sigma_w / sqrt(fan_in)) and biases.

    Raises:
        InputError: no activation, or a sigma that is negative or not finite.
    """
    known = as_activation(activation)
    variance = variance_map(known, sigma_w, sigma_b)
    points = [point for point in variance.fixed_points() if np.isfinite(point.value)]
    reach = 1.5 * max([1.0, *(point.value for point in points)])

    def draw(figure: Figure, ink: Ink) -> None:
        left, right = figure.subplots(1, 2)
        q = np.linspace(0.0, reach, 121)[1:]
        _draw_map(left, q, [variance(float(x)) for x in q], points, ink)
        left.set(xlabel="q of a layer", ylabel="q of the next", xlim=(0, reach), ylim=(0, reach))
        left.set_title(f"{plain(known.name)}: second moment")
        end = variance.limit().value
        if 0.0 < end < np.inf:
            correlation = correlation_map(known, sigma_w, sigma_b)
            c = np.linspace(0.0, 1.0, 81)
            fixed = correlation.fixed_points()
            _draw_map(right, c, [correlation(float(x)) for x in c], fixed, ink)
        right.set(xlabel="c of a layer", ylabel="c of the next", xlim=(0, 1.02), ylim=(0, 1.02))
        right.set_title("Correlation of two inputs")

    label = f"Maps of second moment and correlation for {known.name}, with fixed points"
    return Picture(draw, label, (9.4, 3.8))


def _draw_map(
    axes: Axes, x: Array, y: Sequence[float], points: Sequence[FixedPoint], ink: Ink
) -> None:
    axes.plot(x, x, color=ink.text, linewidth=0.8, linestyle=(0, (2, 3)))
    axes.plot(x, y, color=COLOURS[0])
    for point in points:
        axes.plot(
            point.value,
            point.value,
            marker="o",
            markersize=7,
            color=COLOURS[1],
            markerfacecolor=COLOURS[1] if point.stable else "none",
            clip_on=False,
        )


def forecast_diagram(
    forecast: Forecast,
    *,
    forward_rms: ArrayLike | None = None,
    gradient_rms: ArrayLike | None = None,
) -> Picture:
    """The predicted RMS by layer with its band of finite width, and what was measured.

    Args:
        forecast: made by ``signal_forecast``.
        forward_rms, gradient_rms: measured, of shape (layers,) or (draws, layers).

    Raises:
        InputError: another number of layers was measured.
    """
    layers = np.arange(1, forecast.forward_rms.size + 1)
    measured = [_measured(values, layers.size) for values in (forward_rms, gradient_rms)]
    panels: list[tuple[str, Array, Array, Array]] = [
        ("Pre-activations", forecast.forward_rms, forecast.forward_low, forecast.forward_high),
        ("Gradients", forecast.gradient_rms, forecast.gradient_low, forecast.gradient_high),
    ]

    def draw(figure: Figure, ink: Ink) -> None:
        for axes, panel, found in zip(figure.subplots(1, 2), panels, measured, strict=True):
            title, middle, low, high = panel
            style: dict[str, Any] = {"color": COLOURS[0]}
            axes.plot(layers, middle, label="predicted", **style)
            axes.fill_between(layers, low, high, alpha=0.15, linewidth=0, **style)
            if found is not None:
                spots = {"linestyle": "none", "marker": ".", "color": COLOURS[1], "markersize": 5}
                for draw_, label in zip(found, ["measured", *[None] * len(found)], strict=False):
                    axes.plot(layers, draw_, label=label, **spots)
                axes.legend()
            axes.set_yscale("log")
            # Less than a decade would leave its axis without a power of ten.
            bottom, top = axes.get_ylim()
            axes.set_ylim(min(bottom, 0.3), max(top, 3.0))
            axes.axhline(1.0, color=ink.text, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.set(xlabel="layer, from input to output", title=f"{title}, RMS")

    label = f"Predicted RMS by layer for {forecast.activation}, with the spread of finite width"
    return Picture(draw, label, (9.4, 3.6))


def _measured(values: ArrayLike | None, layers: int) -> Array | None:
    if values is None:
        return None
    found = np.atleast_2d(np.asarray(values, np.float64))
    if found.ndim != 2 or found.shape[1] != layers:
        raise InputError(
            f"measured values have shape {np.shape(values)}; the forecast has {layers} layers"
        )
    return found
