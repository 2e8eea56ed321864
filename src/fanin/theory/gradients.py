"""How the second moment of the gradient travels back through wide layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanin.errors import InputError
from fanin.theory.mean_field import VarianceMap, slope_square, variance_map
from fanin.theory.ranges import require_counts, require_square, require_std

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GradientMap:
    """One layer's effect on the second moment of the gradient of a pre-activation.

    Made by ``gradient_map``.
    """

    variance: VarianceMap

    def factor(self, q: float, width_ratio: float = 1.0) -> float:
        """What one layer towards the input multiplies the gradient's second moment by.

        sigma_w^2 E phi'(sqrt(q) z)^2 (width of the later layer / width of the earlier).

        Args:
            q: the second moment of the earlier layer's pre-activation.
            width_ratio: later / earlier; fan_out / fan_in of the weight between them.

        Raises:
            InputError: q is not finite and above 0, or width_ratio not finite and at least 0.
        """
        square = slope_square(self.variance.kernel, require_square("q", q))
        ratio = require_std("width_ratio", width_ratio)
        return self.variance.sigma_w**2 * square * ratio

    def trajectory(self, q0: float, layers: int, widths: Sequence[int] | None = None) -> Array:
        """Second moments of the gradients of layers + 1 pre-activations.

        Args:
            q0: the second moment of the first pre-activation, from which the variance map gives
                the others.
            layers: the number of weights between the first and the last pre-activation.
            widths: of the layers + 1 pre-activations; all equal if None.

        Returns:
            float64 of shape (layers + 1,), the first pre-activation's first, relative to the
            last, which is 1.

        Raises:
            InputError: q0 is not above 0, layers no positive integer, or widths do not fit.

        Example:
            >>> gradient_map("relu", 1.0).trajectory(1.0, 3)
            array([0.125, 0.25 , 0.5  , 1.   ])
        """
        forward = self.variance.trajectory(q0, layers)
        sizes = (1,) * (layers + 1) if widths is None else require_counts("widths", widths, 2)
        if len(sizes) != layers + 1:
            raise InputError(
                f"widths must hold one number for each of the {layers + 1} pre-activations, "
                f"got {len(sizes)}"
            )
        factors = np.array(
            [
                self.variance.sigma_w**2 * slope_square(self.variance.kernel, q) * later / earlier
                for q, earlier, later in zip(forward[:-1], sizes[:-1], sizes[1:], strict=True)
            ]
        )
        with np.errstate(over="ignore"):
            return np.append(np.cumprod(factors[::-1])[::-1], 1.0)


def gradient_map(activation: object, sigma_w: float, sigma_b: float = 0.0) -> GradientMap:
    """The map of the gradients' second moments, one layer towards the input.

    Assumes, as all of mean field does, that the weights which carry the gradient back are
    independent of those that carried the signal: true to leading order in wide layers.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        sigma_w: the weights are drawn from N(0, sigma_w^2 / fan_in).
        sigma_b: the biases are drawn from N(0, sigma_b^2).

    Raises:
        InputError: no activation, or a sigma that is negative or not finite.

    Example:
        >>> round(gradient_map("tanh", 3**0.5, 0.05**0.5).factor(1.428008462), 6)
        1.208934

    References:
        Schoenholz et al., Deep information propagation, 2017, arXiv:1611.01232, equation 12.
    """
    return GradientMap(variance_map(activation, sigma_w, sigma_b))
