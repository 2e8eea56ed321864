"""Expectations over one Gaussian or two correlated ones, split where the integrand is not smooth.

Between two breaks an activation is analytic, and there the rules of Gauss and Kronrod converge
geometrically; across a break no rule converges fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import attrs
import numpy as np

from fanin.errors import InputError
from fanin.theory.panels import (
    Array,
    Function,
    as_std,
    edges,
    integrate,
    normal_density,
    own_scale,
    rough_size,
    settled,
    window,
)

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_OUTER_TOLERANCE: Final = 1e-12
_INNER_TOLERANCE: Final = 1e-12
_FINEST: Final = 6
_MOST_VALUES: Final = 1 << 20
_PANELS: Final = 6
_PROBES: Final = np.linspace(-3.7, 4.1, 12)
_SMOOTHED: Final = np.array([-8.0, -3.0, -1.0, 0.0, 1.0, 3.0, 8.0])
"""Around a break of g, in units of the width over which the other variable smooths it."""


def expect(f: Function, breaks: Iterable[float] = (), std: float = 1.0) -> float:
    """E f(std z) for z ~ N(0, 1).

    The line is cut at the breaks and where the density has buried f, and each piece is halved
    until the 10-point rule of Gauss and the 21-point rule of Kronrod agree. f may grow like
    exp(a |z|) for any a.

    Args:
        f: takes float64 arrays of one axis, elementwise. Analytic between two breaks, or
            singular there in a way that can be integrated.
        breaks: where a value or a derivative of f jumps. One that is missing costs time, as it
            is only halved towards, and a step may be misplaced by a thousandth.
        std: of the Gaussian; 0 gives f(0).

    Returns:
        The expectation, to about 1e-13 of E|f|.

    Raises:
        InputError: the expectation does not exist or is beyond float64, or f gives nan, or the
            integral does not settle.

    Example:
        >>> round(expect(np.square, std=3.0), 12)
        9.0
        >>> round(expect(np.abs, breaks=(0.0,)), 12)
        0.797884560803

    References:
        Piessens, de Doncker-Kapenga, Ueberhuber, Kahaner. QUADPACK. 1983. (Rule qk21.)
    """
    scale = as_std(std)
    if scale == 0.0:
        return float(f(np.zeros(1))[0])
    low, high = window(f, scale)

    def weighed(z: Array) -> Array:
        return f(scale * z) * normal_density(z)

    cuts = np.concatenate([np.asarray(tuple(breaks), np.float64), own_scale(scale)]) / scale
    return settled(integrate(weighed, edges(low, high, cuts)), low, high)


def expect_pair(
    f: Function,
    g: Function,
    c: float,
    breaks_f: Iterable[float] = (),
    breaks_g: Iterable[float] = (),
    std_f: float = 1.0,
    std_g: float = 1.0,
) -> float:
    """E f(u) g(v) for Gaussians u of std_f and v of std_g whose correlation is c.

    v = std_g (c z + sqrt(1 - c^2) w). The inner integral, over w, is cut at the places where v
    meets a break of g, which move with z; it leaves a function of z that is smooth except at
    the breaks of f, and is integrated as ``expect`` does it.

    Args:
        f: takes float64 arrays of one axis, elementwise.
        g: likewise.
        c: in [-1, 1].
        breaks_f: where a value or a derivative of f jumps.
        breaks_g: where a value or a derivative of g jumps.
        std_f: of u.
        std_g: of v.

    Returns:
        The expectation, to 1e-10 of sqrt(E f^2 E g^2) and mostly to 1e-13.

    Raises:
        InputError: c is no correlation, or E f^2 or E g^2 does not exist.

    Example:
        >>> relu = lambda z: np.maximum(z, 0.0)
        >>> round(2 * expect_pair(relu, relu, 0.5, (0.0,), (0.0,)), 10)
        0.608997781
        >>> round(expect_pair(np.sign, np.sign, 0.5, (0.0,), (0.0,)), 10)
        0.3333333333
    """
    if not -1.0 <= c <= 1.0:
        raise InputError(f"a correlation lies between -1 and 1, got {c!r}")
    cuts_f, cuts_g = _cuts(breaks_f, std_f), _cuts(breaks_g, std_g)
    if c == 0.0 or std_f == 0.0 or std_g == 0.0:
        return expect(f, breaks_f, std_f) * expect(g, breaks_g, std_g)
    if abs(c) == 1.0:
        return expect(
            lambda z: f(std_f * z) * g(c * std_g * z), np.concatenate([cuts_f, c * cuts_g])
        )
    reach = max(
        *map(abs, window(lambda x: np.square(f(x)), std_f)),
        *map(abs, window(lambda x: np.square(g(x)), std_g)),
    )
    size = rough_size(f, std_f) * rough_size(g, std_g)
    coarse = _Inner(g, cuts_g[np.abs(cuts_g) < reach], float(c), std_g, reach)
    inner = coarse.fitting(lambda z: f(std_f * z), size)
    cuts = np.concatenate([cuts_f, inner.seen_from_outside()])

    def weighed(z: Array) -> Array:
        return f(std_f * z) * normal_density(z) * inner(z)

    outer = integrate(weighed, edges(-reach, reach, cuts), _OUTER_TOLERANCE, size)
    return settled(outer, -reach, reach)


def _cuts(breaks: Iterable[float], std: float) -> Array:
    """The breaks in standard deviations, and cuts for a function narrower than its Gaussian."""
    scale = as_std(std)
    values = np.concatenate([np.asarray(tuple(breaks), np.float64), own_scale(scale)])
    return np.unique(values) / scale if scale else values[:0]


@attrs.frozen
class _Inner:
    """E g(std (c z + s w)) over w, s = sqrt(1 - c^2), for an array of z."""

    g: Function
    cuts: Array
    c: float
    std: float
    reach: float
    pieces: int = 1

    @property
    def s(self) -> float:
        return math.sqrt((1.0 - self.c) * (1.0 + self.c))

    def fitting(self, outer: Function, size: float) -> _Inner:
        """As fine as g needs, seen on some z and weighed with what multiplies it there."""
        weight = np.abs(outer(_PROBES)) * normal_density(_PROBES)
        coarse, values = self, self(_PROBES)
        for _ in range(_FINEST):
            fine = attrs.evolve(coarse, pieces=2 * coarse.pieces)
            again = fine(_PROBES)
            allowed = _INNER_TOLERANCE * max(float(np.sum(np.abs(again) * weight)), size)
            if np.sum(np.abs(again - values) * weight) <= allowed:
                break
            coarse, values = fine, again
        return coarse

    def seen_from_outside(self) -> Array:
        """Where, along z, the result changes over a width of s instead of 1."""
        width = self.s / abs(self.c)
        if width > 1.0 or self.cuts.size > _MOST_VALUES >> 14:
            return np.empty(0)
        return (self.cuts[:, None] / self.c + width * _SMOOTHED).ravel()

    def __call__(self, z: Array) -> Array:
        points = (_PANELS + self.cuts.size) * self.pieces * _NODES.size
        rows = max(1, _MOST_VALUES // points)
        if z.size <= rows:
            return self._on(z)
        return np.concatenate([self._on(z[i : i + rows]) for i in range(0, z.size, rows)])

    def _on(self, z: Array) -> Array:
        moving = (self.cuts - self.c * z[:, None]) / self.s
        fixed = np.linspace(-self.reach, self.reach, _PANELS + 1)
        panels = np.empty((z.size, fixed.size + self.cuts.size))
        panels[:, : fixed.size] = fixed
        panels[:, fixed.size :] = np.clip(moving, -self.reach, self.reach)
        panels.sort(axis=1)
        if self.pieces > 1:
            steps = np.arange(self.pieces) / self.pieces
            starts = panels[:, :-1, None] + np.diff(panels, axis=1)[:, :, None] * steps
            panels = np.concatenate([starts.reshape(z.size, -1), panels[:, -1:]], axis=1)
        half = np.diff(panels, axis=1)[:, :, None] / 2
        w = panels[:, :-1, None] + half * (1.0 + _NODES)
        values = self.g((self.std * (self.c * z[:, None, None] + self.s * w)).ravel())
        weights = half * _WEIGHTS * normal_density(w)
        total: Array = np.einsum("ijk,ijk->i", values.reshape(w.shape), weights)
        return total
