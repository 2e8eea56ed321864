"""What RMS each layer of a plain network will show, and how far one draw may stray from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fanin.errors import InputError
from fanin.fans import Layout, linear
from fanin.theory.activations import Activation, as_activation
from fanin.theory.finite_width import Neighbourhood, Spread, backward_spread, forward_spread
from fanin.theory.kernels import Kernel, kernel_of
from fanin.theory.ranges import require_counts, require_square, require_std

Array = NDArray[np.float64]

_TAIL = 1.6448536269514722
"""Standard deviations above which 5% of a normal distribution lie."""


@runtime_checkable
class HasStd(Protocol):
    """A scheme, as far as a forecast is concerned."""

    def std(self, layout: Layout | None = None) -> float:
        """The standard deviation of one element for a weight of this layout."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Predicted scales by layer. Made by ``signal_forecast``.

    All arrays are float64 of shape (layers,), first layer first. An RMS is that of one layer's
    pre-activations for one input; a gradient's is relative to that of the last layer, which is 1.

    Args:
        activation: its name.
        fan_in, fan_out: of the weights.
        forward_rms: in the wide limit.
        forward_low, forward_high: 5% and 95% of draws of this width lie below.
        forward_log_drift, forward_log_variance: of log of the second moment, by finite width.
        gradient_rms, gradient_low, gradient_high, gradient_log_drift, gradient_log_variance:
            the same of d loss / d pre-activation.
    """

    activation: str
    fan_in: Array
    fan_out: Array
    forward_rms: Array
    forward_low: Array
    forward_high: Array
    forward_log_drift: Array
    forward_log_variance: Array
    gradient_rms: Array
    gradient_low: Array
    gradient_high: Array
    gradient_log_drift: Array
    gradient_log_variance: Array

    def to_dict(self) -> dict[str, object]:
        """The forecast as plain values: the activation, and a list of one dict a layer.

        Beyond the range of float64 a value is ``inf``.
        """
        names = [name for name in self.__slots__ if name != "activation"]
        columns = {name: getattr(self, name).tolist() for name in names}
        count = len(self.forward_rms)
        rows = [
            {"layer": i + 1} | {name: column[i] for name, column in columns.items()}
            for i in range(count)
        ]
        return {"activation": self.activation, "layers": rows}


def signal_forecast(
    layers: Sequence[int] | Sequence[Layout],
    activation: object,
    scheme: HasStd | float | Sequence[HasStd | float],
    input_mean_square: float = 1.0,
    sigma_b: float = 0.0,
) -> Forecast:
    """Predict the RMS of every layer's pre-activations and gradients before anything is run.

    q_1 = std^2 fan_in m2(x) + sigma_b^2, since the first layer's input is no activation;
    q_(l+1) = std^2 fan_in E phi(sqrt(q_l) z)^2 + sigma_b^2. Gradients: g_l = std^2 fan_out E
    phi'(sqrt(q_l) z)^2 g_(l+1).

    Finite width n spreads log q: a layer adds noise of variance (k - 1) / n, k = E phi^4 / (E
    phi^2)^2 (relu 5 / n, linear 2 / n), and a drift of half of that downwards. Later layers
    multiply a deviation by the elasticity of their variance map, so noise adds up for relu
    (variance 5 layers / n), dies out for tanh, and grows for gelu and silu, whose q is unstable.
    The bands are log-normal, to first order in 1 / n: trust them while the variances are below
    about 1. They are for one input and independent weights: a batch or orthogonal weights stray
    less.

    Args:
        layers: widths from the input to the last layer, e.g. (784, 256, 256, 10); or the layouts
            of the weights. Convolutions count as wide as they have channels; padding with zeros
            lowers the signal at the border, and a stride divides the gradient's second moment by
            its product, which a layout does not tell.
        activation: a name, a function or a module, as ``gain`` takes it; it follows every layer
            but the last.
        scheme: a scheme, or a number sigma_w for weights of std sigma_w / sqrt(fan_in); or one of
            these for each weight.
        input_mean_square: m2(x), of the input's elements.
        sigma_b: std of the biases.

    Raises:
        InputError: widths that are no positive integers or fewer than two; no activation; a
            scheme that has no std for a layout, or a negative or infinite one; not as many schemes
            as weights; m2(x) not above 0; sigma_b negative or not finite.

    Example:
        >>> relu = signal_forecast([256] * 51, "relu", 2**0.5)
        >>> round(float(relu.forward_rms[49]), 6), round(float(relu.forward_log_variance[49]), 2)
        (1.414214, 0.96)
        >>> [round(float(x), 2) for x in (relu.forward_low[49], relu.forward_high[49])]
        [0.5, 2.49]

    References:
        Hanin, Rolnick, How to start training, 2018, arXiv:1803.01719, theorem 5 (the spread of
        relu); Hanin, Nica, 2018, arXiv:1812.05994 (its log-normal law).
    """
    weights = _layouts(layers)
    known = as_activation(activation)
    variances = _variances(scheme, weights)
    bias = require_std("sigma_b", sigma_b) ** 2
    inputs = require_square("input_mean_square", input_mean_square)
    squares = [variances[0] * weights[0].fan_in * inputs + bias]
    kernel = kernel_of(known)
    around: list[Neighbourhood] = []
    shares: list[float] = []
    for weight, variance in zip(weights[1:], variances[1:], strict=True):
        near = _near(known, kernel, squares[-1])
        carried = variance * weight.fan_in * near.square
        around.append(near)
        squares.append(carried + bias)
        shares.append(carried / squares[-1] if 0.0 < squares[-1] < math.inf else 1.0)
    factors = [
        variance * weight.fan_out * near.slope_square
        for weight, variance, near in zip(weights[1:], variances[1:], around, strict=True)
    ]
    with np.errstate(over="ignore"):
        gradients = np.append(np.cumprod(np.array(factors)[::-1])[::-1], 1.0)
    units = [math.prod(weight.shape[axis] for axis in weight.out_axes) for weight in weights]
    unit_spread, seen = forward_spread(around, shares, units)
    back = backward_spread(around, shares, units, unit_spread)
    forward = np.array(squares)
    return Forecast(
        known.name,
        np.array([weight.fan_in for weight in weights], dtype=np.float64),
        np.array([weight.fan_out for weight in weights], dtype=np.float64),
        np.sqrt(forward),
        _quantile(forward, seen, -_TAIL),
        _quantile(forward, seen, _TAIL),
        seen.drift,
        seen.variance,
        np.sqrt(gradients),
        _quantile(gradients, back, -_TAIL),
        _quantile(gradients, back, _TAIL),
        back.drift,
        back.variance,
    )


def _quantile(square: Array, spread: Spread, deviations: float) -> Array:
    """A quantile of the RMS."""
    with np.errstate(over="ignore", invalid="ignore"):
        shift = np.exp((spread.drift + deviations * np.sqrt(spread.variance)) / 2)
        return np.where(square > 0.0, np.sqrt(square) * shift, 0.0)


def _near(activation: Activation, kernel: Kernel, q: float) -> Neighbourhood:
    """At q, or at the nearest q at which fourth moments are within float64.

    A homogeneous activation is the same everywhere but for its square.
    """
    if activation.slopes is None:
        return Neighbourhood.of(activation, kernel, min(max(q, 1e-30), 1e30))
    one = Neighbourhood.of(activation, kernel, 1.0)
    return Neighbourhood(
        one.square * q,
        one.slope_square,
        one.forward_noise,
        one.backward_noise,
        one.common_noise,
        one.elasticity,
        one.tilt,
    )


def _layouts(layers: Sequence[int] | Sequence[Layout]) -> tuple[Layout, ...]:
    if isinstance(layers, Sequence) and layers and all(isinstance(x, Layout) for x in layers):
        weights = tuple(layer for layer in layers if isinstance(layer, Layout))
        for i, weight in enumerate(weights):
            if not (weight.fan_in and weight.fan_out and weight.out_axes):
                raise InputError(
                    f"layers[{i}] is a {weight.op} weight of shape {weight.shape}: a forecast "
                    "needs inputs and outputs"
                )
        return weights
    widths = require_counts("widths", layers, 2)
    return tuple(linear((out, in_)) for in_, out in pairwise(widths))


def _variances(
    scheme: HasStd | float | Sequence[HasStd | float], weights: tuple[Layout, ...]
) -> list[float]:
    """The variance of each weight's elements."""
    schemes: list[object]
    schemes = [scheme] * len(weights)
    if isinstance(scheme, Sequence) and not isinstance(scheme, str):
        schemes = list(scheme)
    if len(schemes) != len(weights):
        raise InputError(
            f"scheme must be one for all weights or one for each of the {len(weights)}, got "
            f"{len(schemes)}"
        )
    return [_variance(one, weight) for one, weight in zip(schemes, weights, strict=True)]


def _variance(scheme: object, weight: Layout) -> float:
    if isinstance(scheme, Real) and not isinstance(scheme, bool):
        return require_std("scheme", scheme) ** 2 / weight.fan_in
    if isinstance(scheme, type) or not isinstance(scheme, HasStd):
        raise InputError(
            "scheme must be a scheme such as fanin.schemes.he_normal(), or a number sigma_w, got "
            f"{scheme!r}"
        )
    return require_std(f"the std of {scheme!r}", scheme.std(weight)) ** 2
