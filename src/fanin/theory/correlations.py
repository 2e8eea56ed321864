"""How the correlation of two inputs travels through wide layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from fanin.errors import InputError
from fanin.theory.activations import Activation
from fanin.theory.fixed_points import SLOPE_TOLERANCE, FixedPoint, stability_of
from fanin.theory.kernels import Kernel
from fanin.theory.mean_field import variance_map
from fanin.theory.ranges import require_correlation, require_count, require_square

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CorrelationMap:
    """One layer's effect on the correlation of two inputs of equal second moment q.

    c -> (sigma_w^2 E phi(u) phi(v) + sigma_b^2) / V(q), u and v ~ N(0, q) with correlation c,
    where V is the variance map: V(q) = q at its fixed point. Made by ``correlation_map``.
    """

    activation: Activation
    kernel: Kernel
    sigma_w: float
    sigma_b: float
    q: float

    def __call__(self, c: float) -> float:
        """The correlation of the next pre-activations.

        Raises:
            InputError: c is outside [-1, 1].
        """
        return self.next_correlation(require_correlation("c", c))

    def next_correlation(self, c: float) -> float:
        """The map, unchecked."""
        product = self.sigma_w**2 * self.kernel.product(self.q, c) + self.sigma_b**2
        return min(max(product / self._following(), -1.0), 1.0)

    def _following(self) -> float:
        return self.sigma_w**2 * self.kernel.square(self.q) + self.sigma_b**2

    def slope(self, c: float) -> float:
        """dc'/dc = sigma_w^2 E phi'(u) phi'(v) q / V(q); at c = 1 and a fixed q it is chi_1.

        Raises:
            InputError: c is outside [-1, 1].
        """
        product = self.kernel.slope_product(self.q, require_correlation("c", c))
        return self.sigma_w**2 * product * self.q / self._following()

    def trajectory(self, c0: float, layers: int) -> Array:
        """Correlations through ``layers`` layers.

        Returns:
            float64 of shape (layers + 1,), c0 first.

        Raises:
            InputError: c0 is outside [-1, 1], or layers no positive integer.

        Example:
            >>> correlation_map("relu", 2**0.5).trajectory(0.0, 1).round(6)
            array([0.     , 0.31831])
        """
        values = [require_correlation("c0", c0)]
        for _ in range(require_count("layers", layers)):
            values.append(self.next_correlation(values[-1]))
        return np.array(values)

    def fixed_points(self) -> tuple[FixedPoint, ...]:
        """The fixed points, ascending: 1 always, one below it in the chaotic phase.

        As a power series in c the map has coefficients of at least 0, so it is convex on [0, 1]
        and has at most two fixed points there. Below 0 there is only -1, where the activation is
        odd and sigma_b = 0. Where the map is the identity (linear layers), 1 is neutral and
        stands for all.

        Example:
            >>> chaotic = correlation_map("tanh", 3**0.5, 0.05**0.5)
            >>> [(round(point.value, 5), point.stability) for point in chaotic.fixed_points()]
            [(0.29932, 'stable'), (1.0, 'unstable')]
        """
        return _correlation_fixed_points(self)

    def limit(self) -> FixedPoint:
        """The fixed point at which two different inputs of correlation 0 or more end."""
        stable = [point for point in self.fixed_points() if point.stability != "unstable"]
        return stable[-1]


def correlation_map(
    activation: object, sigma_w: float, sigma_b: float = 0.0, q: float | None = None
) -> CorrelationMap:
    """The map of the correlation of two inputs from one pre-activation to the next.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        sigma_w: the weights are drawn from N(0, sigma_w^2 / fan_in).
        sigma_b: the biases are drawn from N(0, sigma_b^2).
        q: the second moment of both pre-activations; if None, the one at which the variance map
            ends that starts at 1 (where that is 0 or infinite, its limit).

    Raises:
        InputError: no activation; a sigma that is negative or not finite; both are 0, so that
            there is no signal; or q not finite and above 0.

    Example:
        >>> ordered = correlation_map("tanh", 1.5**0.5, 0.05**0.5)
        >>> round(ordered.slope(1.0), 6)
        0.938636

    References:
        Poole et al., 2016, arXiv:1606.05340, equation 5; of relu: Cho, Saul, 2009.
    """
    variance = variance_map(activation, sigma_w, sigma_b)
    if variance.sigma_w == 0.0 and variance.sigma_b == 0.0:
        raise InputError("sigma_w and sigma_b are both 0: there is no signal to correlate")
    if q is None:
        # Far from both ends the quotient of two expectations is exact to about 1e-9.
        q = min(max(variance.limit().value, 1e-14), 1e14)
    return CorrelationMap(
        variance.activation,
        variance.kernel,
        variance.sigma_w,
        variance.sigma_b,
        require_square("q", q),
    )


@lru_cache(maxsize=256)
def _correlation_fixed_points(of: CorrelationMap) -> tuple[FixedPoint, ...]:
    slope = of.slope(1.0)

    def drift(c: float) -> float:
        return of.next_correlation(c) - c

    points: list[FixedPoint] = []
    if abs(drift(-1.0)) <= 1e-12:
        points.append(FixedPoint(-1.0, of.slope(-1.0), "unstable", "c = -1: opposite inputs"))
    near = _just_below_one(of, slope)
    if near is not None:
        c = 0.0 if drift(0.0) <= 1e-15 else float(optimize.brentq(drift, 0.0, near, xtol=1e-13))
        points.append(
            FixedPoint(c, of.slope(c), "stable", f"c = {c:.6g}, where all pairs of inputs end")
        )
    step = drift(1.0 - 1e-3)
    stability = stability_of(slope, 0.0, step if abs(step) > 1e-12 else 0.0)
    words = {
        "stable": "c = 1: different inputs become one",
        "unstable": "c = 1: inputs that are nearly equal part",
        "neutral": "every c is a fixed point: inputs keep their correlation",
    }[stability]
    if stability == "neutral":
        points = []
    points.append(FixedPoint(1.0, slope, stability, words))
    return tuple(points)


def _just_below_one(of: CorrelationMap, slope: float) -> float | None:
    """A correlation below 1 at which pairs part, where the slope at 1 says that there is one."""
    if slope <= 1.0 + SLOPE_TOLERANCE:
        return None
    for exponent in range(1, 13):
        c = 1.0 - 4.0**-exponent
        if of.next_correlation(c) < c:
            return c
    return None
