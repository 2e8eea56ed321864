"""Singular values of the input-output Jacobian: do all directions keep their length?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from fanin.errors import UnknownNameError
from fanin.theory.activations import as_activation
from fanin.theory.critical import critical_point
from fanin.theory.mean_field import slope_square, variance_map
from fanin.theory.quadrature import expect
from fanin.theory.ranges import require_count, require_square, require_std

Weights = Literal["gaussian", "orthogonal"]


@dataclass(frozen=True, slots=True)
class Isometry:
    """The squared singular values of the Jacobian of a deep network, in the wide limit.

    Args:
        mean: of the squared singular values: what the square of a gradient is multiplied by.
        variance: of them; 0 with mean 1 is dynamical isometry.
        sigma_w: the scale of the weights that was used.
        q: the second moment of the last layer's pre-activation.
    """

    mean: float
    variance: float
    sigma_w: float
    q: float

    @property
    def relative_variance(self) -> float:
        """Variance / mean^2: 0 where all singular values are equal."""
        return self.variance / self.mean**2 if self.mean else math.nan


def dynamical_isometry(
    activation: object,
    depth: int,
    sigma_w: float | None = None,
    sigma_b: float = 0.0,
    weights: Weights = "gaussian",
    q: float | None = None,
) -> Isometry:
    """Mean and variance of the squared singular values of J = D_L W_L ... D_1 W_1, D = diag phi'.

    Mean: product over the layers of sigma_w^2 mu_1. Variance / mean^2: sum over the layers of
    mu_2 / mu_1^2 for Gaussian and mu_2 / mu_1^2 - 1 for orthogonal weights; mu_k = E phi'^(2k).
    Gaussian linear layers give a variance of L, relu 2 L at its gain; orthogonal ones 0 and L.
    For square layers of the same width.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        depth: the number L of layers.
        sigma_w: the weights have variance sigma_w^2 / fan_in; orthogonal ones are sigma_w times
            an orthogonal matrix. None: the critical one of these biases, where the mean is 1.
        sigma_b: the biases are drawn from N(0, sigma_b^2).
        weights: ``"gaussian"`` or ``"orthogonal"``.
        q: the second moment of the first pre-activation, from which the variance map gives the
            others; if None, the fixed point in all layers (of the critical line, or reached from
            1).

    Raises:
        InputError: no activation, depth no positive integer, a sigma that is negative or not
            finite, q not above 0, or there is no critical sigma_w.
        UnknownNameError: other weights.

    Example:
        >>> round(dynamical_isometry("relu", 10).variance, 9)
        20.0
        >>> round(dynamical_isometry("linear", 10, weights="orthogonal").variance, 9)
        0.0
        >>> dynamical_isometry("tanh", 10, weights="orthogonal").variance < 1e-12
        True

    References:
        Pennington, Schoenholz, Ganguli, Resurrecting the sigmoid in deep learning through
        dynamical isometry, 2017, arXiv:1711.04735, equations 14 to 17; The emergence of spectral
        universality in deep networks, 2018, arXiv:1802.09979, equation 14.
    """
    known = as_activation(activation)
    layers = require_count("depth", depth)
    if weights not in get_args(Weights):
        raise UnknownNameError("kind of weights", weights, get_args(Weights))
    bias = require_std("sigma_b", sigma_b)
    if sigma_w is None:
        point = critical_point(known, bias)
        scale, settled = point.sigma_w, point.q
    else:
        scale = require_std("sigma_w", sigma_w)
        settled = variance_map(known, scale, bias).limit().value if q is None else math.nan
    variance = variance_map(known, scale, bias)
    squares = [settled]
    if q is not None:
        squares = [require_square("q", q)]
        for _ in range(layers - 1):
            squares.append(variance.next_square(squares[-1]))
    repeats = layers if q is None else 1
    own = 0.0 if weights == "gaussian" else 1.0
    log_mean, spread = 0.0, 0.0
    for square in squares:
        first = slope_square(variance.kernel, square)
        if scale == 0.0 or first == 0.0:
            return Isometry(0.0, 0.0, scale, squares[-1])
        std = math.sqrt(min(max(square, 1e-18), 1e16))
        second = expect(lambda u: known.derivative(u) ** 4, known.breaks, std)
        log_mean += repeats * math.log(scale**2 * first)
        spread += repeats * max(second / first**2 - own, 0.0)
    mean = math.exp(min(log_mean, 350.0))
    return Isometry(mean, mean**2 * spread, scale, squares[-1])
