"""Panels: how an integral over a Gaussian is cut, and the rule that halves the pieces.

Between two breaks an activation is analytic, and there the rules of Gauss and Kronrod converge
geometrically. A panel is halved until its two rules agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fanin.errors import InputError

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

NEAR: Final = 9.0
"""Beyond it lie 2e-19 of the normal distribution."""

FAR: Final = 38.0
"""Beyond it exp(-z^2/2) is no normal float64."""

_TOLERANCE: Final = 1e-13
"""Of E|f|, for the difference of the two rules: it overstates the better one's error by far."""

_NOISY: Final = 1e-6
"""What an integrand that rounds to float32 inside can be had to."""

_NEGLIGIBLE: Final = 1e-19
_DEEPEST: Final = 80
_MOST_PANELS: Final = 8_192
_WIDTH: Final = 1.5
"""Of a first panel: 21 nodes then integrate tanh(z)^2 to 1e-15."""


class Integral(NamedTuple):
    """An integral, the integral of the absolute value, and a bound of the error."""

    value: float
    size: float
    error: float


def _kronrod() -> tuple[Array, ...]:
    """Nodes and weights of the 21-point rule, and those of the 10-point rule inside it.

    The nodes that Kronrod adds to Gauss's are from QUADPACK (Piessens et al., 1983, qk21). The
    weights follow from the nodes: the rule is exact for the Legendre polynomials.
    """
    gauss, gauss_weights = np.polynomial.legendre.leggauss(10)
    added = np.array(
        [
            0.995657163025808080735527280689003,
            0.930157491355708226001207180059508,
            0.780817726586416897063717578345042,
            0.562757134668604683339000099272694,
            0.294392862701460198131126603103866,
        ]
    )
    nodes = np.sort(np.concatenate([gauss, added, -added, [0.0]]))
    moments = np.zeros(21)
    moments[0] = 2.0
    weights = np.linalg.solve(np.polynomial.legendre.legvander(nodes, 20).T, moments)
    inner = np.zeros(21)
    inner[1::2] = gauss_weights
    return tuple(np.asarray(each, np.float64) for each in (nodes, weights, inner))


_NODES, _WEIGHTS, _INNER = _kronrod()
_LEGENDRE, _LEGENDRE_WEIGHTS = np.polynomial.legendre.leggauss(16)
_PROBES: Final = np.arange(-FAR, FAR, 0.25) + 0.1180339887
"""No kink of an activation that anyone has written lies on one of these."""


def as_std(std: float) -> float:
    value = float(std)
    if not 0.0 <= value < math.inf:
        raise InputError(f"a standard deviation is finite and at least 0, got {std!r}")
    return value


def normal_density(z: Array) -> Array:
    density: Array = np.exp(-0.5 * z * z) * (1.0 / math.sqrt(2.0 * math.pi))
    return density


def window(f: Function, std: float) -> tuple[float, float]:
    """The z outside of which f(std z) is negligible in an expectation.

    Raises:
        InputError: f overtakes the density within the reach of float64, or gives nan.
    """
    with np.errstate(all="ignore"):
        weighed = np.abs(f(std * _PROBES)) * normal_density(_PROBES)
    largest = float(np.max(weighed, initial=0.0, where=np.isfinite(weighed)))
    buried = weighed <= _NEGLIGIBLE * largest
    return -_reach(-_PROBES[::-1], weighed[::-1], buried[::-1]), _reach(_PROBES, weighed, buried)


def rough_size(f: Function, std: float) -> float:
    """E |f(std z)| to an order of magnitude, for a tolerance."""
    with np.errstate(all="ignore"):
        weighed = np.abs(f(std * _PROBES)) * normal_density(_PROBES)
    return 0.25 * float(np.sum(weighed, where=np.isfinite(weighed)))


def _reach(z: Array, weighed: Array, buried: NDArray[np.bool_]) -> float:
    """How far out, towards positive z, the weighed function counts."""
    outwards = z > 0.0
    z, weighed, buried = z[outwards], weighed[outwards], buried[outwards]
    lost = ~np.isfinite(weighed)
    # What overflows or turns to nan where the density has long buried it does no harm, and a
    # single point may be a pole that can be integrated.
    for first in np.flatnonzero(lost[:-1] & lost[1:])[:1]:
        if first == 0 or not buried[first - 1]:
            if np.isnan(weighed[first]):
                raise InputError(f"it is nan {z[first]:.2g} standard deviations out")
            raise InputError(_NO_EXPECTATION)
        buried = buried[:first]
    counts = np.flatnonzero(~buried)
    farthest = float(z[counts[-1]]) + 0.5 if counts.size else 0.0
    if farthest > FAR:
        raise InputError(_NO_EXPECTATION)
    return max(farthest, NEAR)


_NO_EXPECTATION: Final = (
    "its expectation over a Gaussian is infinite, or beyond what float64 holds: it must grow "
    "more slowly than exp(z^2/2)"
)


def own_scale(std: float) -> Array:
    """Cuts at 0, 1, 2, 4, ...: a Gaussian much wider than 1 would step over what f does there."""
    if std <= 1.0:
        return np.empty(0)
    powers = np.exp2(np.arange(math.ceil(math.log2(NEAR * std)) + 1))
    return np.concatenate([-powers, [0.0], powers])


def edges(low: float, high: float, cuts: Array) -> Array:
    """Panels from low to high, none wider than what the rules resolve."""
    regular = np.linspace(low, high, math.ceil((high - low) / _WIDTH) + 1)
    return np.unique(np.concatenate([regular, cuts[(cuts > low) & (cuts < high)]]))


def integrate(
    f: Function, panels: Array, tolerance: float = _TOLERANCE, least_size: float = 0.0
) -> Integral:
    """The integral of f over the panels between the edges, each halved until it settles.

    The tolerance is of the integral of |f|, or of ``least_size`` if that is more: f may be what
    is left of larger numbers, whose rounding it bears.
    """
    low, high = panels[:-1], panels[1:]
    value = size = error = 0.0
    for depth in range(_DEEPEST):
        centre, half = (low + high) / 2, (high - low) / 2
        with np.errstate(all="ignore"):
            values = f((centre[:, None] + half[:, None] * _NODES).ravel()).reshape(-1, 21)
        fine, sizes = half * (values @ _WEIGHTS), half * (np.abs(values) @ _WEIGHTS)
        difference = np.abs(fine - half * (values @ _INNER))
        # The estimate of QUADPACK: with the difference, the error of the 21-point rule falls
        # faster still.
        relative = np.divide(difference, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
        errors = sizes * np.minimum(1.0, 200.0 * relative) ** 1.5
        allowed = 0.02 * tolerance * max(size + float(np.sum(sizes)), least_size)
        unsettled = ~(errors <= allowed) & (half > 4e-16 * np.abs(centre))
        last = depth == _DEEPEST - 1 or 2 * np.count_nonzero(unsettled) > _MOST_PANELS
        done = np.ones_like(unsettled) if last else ~unsettled
        value += float(np.sum(fine[done]))
        size += float(np.sum(sizes[done]))
        error += float(np.sum(errors[done]))
        low, high, centre = low[~done], high[~done], centre[~done]
        if not low.size:
            break
        low, high = np.concatenate([low, centre]), np.concatenate([centre, high])
    return Integral(value, max(size, least_size), error)


def settled(integral: Integral, low: float, high: float) -> float:
    """The value, where its error is bearable.

    Raises:
        InputError: it is not.
    """
    if not math.isfinite(integral.size):
        raise InputError(
            f"it is not finite everywhere between {low:.3g} and {high:.3g} standard deviations"
        )
    if integral.error > _NOISY * integral.size:
        raise InputError(
            "its expectation does not settle: it jumps or oscillates too finely, or is random, "
            f"or computes with few digits (relative error {integral.error / integral.size:.0e})"
        )
    return integral.value
