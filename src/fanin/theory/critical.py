"""The edge of chaos: scales of weights and biases at which gradients neither vanish nor explode."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from fanin.errors import InputError
from fanin.theory.activations import Activation, as_activation
from fanin.theory.kernels import Kernel, kernel_of
from fanin.theory.mean_field import slope_square, square_at_zero
from fanin.theory.ranges import require_std

Array = NDArray[np.float64]

_ROUNDING = 1e-12
_GRID = np.geomspace(1e-4, 1e4, 20 * 8 + 1)


@dataclass(frozen=True, slots=True)
class CriticalPoint:
    """One pair of scales at which chi_1 = 1.

    Args:
        sigma_w: std of the weights times sqrt(fan_in).
        sigma_b: std of the biases.
        q: the second moment of the pre-activations, a fixed point; 0 is a limit that signals
            approach slowly. Of an activation that is homogeneous of degree 1 any q is one, and 1
            stands for all.
        slope: of the variance map at q.
        stable: whether signals come back to q; homogeneous activations keep any q instead.
    """

    sigma_w: float
    sigma_b: float
    q: float
    slope: float
    stable: bool


@dataclass(frozen=True, slots=True, eq=False)
class CriticalLine:
    """All scales at which chi_1 = 1. Made by ``edge_of_chaos``.

    Args:
        activation: its name.
        sigma_w, sigma_b, q, slope: float64 of one shape (n,), ascending in q; see
            ``CriticalPoint``. One element where the line is a point.
        stable: bool of that shape.
        words: what there is to know, in one sentence.
    """

    activation: str
    sigma_w: Array
    sigma_b: Array
    q: Array
    slope: Array
    stable: NDArray[np.bool_]
    words: str
    _source: _Critical

    @property
    def points(self) -> Array:
        """float64 of shape (n, 3): sigma_w, sigma_b and q of each point."""
        return np.column_stack([self.sigma_w, self.sigma_b, self.q])

    def at(self, sigma_b: float) -> CriticalPoint:
        """The critical point of these biases; where there are several, that of the smallest q.

        Raises:
            InputError: sigma_b is negative or not finite, or no critical point has it.

        Example:
            >>> point = edge_of_chaos("tanh").at(0.05**0.5)
            >>> round(point.q, 8), round(point.sigma_w**2, 8)
            (0.57004788, 1.76095464)
        """
        return self._source.at(require_std("sigma_b", sigma_b))


def critical_point(activation: object, sigma_b: float = 0.0) -> CriticalPoint:
    """One point of the edge of chaos, as ``edge_of_chaos(activation).at(sigma_b)``.

    Args, Raises:
        as there.

    Example:
        >>> round(critical_point("selu").sigma_w, 6)
        0.690486
    """
    known = as_activation(activation)
    return _Critical(known, kernel_of(known)).at(require_std("sigma_b", sigma_b))


def edge_of_chaos(activation: object) -> CriticalLine:
    """The whole critical line of an activation, without a search.

    For each q: sigma_w^2 = 1 / E phi'(sqrt(q) z)^2 makes chi_1 = 1, and sigma_b^2 = q - sigma_w^2
    E phi(sqrt(q) z)^2 makes q a fixed point; the pair exists where that is 0 or more. q runs from
    1e-4 to 1e4.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.

    Raises:
        InputError: no activation, or it is constant.

    Example:
        >>> relu = edge_of_chaos("relu")
        >>> round(relu.at(0.0).sigma_w, 12), relu.words
        (1.414213562373, 'a point: sigma_w = 1.41421, sigma_b = 0, at any q')
        >>> round(edge_of_chaos("sigmoid").at(0.0).sigma_w, 6)
        10.149264

    References:
        Hayou, Doucet, Rousseau, On the impact of the activation function on deep neural networks
        training, 2019, arXiv:1902.06853, section 3; Schoenholz et al., 2017, arXiv:1611.01232.
    """
    known = as_activation(activation)
    source = _Critical(known, kernel_of(known))
    points = source.points()
    if not points:
        raise InputError(f"{known.name} has no critical point with q from 1e-4 to 1e4")
    return CriticalLine(
        known.name,
        np.array([p.sigma_w for p in points]),
        np.array([p.sigma_b for p in points]),
        np.array([p.q for p in points]),
        np.array([p.slope for p in points]),
        np.array([p.stable for p in points]),
        source.words(points),
        source,
    )


@dataclass(frozen=True, slots=True)
class _Critical:
    """The line as a function of q."""

    activation: Activation
    kernel: Kernel

    def weight_square(self, q: float) -> float:
        slopes = slope_square(self.kernel, q)
        if not slopes > 0.0:
            raise InputError(
                f"{self.activation.name} has no slope at q = {q:g}: it carries no gradient at any "
                "scale of the weights"
            )
        return 1.0 / slopes

    def bias_square(self, q: float) -> float:
        square = q - self.weight_square(q) * self.kernel.square(q)
        return square if abs(square) > _ROUNDING * q else 0.0

    def point(self, q: float, sigma_b: float) -> CriticalPoint:
        weight = self.weight_square(q)
        slope = weight * self.kernel.square_growth(q)
        return CriticalPoint(math.sqrt(weight), sigma_b, q, slope, slope <= 1.0 + _ROUNDING)

    def start(self) -> CriticalPoint | None:
        """The limit q -> 0 without biases."""
        if self.activation.slopes is not None:
            return CriticalPoint(math.sqrt(self.weight_square(1.0)), 0.0, 1.0, 1.0, stable=False)
        if square_at_zero(self.activation) != 0.0 or slope_square(self.kernel, 0.0) == 0.0:
            return None
        weight = self.weight_square(0.0)
        q = float(_GRID[0])
        # The slope is 1 there; signals come back if the map lies below the diagonal beside it.
        back = weight * self.kernel.square(q) <= q * (1.0 + _ROUNDING)
        return CriticalPoint(math.sqrt(weight), 0.0, 0.0, 1.0, stable=back)

    def points(self) -> list[CriticalPoint]:
        start = self.start()
        found = [] if start is None else [start]
        if self.activation.slopes is not None:
            return found
        biases = _bias_squares(self)
        for i, (q, bias) in enumerate(zip(_GRID, biases, strict=True)):
            if i and bias * biases[i - 1] < 0.0:
                found.append(self.point(self._solve(0.0, i - 1), 0.0))
            if bias >= 0.0:
                found.append(self.point(float(q), math.sqrt(bias)))
        return found

    def at(self, sigma_b: float) -> CriticalPoint:
        start = self.start()
        if start is not None and sigma_b == 0.0:
            return start
        if self.activation.slopes is not None:
            raise InputError(
                f"{self.activation.name} is critical without biases only, at sigma_w = "
                f"{math.sqrt(self.weight_square(1.0)):.6g}; got sigma_b = {sigma_b:g}"
            )
        biases = _bias_squares(self)
        above = biases >= sigma_b**2
        if above[0] and start is not None:
            return self._below_the_grid(sigma_b)
        changes = np.flatnonzero(above[1:] != above[:-1])
        if not changes.size:
            greatest = math.sqrt(max(float(biases.max()), 0.0))
            raise InputError(
                f"{self.activation.name} has no critical point with sigma_b = {sigma_b:g} and q "
                f"from 1e-4 to 1e4; its sigma_b there is at most {greatest:.4g}"
            )
        return self.point(self._solve(sigma_b, int(changes[0])), sigma_b)

    def _solve(self, sigma_b: float, interval: int) -> float:
        low, high = float(_GRID[interval]), float(_GRID[interval + 1])
        root = optimize.brentq(
            lambda q: self.bias_square(q) - sigma_b**2, low, high, xtol=1e-13 * low, rtol=1e-14
        )
        return float(root)

    def _below_the_grid(self, sigma_b: float) -> CriticalPoint:
        """Near 0 sigma_b^2 is at most q and falls with it: halve q until it is below."""
        low = high = float(_GRID[0])
        while self.bias_square(low) > sigma_b**2 and low > 1e-12:
            low, high = low / 2, low
        if low == high or self.bias_square(low) > sigma_b**2:
            return self.point(low, sigma_b)
        root = optimize.brentq(lambda q: self.bias_square(q) - sigma_b**2, low, high, rtol=1e-12)
        return self.point(float(root), sigma_b)

    def words(self, points: list[CriticalPoint]) -> str:
        first = points[0]
        if self.activation.slopes is not None:
            return f"a point: sigma_w = {first.sigma_w:.6g}, sigma_b = 0, at any q"
        start = f"a line from sigma_w = {first.sigma_w:.6g}, sigma_b = {first.sigma_b:.4g}"
        if first.q > _GRID[0]:
            start += f", q = {first.q:.6g}; none at smaller q"
        unstable = [p.q for p in points if not p.stable]
        if not unstable:
            return f"{start}; every q is stable"
        if len(unstable) == len(points):
            return f"{start}; every q is unstable: signals leave it"
        return f"{start}; q is unstable between {min(unstable):.4g} and {max(unstable):.4g}"


@lru_cache(maxsize=64)
def _bias_squares(of: _Critical) -> Array:
    return np.array([of.bias_square(float(q)) for q in _GRID])
