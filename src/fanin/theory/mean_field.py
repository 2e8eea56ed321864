"""How second moments and correlations travel through wide layers.

h_l = W_l phi(h_(l-1)) + b_l with W ~ N(0, sigma_w^2 / fan_in) and b ~ N(0, sigma_b^2), in the limit
of infinite width: then the pre-activations h of a layer are Gaussian, and two numbers describe
them, the second moment q of one input and the correlation c of two.

Convolutions obey the same maps with the fan_in of their layout, exactly so with circular padding;
zero padding lowers q at the border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fanin.theory.activations import Activation, as_activation
from fanin.theory.fixed_points import SLOPE_TOLERANCE, FixedPoint, crossings, stability_of
from fanin.theory.kernels import Kernel, kernel_of
from fanin.theory.quadrature import expect
from fanin.theory.ranges import LARGEST, require_count, require_square, require_std

Array = NDArray[np.float64]

# Stand for the limits q -> 0 and q -> infinity, where an activation is what its slopes are.
_NEAR_ZERO = 1e-18
_FAR_OUT = 1e16


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of phi(u) for u ~ N(0, q).

    Args:
        mean: E phi.
        mean_square: E phi^2.
        variance: E phi^2 - (E phi)^2.
        fourth: E phi^4.
        derivative_mean_square: E phi'^2.
    """

    mean: float
    mean_square: float
    variance: float
    fourth: float
    derivative_mean_square: float

    @property
    def k(self) -> float:
        """E phi^4 / (E phi^2)^2: a layer of n units adds noise of variance (k - 1) / n to log q.

        ``nan`` where phi is 0 everywhere.
        """
        return self.fourth / self.mean_square**2 if self.mean_square else math.nan


def moments(activation: object, q: float = 1.0) -> Moments:
    """Moments of an activation over a Gaussian input.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        q: the second moment of the input; a number, no unit.

    Returns:
        E phi(u), E phi(u)^2, Var phi(u), E phi(u)^4, E phi'(u)^2 for u ~ N(0, q).

    Raises:
        InputError: no activation, or q not finite and above 0.

    Example:
        >>> relu = moments("relu")
        >>> round(relu.mean_square, 12), round(relu.k, 12)
        (0.5, 6.0)
    """
    known = as_activation(activation)
    std = math.sqrt(require_square("q", q))
    kernel = kernel_of(known)
    mean = expect(known, known.breaks, std)
    square = kernel.square(q)
    fourth = expect(lambda u: np.square(known.second_moment(u)), known.breaks, std)
    return Moments(mean, square, square - mean**2, fourth, kernel.slope_square(q))


@dataclass(frozen=True, slots=True)
class VarianceMap:
    """One layer's effect on the second moment: q -> sigma_w^2 E phi(sqrt(q) z)^2 + sigma_b^2.

    Made by ``variance_map``.
    """

    activation: Activation
    kernel: Kernel
    sigma_w: float
    sigma_b: float

    def __call__(self, q: float) -> float:
        """The second moment of the next pre-activation; ``inf`` beyond 1e100.

        Raises:
            InputError: q is not finite and above 0.
        """
        return self.next_square(require_square("q", q))

    def next_square(self, q: float) -> float:
        """The map, from 0 to ``inf`` and unchecked."""
        if q > LARGEST:
            return math.inf
        square = self.kernel.square(q) if q > 0.0 else square_at_zero(self.activation)
        following = self.sigma_w**2 * square + self.sigma_b**2
        return following if following <= LARGEST else math.inf

    def derivative(self, q: float) -> float:
        """dq'/dq = sigma_w^2 (E phi'^2 + E phi phi''): above 1 at a fixed point, it is unstable.

        Raises:
            InputError: q is not finite and above 0.
        """
        return self.sigma_w**2 * self.kernel.square_growth(require_square("q", q))

    def trajectory(self, q0: float, layers: int) -> Array:
        """Second moments of ``layers`` further pre-activations.

        Args:
            q0: the second moment of the first pre-activation.
            layers: how often the map is applied.

        Returns:
            float64 of shape (layers + 1,), q0 first; ``inf`` beyond 1e100.

        Raises:
            InputError: q0 is not above 0, or layers no positive integer.

        Example:
            >>> variance_map("relu", 1.0).trajectory(1.0, 3)
            array([1.   , 0.5  , 0.25 , 0.125])
        """
        values = [require_square("q0", q0)]
        for _ in range(require_count("layers", layers)):
            values.append(self.next_square(values[-1]))
        return np.array(values)

    def fixed_points(self) -> tuple[FixedPoint, ...]:
        """All fixed points, ascending, from 0 to infinity.

        0 is one where phi(0) = 0 and sigma_b = 0; ``inf`` where large second moments grow. For an
        activation that is homogeneous of degree 1, at its gain and without biases, every q is
        fixed: the answer is then 1, neutral, with words that say so.

        Found by signs on a grid of 20 points a decade between 1e-12 and 1e8 (times sigma_b^2 or
        sigma_w^2 where these are larger): two fixed points closer than that are missed.

        Example:
            >>> for point in variance_map("tanh", 1.5**0.5, 0.05**0.5).fixed_points():
            ...     print(round(point.value, 9), round(point.slope, 4), point.stability)
            0.418037201 0.552 stable
        """
        return _fixed_points(self)

    def limit(self, q0: float = 1.0) -> FixedPoint:
        """The fixed point at which signals that start with q0 end.

        Where q0 is itself a fixed point, that one, also if it is unstable. Of a map that falls
        (bell-shaped activations) with a slope below -1, the point about which it swings.

        Raises:
            InputError: q0 is not finite and above 0.
        """
        start = require_square("q0", q0)
        points = self.fixed_points()
        if len(points) == 1:
            only = points[0]
            return _every_q(start) if only.stability == "neutral" else only
        for point in points:
            if math.isclose(point.value, start, rel_tol=1e-9):
                return point
        rises = self.next_square(start) > start
        ahead = [p for p in points if (p.value > start) == rises]
        return ahead[0] if rises else ahead[-1]


def variance_map(activation: object, sigma_w: float, sigma_b: float = 0.0) -> VarianceMap:
    """The map of second moments from one pre-activation to the next, in wide layers.

    q' = sigma_w^2 E phi(sqrt(q) z)^2 + sigma_b^2, z ~ N(0, 1).

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        sigma_w: the weights are drawn from N(0, sigma_w^2 / fan_in).
        sigma_b: the biases are drawn from N(0, sigma_b^2).

    Raises:
        InputError: no activation, or a sigma that is negative or not finite.

    Example:
        >>> tanh = variance_map("tanh", 1.0)
        >>> [point.words for point in tanh.fixed_points()]
        ['q = 0, where every signal vanishes']

    References:
        Poole et al., Exponential expressivity in deep neural networks through transient chaos,
        2016, arXiv:1606.05340, equation 3.
    """
    known = as_activation(activation)
    return VarianceMap(
        known, kernel_of(known), require_std("sigma_w", sigma_w), require_std("sigma_b", sigma_b)
    )


@lru_cache(maxsize=256)
def _fixed_points(of: VarianceMap) -> tuple[FixedPoint, ...]:
    if of.activation.slopes is not None:
        return _fixed_points_of_a_line(of)
    scale = max(1.0, of.sigma_w**2, of.sigma_b**2)
    # A map that rises has no fixed point below its value at 0.
    least = min(1e-12, of.next_square(0.0) / 2 or 1e-12)
    greatest = 1e8 * scale
    grid = np.geomspace(least, greatest, math.ceil(20 * math.log10(greatest / least)) + 1)

    def drift(q: float) -> float:
        return of.next_square(q) - q

    found = crossings(drift, grid)
    points: list[FixedPoint] = []
    if of.sigma_b == 0.0 and (of.sigma_w == 0.0 or square_at_zero(of.activation) == 0.0):
        slope = of.sigma_w**2 * slope_square(of.kernel, 0.0)
        stability = stability_of(slope, found.first_sign, 0.0)
        points.append(FixedPoint(0.0, slope, stability, "q = 0, where every signal vanishes"))
    for q in found.roots:
        slope = of.derivative(q)
        step = 1e-3 * q
        stability = stability_of(slope, drift(q + step), drift(q - step))
        end = "every signal near it comes back" if stability == "stable" else "signals leave it"
        points.append(FixedPoint(q, slope, stability, f"q = {q:.6g}; {end}"))
    if found.last_sign > 0.0:
        points.append(_without_bound(of.next_square(float(grid[-1])) / float(grid[-1])))
    return tuple(points)


def _fixed_points_of_a_line(of: VarianceMap) -> tuple[FixedPoint, ...]:
    """The map of a homogeneous activation is q -> slope q + sigma_b^2."""
    slope = of.sigma_w**2 * of.kernel.slope_square(1.0)
    offset = of.sigma_b**2
    if abs(slope - 1.0) <= SLOPE_TOLERANCE:
        return (_every_q(1.0),) if offset == 0.0 else (_without_bound(1.0),)
    points: list[FixedPoint] = []
    if offset == 0.0:
        stability = stability_of(slope, 0.0, 0.0)
        points.append(FixedPoint(0.0, slope, stability, "q = 0, where every signal vanishes"))
    elif slope < 1.0:
        q = offset / (1.0 - slope)
        points.append(
            FixedPoint(q, slope, "stable", f"q = {q:.6g}; every signal near it comes back")
        )
    if slope > 1.0:
        points.append(_without_bound(slope))
    return tuple(points)


def _every_q(q: float) -> FixedPoint:
    return FixedPoint(q, 1.0, "neutral", "every q is a fixed point: signals keep what they have")


def _without_bound(slope: float) -> FixedPoint:
    return FixedPoint(math.inf, slope, "stable", "q = infinity: signals grow without bound")


def square_at_zero(activation: Activation) -> float:
    """phi(0)^2."""
    return float(activation.second_moment(np.zeros(1))[0])


def slope_square(kernel: Kernel, q: float) -> float:
    """E phi'(u)^2 for u ~ N(0, q), with its limits at q = 0 and q = infinity."""
    return kernel.slope_square(min(max(q, _NEAR_ZERO), _FAR_OUT))
