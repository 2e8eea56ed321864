"""How much one draw of a network of finite width strays from the wide limit.

To first order in 1 / width. A layer of n units estimates E phi^2 by a mean over n, so it adds noise
of variance (E phi^4 / (E phi^2)^2 - 1) / n to log q, and half of that as a drift downwards. The
next layer multiplies a deviation of log q by the elasticity of the variance map: 1 for relu, where
noise accumulates with depth, below 1 for tanh, where it does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanin.theory.activations import Activation
from fanin.theory.kernels import Kernel
from fanin.theory.quadrature import expect

Array = NDArray[np.float64]

# Of log q, for derivatives by differences: the elasticities change over several units of it.
_STEP = 0.03


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What an activation does to second moments at q and near it.

    Args:
        square: E phi^2.
        slope_square: E phi'^2.
        forward_noise: the variance of phi^2 / E phi^2 over units.
        backward_noise: of phi'^2 g^2 / E phi'^2, g a Gaussian gradient.
        common_noise: the covariance of the two.
        elasticity: d log E phi^2 / d log q, and its derivative by log q.
        tilt: d log E phi'^2 / d log q, and its derivative by log q.
    """

    square: float
    slope_square: float
    forward_noise: float
    backward_noise: float
    common_noise: float
    elasticity: tuple[float, float]
    tilt: tuple[float, float]

    @classmethod
    def of(cls, activation: Activation, kernel: Kernel, q: float) -> Neighbourhood:
        std = math.sqrt(q)
        square, slopes = kernel.square(q), kernel.slope_square(q)
        if square == 0.0 or slopes == 0.0:
            return cls(square, slopes, 0.0, 0.0, 0.0, (0.0, 0.0), (0.0, 0.0))

        def mean(weigh_values: int, weigh_slopes: int) -> float:
            def product(u: Array) -> Array:
                values: Array = activation.second_moment(u) ** weigh_values
                return values * activation.derivative(u) ** (2 * weigh_slopes)

            return expect(product, activation.breaks, std)

        return cls(
            square,
            slopes,
            mean(2, 0) / square**2 - 1.0,
            3.0 * mean(0, 2) / slopes**2 - 1.0,
            mean(1, 1) / (square * slopes) - 1.0,
            _bend([math.log(kernel.square(q * math.exp(x))) for x in (-_STEP, 0.0, _STEP)]),
            _bend([math.log(kernel.slope_square(q * math.exp(x))) for x in (-_STEP, 0.0, _STEP)]),
        )


def _bend(logs: Sequence[float]) -> tuple[float, float]:
    low, middle, high = logs
    return (high - low) / (2 * _STEP), (high - 2 * middle + low) / _STEP**2


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Log-normal deviations from the wide limit, of second moments.

    Args:
        drift: float64 of shape (layers,), the mean of log (second moment / its limit).
        variance: float64 of that shape, its variance.
    """

    drift: Array
    variance: Array


def forward_spread(
    around: Sequence[Neighbourhood], shares: Sequence[float], units: Sequence[int]
) -> tuple[Spread, Spread]:
    """Of the second moments of pre-activations.

    Args:
        around: of each pre-activation but the last.
        shares: of each pre-activation but the first: the part that does not come from biases.
        units: of every pre-activation.

    Returns:
        That of the variance of a unit, given the layers before it; and that of the mean over the
        units of a layer of what one sees.
    """
    drift, variance = np.zeros(len(units)), np.zeros(len(units))
    for i, (near, share) in enumerate(zip(around, shares, strict=True)):
        slope, bend = near.elasticity
        # With biases: log(w E + b) instead of log E.
        slope, bend = share * slope, share * (bend + (1.0 - share) * slope**2)
        noise = share**2 * near.forward_noise / units[i]
        variance[i + 1] = slope**2 * variance[i] + noise
        drift[i + 1] = slope * drift[i] + (bend * variance[i] - noise) / 2
    own = 2.0 / np.array(units, dtype=np.float64)
    return Spread(drift, variance), Spread(drift - own / 2, variance + own)


def backward_spread(
    around: Sequence[Neighbourhood],
    shares: Sequence[float],
    units: Sequence[int],
    forward: Spread,
) -> Spread:
    """Of the second moments of gradients relative to that of the last pre-activation.

    A gradient meets noise of its own in each layer, and that of the signal, on which phi' depends.

    Args:
        around, shares, units: as in ``forward_spread``.
        forward: of the variance of a unit.
    """
    last = len(units) - 1
    tilts = np.array([near.tilt for near in around]).reshape(last, 2)
    own = np.array([near.backward_noise for near in around]) / np.array(units[:last])
    steps = tilts[:, 0] * forward.drift[:last]
    steps += (tilts[:, 1] * forward.variance[:last] - own) / 2
    variance = np.zeros(last + 1)
    # What a deviation of log q of layer i + 1 does to the gradients' logarithms, of every layer.
    ahead = np.zeros(last + 1)
    for i in range(last - 1, -1, -1):
        near, met = around[i], np.arange(last + 1) <= i
        gain = ahead * shares[i]
        noise = gain**2 * near.forward_noise
        noise += met * (near.backward_noise + 2 * gain * near.common_noise)
        variance += noise / units[i]
        ahead = shares[i] * near.elasticity[0] * ahead + met * tilts[i, 0]
    return Spread(
        np.append(np.cumsum(steps[::-1])[::-1], 0.0), np.append(np.maximum(variance[:last], 0), 0)
    )
