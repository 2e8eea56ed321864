"""Where a map of one number stays put, and whether it comes back there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]
Stability = Literal["stable", "unstable", "neutral"]

SLOPE_TOLERANCE = 1e-6
"""A slope this near to 1 is 1: kinks near 0 are resolved to about 1e-9, roots to 1e-12."""


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A value that a map returns unchanged.

    Args:
        value: the second moment or the correlation; ``inf`` where second moments grow without
            bound.
        slope: the derivative of the map there: a deviation is multiplied by it in each layer.
        stability: ``"stable"`` where nearby values come back, ``"unstable"`` where they leave,
            ``"neutral"`` where they stay as they are.
        words: what happens there, in one sentence.
    """

    value: float
    slope: float
    stability: Stability
    words: str

    @property
    def stable(self) -> bool:
        """Whether nearby values come back."""
        return self.stability == "stable"

    @property
    def depth_scale(self) -> float:
        """Layers in which a deviation falls (or grows) by a factor e: 1 / abs(ln abs(slope)).

        ``inf`` where the slope is 1, so that deviations fall slower than exponentially; 0 where
        it is 0.
        """
        return depth_scale(self.slope)


def depth_scale(slope: float) -> float:
    """1 / abs(ln abs(slope)), ``inf`` at a slope of 1."""
    size = abs(slope)
    if math.isnan(size):
        return math.nan
    if abs(size - 1.0) <= SLOPE_TOLERANCE:
        return math.inf
    if size == 0.0 or math.isinf(size):
        return 0.0
    return 1.0 / abs(math.log(size))


def stability_of(slope: float, drift_above: float, drift_below: float) -> Stability:
    """Of a fixed point, from its slope and, where that is 1, from the map beside it.

    Args:
        slope: of the map at the fixed point.
        drift_above: map(x) - x at an x slightly above; 0 where there is none.
        drift_below: the same slightly below.
    """
    size = abs(slope)
    if size < 1.0 - SLOPE_TOLERANCE:
        return "stable"
    if size > 1.0 + SLOPE_TOLERANCE:
        return "unstable"
    if drift_above == 0.0 and drift_below == 0.0:
        return "neutral"
    return "stable" if drift_above <= 0.0 <= drift_below else "unstable"


@dataclass(frozen=True, slots=True)
class Crossings:
    """Where a drift changes its sign.

    Args:
        roots: ascending.
        first_sign: of the drift at the lower end, past the points where it is 0; 0 if it is 0
            everywhere.
        last_sign: the same at the upper end.
    """

    roots: tuple[float, ...]
    first_sign: float
    last_sign: float


# Relative to q, what two expectations may differ by that are equal.
_ROUNDING = 1e-12


def crossings(drift: Callable[[float], float], grid: Array) -> Crossings:
    """Where map(x) - x changes its sign between the points of an ascending positive grid.

    A root at which the drift does not change its sign is not found, nor are two between
    neighbouring points.
    """
    relative = np.array([drift(float(x)) / float(x) for x in grid])
    signs = np.sign(np.where(np.abs(relative) <= _ROUNDING, 0.0, relative))
    known = np.flatnonzero(signs)
    if not known.size:
        return Crossings((), 0.0, 0.0)
    roots = [
        float(optimize.brentq(drift, float(grid[i]), float(grid[j]), xtol=1e-13 * grid[i]))
        for i, j in pairwise(known)
        if signs[i] != signs[j]
    ]
    return Crossings(tuple(roots), float(signs[known[0]]), float(signs[known[-1]]))
