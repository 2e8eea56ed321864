"""Vanilla recurrent networks: the maps of mean field over time instead of depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanin.theory.correlations import CorrelationMap, correlation_map
from fanin.theory.fixed_points import FixedPoint, depth_scale
from fanin.theory.gradients import GradientMap
from fanin.theory.mean_field import VarianceMap, variance_map
from fanin.theory.phases import chi_1
from fanin.theory.ranges import require_square, require_std

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RecurrentMap:
    """One step's effect on the state's pre-activation. Made by ``recurrent_map``.

    Args:
        variance: of second moments; the inputs' share counts as that of a bias.
        chi_1: what a step back in time multiplies a gradient's second moment by, once the state
            has settled.
    """

    variance: VarianceMap
    chi_1: float

    @property
    def memory(self) -> float:
        """Steps in which a gradient through time falls or grows by a factor e; ``inf`` at 1."""
        return depth_scale(self.chi_1)

    def trajectory(self, steps: int, q0: float | None = None) -> Array:
        """Second moments of the state's pre-activation.

        Args:
            steps: how many follow the first.
            q0: of the first step; if None, what inputs and biases give to a state of 0.

        Returns:
            float64 of shape (steps + 1,).

        Raises:
            InputError: steps no positive integer; q0 not above 0, or None where there are neither
                inputs nor biases.
        """
        return self.variance.trajectory(self.variance.sigma_b**2 if q0 is None else q0, steps)

    def gradient(self, steps: int, q0: float | None = None) -> Array:
        """Second moments of the gradient of a loss at the last step, at every step before.

        Args, Raises:
            as ``trajectory``.

        Returns:
            float64 of shape (steps + 1,), relative to the last, which is 1.
        """
        start = self.variance.sigma_b**2 if q0 is None else q0
        return GradientMap(self.variance).trajectory(start, steps)

    def fixed_points(self) -> tuple[FixedPoint, ...]:
        """As ``VarianceMap.fixed_points``."""
        return self.variance.fixed_points()

    def correlation(self) -> CorrelationMap:
        """Of two states that start differently and read the same inputs."""
        return correlation_map(
            self.variance.activation, self.variance.sigma_w, self.variance.sigma_b
        )


def recurrent_map(
    activation: object,
    sigma_w: float,
    sigma_b: float = 0.0,
    sigma_in: float = 1.0,
    input_mean_square: float = 1.0,
) -> RecurrentMap:
    """The maps of h_t = W phi(h_(t-1)) + U x_t + b.

    q' = sigma_w^2 E phi(sqrt(q) z)^2 + sigma_in^2 m2(x) + sigma_b^2; chi_1 = sigma_w^2 E
    phi'(sqrt(q*) z)^2 a step.

    A recurrent network uses one W in all steps, the theory a new one in each. In the limit of
    width, for a fixed number of steps and a readout that is independent of W, second moments of
    states and gradients are the same, whatever the inputs; the correction grows with steps / width
    (relu and constant inputs: some 15% after 8 steps at width 128, 5% at 512). The spread of
    singular values over many steps is not that of deep networks (a Gaussian W^t is far from a
    product of t independent ones), so ``dynamical_isometry`` does not apply. Gated cells (LSTM,
    GRU) obey other maps.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        sigma_w: W ~ N(0, sigma_w^2 / hidden).
        sigma_b: b ~ N(0, sigma_b^2), the sum of both where there are two.
        sigma_in: U ~ N(0, sigma_in^2 / inputs).
        input_mean_square: m2(x).

    Raises:
        InputError: no activation, a sigma that is negative or not finite, or an input_mean_square
            not above 0.

    Example:
        >>> rnn = recurrent_map("tanh", 1.0, sigma_in=0.5)
        >>> round(rnn.chi_1, 4), round(rnn.memory, 2)
        (0.5799, 1.84)

    References:
        Chen, Pennington, Schoenholz, Dynamical isometry and a mean field theory of RNNs, 2018,
        arXiv:1806.05394, section 3; on tied weights: Yang, Tensor programs II, 2020,
        arXiv:2006.14548.
    """
    bias = require_std("sigma_b", sigma_b)
    inputs = require_std("sigma_in", sigma_in)
    mean_square = require_square("input_mean_square", input_mean_square)
    offset = float(np.sqrt(bias**2 + inputs**2 * mean_square))
    return RecurrentMap(
        variance_map(activation, sigma_w, offset), chi_1(activation, sigma_w, offset)
    )
