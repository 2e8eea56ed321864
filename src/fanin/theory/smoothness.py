"""Where a function that nothing is known of is not smooth, and its derivative in between.

A panel on which a polynomial of degree 16 does not settle is halved. Around a jump, halving
never helps, and the jump is closed in; an analytic function is resolved sooner or later.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from fanin.theory.elementwise import Array, Function

REACH: Final = 64.0
"""Breaks are looked for up to here: seven standard deviations of a second moment of 80."""

_DEGREE: Final = 16
_SHIFT: Final = 0.3819660112501051
"""Panels end at no number that anyone would write into a function."""

_RELATIVE: Final = 1e-12
_NARROW: Final = 1e-12
_LEVELS: Final = 48
_MOST_PANELS: Final = 4_096
_GUESSES: Final = (9, 12, 16)
"""Halvings after which the simplest number of a panel is tried."""

_INNER: Final = 10.0
_SLOW: Final = 100.0
"""Halving divides what an analytic function leaves by far more, a kink's rest by 2 or 4."""


def _transform(angles: Array, weights: Array) -> Array:
    """From values at cos(angles) to Chebyshev coefficients."""
    orders = np.arange(_DEGREE + 1)
    matrix: Array = np.cos(angles[:, None] * orders) * weights[:, None] * 2.0 / _DEGREE
    return matrix


_ANGLES = np.pi * np.arange(_DEGREE, -1, -1) / _DEGREE
_ENDS = np.where((np.arange(_DEGREE + 1) % _DEGREE) == 0, 0.5, 1.0)
_CLOSED = np.cos(_ANGLES)
_TO_COEFFICIENTS = _transform(_ANGLES, _ENDS) * _ENDS

_OPEN_ANGLES = np.pi * (np.arange(_DEGREE, -1, -1) + 0.5) / (_DEGREE + 1)
_OPEN = np.cos(_OPEN_ANGLES)
_FROM_OPEN = _transform(_OPEN_ANGLES, np.ones(_DEGREE + 1)) * _DEGREE / (_DEGREE + 1)
_FROM_OPEN[:, 0] /= 2.0


class Resolution(NamedTuple):
    """What counts as a rest, for one function: its scale, and the noise of its rounding."""

    scale: float
    noise: float


def _rests(
    f: Function, low: Array, high: Array, seen: Resolution, *, closed: bool = True
) -> tuple[Array, Array]:
    """The last Chebyshev coefficients on each panel, and what they may be by rounding.

    Closed panels look at their ends too, so that no step can fall between two of them; open ones
    do not, so that they can end at a step.
    """
    centre, half = (low + high) / 2, (high - low) / 2
    nodes, matrix = (_CLOSED, _TO_COEFFICIENTS) if closed else (_OPEN, _FROM_OPEN)
    values = f((centre[:, None] + half[:, None] * nodes).ravel()).reshape(-1, _DEGREE + 1)
    with np.errstate(all="ignore"):
        rests = np.max(np.abs((values @ matrix)[:, -4:]), axis=1)
        sizes = np.max(np.abs(values), axis=1)
        spread = np.ptp(values, axis=1)
    limits = (
        _RELATIVE * sizes
        + seen.noise * seen.scale * (1.0 + np.abs(centre))
        + 1e-14 * np.maximum(np.abs(low), np.abs(high)) * spread / (high - low)
    )
    finite = np.isfinite(values)
    # A panel that is lost as a whole has no break; one that is lost in part has.
    rests = np.where(np.all(finite, axis=1), rests, np.where(finite.any(axis=1), np.inf, 0.0))
    return rests, np.where(np.isfinite(limits), limits, 0.0)


def resolution(f: Function) -> Resolution:
    """The scale of a function and how finely it is computed, in units of that scale."""
    near = np.abs(f(np.linspace(-3.05, 3.07, 62)))
    scale = float(np.max(near, initial=0.0, where=np.isfinite(near)))
    centres = np.linspace(-5.9, 6.1, 32) + 0.0123
    narrow = Resolution(scale, 0.0)
    rests, _ = _rests(f, centres - 2.0**-11, centres + 2.0**-11, narrow)
    rounding = float(np.median(rests)) / scale if scale > 0.0 else 0.0
    return Resolution(scale, 1e-14 + 40.0 * (rounding if math.isfinite(rounding) else 0.0))


def find_breaks(f: Function) -> tuple[float, ...]:
    """Where the value, the slope or the curvature of f jumps, between -64 and 64.

    Two breaks closer than about 0.01 may pass for none.
    """
    seen = resolution(f)
    low = np.arange(-REACH, REACH) + _SHIFT
    high = low + 1.0
    # The rests of the panels that each panel was cut from: its parent, its grandparent, ...
    history = np.full((3, low.size), np.inf)
    found: list[float] = []
    for level in range(_LEVELS):
        rests, limits = _rests(f, low, high, seen)
        rough = rests > limits
        for parent in _faded(rough, history) if level else ():
            found.extend(_pinned(f, float(low[parent]), float(high[parent + low.size // 2]), seen))
        narrow = rough & (high - low <= _NARROW * np.maximum(1.0, np.abs(low)))
        found.extend(_simplest(float(low[i]), float(high[i])) for i in np.flatnonzero(narrow))
        rough &= ~narrow
        if level in _GUESSES:
            found.extend(_guessed(f, low, high, rough, seen))
        if 2 * np.count_nonzero(rough) > _MOST_PANELS:
            rough &= np.abs(low) < _INNER
        if not np.any(rough) or 2 * np.count_nonzero(rough) > 4 * _MOST_PANELS:
            break
        history = np.concatenate([rests[None, rough], history[:-1, rough]])
        history = np.concatenate([history, history], axis=1)
        low, high = low[rough], high[rough]
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    return _merged(found)


def _faded(rough: NDArray[np.bool_], history: Array) -> list[int]:
    """The left halves of panels that were rough and whose halves are not.

    Where the rest shrank slowly before it sank below the rounding, that may be a kink that is
    too weak to be seen closer.
    """
    both = ~rough[: rough.size // 2] & ~rough[rough.size // 2 :]
    parent, grandparent, before = history[:, : both.size]
    slow = (parent > grandparent / _SLOW) | (grandparent > before / _SLOW)
    return np.flatnonzero(both & slow & np.isfinite(grandparent)).tolist()


def _guessed(
    f: Function, low: Array, high: Array, rough: NDArray[np.bool_], seen: Resolution
) -> list[float]:
    """Breaks at numbers of few decimals, which need no closing in.

    Polynomials fit on both sides of such a number, and go on as f does up to it.
    """
    places = np.flatnonzero(rough)
    guesses = np.array([_simplest(float(low[i]), float(high[i])) for i in places])
    widths = (high - low)[places]
    right = np.ones(places.size, dtype=np.bool_)
    for side in (-1.0, 1.0):
        ends = guesses + side * widths
        start, end = np.minimum(guesses, ends), np.maximum(guesses, ends)
        rests, limits = _rests(f, start, end, seen, closed=False)
        close = side * 2e-13 * np.maximum(1.0, np.abs(guesses))
        values = f(((start + end)[:, None] / 2 + widths[:, None] / 2 * _OPEN).ravel())
        coefficients = values.reshape(-1, _DEGREE + 1) @ _FROM_OPEN
        onwards = np.polynomial.chebyshev.chebval(-side, coefficients.T)
        with np.errstate(all="ignore"):
            steep = np.ptp(values.reshape(-1, _DEGREE + 1), axis=1) / widths * np.abs(close)
            right &= (rests <= limits) & (
                np.abs(f(guesses + close) - onwards) <= 100.0 * limits + 2.0 * steep
            )
    rough[places[right]] = False
    return [float(guess) for guess in guesses[right]]


def _merged(found: list[float]) -> tuple[float, ...]:
    breaks: list[float] = []
    for value in sorted(found):
        if breaks and value - breaks[-1] <= 8.0 * _NARROW * max(1.0, abs(value)):
            breaks[-1] = min(breaks[-1], value, key=lambda v: len(repr(v)))
        else:
            breaks.append(value)
    return tuple(breaks)


def _simplest(low: float, high: float) -> float:
    """The number of fewest decimals in an interval."""
    middle, room = (low + high) / 2, (high - low) / 2
    for digits in range(13):
        candidate = round(middle, digits)
        if abs(candidate - middle) <= 1.01 * room:
            return candidate + 0.0
    return middle


def _pinned(f: Function, low: float, high: float, seen: Resolution) -> list[float]:
    """A faded kink in a panel, to the digits that splitting there needs; none if it is none.

    It is where polynomials from the left and from the right meet, or where their slopes or
    curvatures do, if only a higher derivative jumps.
    """
    width, middle = high - low, (low + high) / 2
    domain = (low - width, high + width)
    gap = _polynomial(f, high, domain[1], domain) - _polynomial(f, domain[0], low, domain)
    simplest = _simplest(low, high)
    candidates = []
    for curve in (gap, gap.deriv(), gap.deriv(2)):
        value, slope = float(curve(middle)), float(curve.deriv()(middle))
        meeting = middle - value / slope if slope else math.inf
        if domain[0] <= meeting <= domain[1]:
            candidates.append(simplest if abs(meeting - simplest) < 1e-4 * width else meeting)
    fits: list[tuple[float, float]] = []
    for candidate in candidates or [simplest]:
        sizes = np.array([4.0 * width, width, 4.0 * width, 4.0 * width])
        ends = candidate + sizes * np.array([-1.0, -1.0, -1.0, 0.0])
        tops = candidate + sizes * np.array([1.0, 1.0, 0.0, 1.0])
        (wide, across, below, above), _ = _rests(f, ends, tops, seen)
        # Without a break there, a panel a quarter as wide leaves 4^-16 of the rest.
        if max(below, above) < 0.02 * wide < 20.0 * across:
            fits.append((max(below, above) / wide, candidate))
    return [min(fits)[1]] if fits else []


def _polynomial(
    f: Function, low: float, high: float, domain: tuple[float, float]
) -> np.polynomial.Chebyshev:
    nodes = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(9) + 0.5) / 9)
    fit: np.polynomial.Chebyshev = np.polynomial.Chebyshev.fit(nodes, f(nodes), 6, domain=domain)
    return fit


@attrs.frozen
class Interpolant:
    """The derivative of a function, from Chebyshev polynomials between its breaks."""

    function: Function
    edges: Array
    slopes: Array

    @classmethod
    def of(cls, f: Function, breaks: tuple[float, ...]) -> Interpolant:
        seen = resolution(f)
        grid = np.arange(-REACH, REACH + 1.0) + _SHIFT
        edges = np.unique(np.concatenate([grid, np.asarray(breaks, np.float64)]))
        low, high = edges[:-1], edges[1:]
        lows: list[Array] = []
        coefficients: list[Array] = []
        for _ in range(_LEVELS // 2):
            centre, half = (low + high) / 2, (high - low) / 2
            values = f((centre[:, None] + half[:, None] * _OPEN).ravel()).reshape(-1, _DEGREE + 1)
            with np.errstate(all="ignore"):
                each = values @ _FROM_OPEN
                rests = np.max(np.abs(each[:, -4:]), axis=1)
                limits = _RELATIVE * np.max(np.abs(values), axis=1)
            limits += seen.noise * seen.scale * (1.0 + np.abs(centre))
            rough = (rests > limits) & (high - low > 1e-7)
            if 2 * np.count_nonzero(rough) > _MOST_PANELS:
                rough[:] = False
            lows.append(low[~rough])
            slopes = np.polynomial.chebyshev.chebder(each[~rough], axis=1)
            coefficients.append(slopes / half[~rough, None])
            if not np.any(rough):
                break
            low, high, middle = low[rough], high[rough], centre[rough]
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        starts = np.concatenate(lows)
        order = np.argsort(starts)
        return cls(f, np.append(starts[order], edges[-1]), np.concatenate(coefficients)[order])

    def __call__(self, z: Array) -> Array:
        inside = (z >= self.edges[0]) & (z < self.edges[-1])
        result = np.empty_like(z)
        at = z[inside]
        panel = np.searchsorted(self.edges, at, side="right") - 1
        low, high = self.edges[panel], self.edges[panel + 1]
        result[inside] = _clenshaw(self.slopes[panel], (2.0 * at - low - high) / (high - low))
        if not np.all(inside):
            result[~inside] = central_difference(self.function, z[~inside])
        return result


def _clenshaw(coefficients: Array, t: Array) -> Array:
    later = np.zeros_like(t)
    last = np.zeros_like(t)
    for order in range(coefficients.shape[1] - 1, 0, -1):
        later, last = coefficients[:, order] + 2.0 * t * later - last, later
    total: Array = coefficients[:, 0] + t * later - last
    return total


def central_difference(f: Function, z: Array) -> Array:
    """The derivative by five points; good to about 1e-11 where f is smooth over 0.01."""
    step = np.maximum(1e-3, 1e-5 * np.abs(z))
    near = f(z + step) - f(z - step)
    far = f(z + 2.0 * step) - f(z - 2.0 * step)
    slope: Array = (8.0 * near - far) / (12.0 * step)
    return slope
