"""Expectations of an activation over one Gaussian, or two that are correlated.

A kernel answers four questions about an activation phi. With u ~ N(0, q), v ~ N(0, q) and
correlation c: E phi(u)^2, E phi'(u)^2, E phi(u) phi(v), E phi'(u) phi'(v). Where algebra knows the
answers they are closed forms, otherwise quadrature; both can be asked for, so that one tests the
other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fanin.theory.activations import Activation, as_activation
from fanin.theory.quadrature import expect, expect_pair

Array = NDArray[np.float64]


class Kernel(Protocol):
    """The four expectations; q > 0 and c in [-1, 1] are taken as given."""

    def square(self, q: float) -> float:
        """E phi(u)^2."""
        ...

    def slope_square(self, q: float) -> float:
        """E phi'(u)^2."""
        ...

    def square_growth(self, q: float) -> float:
        """The derivative of ``square`` by q."""
        ...

    def product(self, q: float, c: float) -> float:
        """E phi(u) phi(v)."""
        ...

    def slope_product(self, q: float, c: float) -> float:
        """E phi'(u) phi'(v); q times this is the derivative of ``product`` by c."""
        ...


@dataclass(frozen=True, slots=True)
class HomogeneousKernel:
    """Phi(z) = negative z below 0 and positive z above: identity, relu, leaky relu, abs.

    With m = (positive + negative) / 2 and d = (positive - negative) / 2, phi(z) = m z + d |z|,
    and E |u||v| = q (2 / pi) (sqrt(1 - c^2) + c arcsin c).

    References:
        Cho, Saul, Kernel methods for deep learning, 2009, equation 6 (the arc-cosine kernel).
    """

    negative: float
    positive: float

    def square(self, q: float) -> float:
        return q * self.slope_square(q)

    def slope_square(self, q: float) -> float:
        return (self.negative**2 + self.positive**2) / 2

    def square_growth(self, q: float) -> float:
        return self.slope_square(q)

    def product(self, q: float, c: float) -> float:
        m, d = self._parts()
        moduli = (math.sqrt((1.0 - c) * (1.0 + c)) + c * math.asin(c)) * 2 / math.pi
        return q * (m**2 * c + d**2 * moduli)

    def slope_product(self, q: float, c: float) -> float:
        m, d = self._parts()
        return m**2 + d**2 * math.asin(c) * 2 / math.pi

    def _parts(self) -> tuple[float, float]:
        return (self.positive + self.negative) / 2, (self.positive - self.negative) / 2


@dataclass(frozen=True, slots=True)
class ErfKernel:
    """Phi(z) = erf(w z): E phi(u) phi(v) = (2 / pi) arcsin(2 s c / (1 + 2 s)), s = w^2 q.

    References:
        Williams, Computing with infinite networks, 1997, equation 11.
    """

    frequency: float = 1.0

    def square(self, q: float) -> float:
        return self.product(q, 1.0)

    def slope_square(self, q: float) -> float:
        return self.slope_product(q, 1.0)

    def square_growth(self, q: float) -> float:
        s = self.frequency**2 * q
        return self.frequency**2 * 4 / (math.pi * (1 + 2 * s) * math.sqrt(1 + 4 * s))

    def product(self, q: float, c: float) -> float:
        s = self.frequency**2 * q
        return 2 / math.pi * math.asin(2 * s * c / (1 + 2 * s))

    def slope_product(self, q: float, c: float) -> float:
        s = self.frequency**2 * q
        determinant = (1 + 2 * s * (1 - c)) * (1 + 2 * s * (1 + c))
        return 4 * self.frequency**2 / (math.pi * math.sqrt(determinant))


@dataclass(frozen=True, slots=True)
class SineKernel:
    """Phi(z) = sin(w z): E phi(u) phi(v) = exp(-s) sinh(s c), s = w^2 q."""

    frequency: float = 1.0

    def square(self, q: float) -> float:
        return -math.expm1(-2 * self.frequency**2 * q) / 2

    def slope_square(self, q: float) -> float:
        return self.slope_product(q, 1.0)

    def square_growth(self, q: float) -> float:
        return self.frequency**2 * math.exp(-2 * self.frequency**2 * q)

    def product(self, q: float, c: float) -> float:
        s = self.frequency**2 * q
        # exp(-s) sinh(s c), written so that neither factor overflows
        return math.copysign(-math.exp(-s * (1 - abs(c))) * math.expm1(-2 * s * abs(c)) / 2, c)

    def slope_product(self, q: float, c: float) -> float:
        s = self.frequency**2 * q
        return self.frequency**2 * (math.exp(-s * (1 - c)) + math.exp(-s * (1 + c))) / 2


@dataclass(frozen=True, slots=True)
class QuadratureKernel:
    """The four expectations of any activation, by quadrature that is split at its kinks."""

    activation: Activation

    def square(self, q: float) -> float:
        return expect(self.activation.second_moment, self.activation.breaks, math.sqrt(q))

    def slope_square(self, q: float) -> float:
        return expect(
            lambda u: np.square(self.activation.derivative(u)),
            self.activation.breaks,
            math.sqrt(q),
        )

    def square_growth(self, q: float) -> float:
        """E phi(u) phi'(u) u / q, which is E phi'^2 + E phi phi'' without a second derivative."""

        def weighted(u: Array) -> Array:
            value: Array = self.activation(u) * self.activation.derivative(u) * u
            return value

        return expect(weighted, self.activation.breaks, math.sqrt(q)) / q

    def product(self, q: float, c: float) -> float:
        if c == 1.0:
            return self.square(q)
        return self._pair(self.activation, q, c)

    def slope_product(self, q: float, c: float) -> float:
        if c == 1.0:
            return self.slope_square(q)
        return self._pair(self.activation.derivative, q, c)

    def _pair(self, f: Function, q: float, c: float) -> float:
        std = math.sqrt(q)
        breaks = self.activation.breaks
        if abs(c) <= _WEAK:
            # Hermite's series: sum over k of c^k (E f He_k)^2 / k!, here to an error of c^3.
            mean = expect(f, breaks, std)
            first = expect(lambda u: f(u) * u, breaks, std) / std
            second = expect(lambda u: f(u) * (np.square(u / std) - 1.0), breaks, std)
            return mean**2 + c * first**2 + c**2 * second**2 / 2
        return expect_pair(f, f, c, breaks_f=breaks, breaks_g=breaks, std_f=std, std_g=std)


_WEAK = 1e-4
"""A correlation below which its powers are better than quadrature, which sees it as noise."""


class Function(Protocol):
    """An elementwise function."""

    def __call__(self, z: Array, /) -> Array: ...


_PROBE = np.linspace(-3.0, 3.0, 25)


def closed_kernel(activation: object) -> Kernel | None:
    """The closed forms of an activation, None where none is known.

    Known: activations that are homogeneous of degree 1, erf(w z), sin(w z). They are told by
    their values, never by their name.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.

    Raises:
        InputError: it is no activation.

    Example:
        >>> closed_kernel("relu").product(1.0, 0.5)  # doctest: +ELLIPSIS
        0.304498...
        >>> closed_kernel("gelu") is None
        True
    """
    known = as_activation(activation)
    if known.slopes is not None:
        return HomogeneousKernel(*known.slopes)
    # An activation that is random in training has more square than its mean has.
    if not np.array_equal(known.second_moment(_PROBE), np.square(known(_PROBE))):
        return None
    start = float(known.derivative(np.zeros(1))[0])
    if start > 0.0:
        if _equals(known, np.sin(start * _PROBE)):
            return SineKernel(start)
        frequency = start * math.sqrt(math.pi) / 2
        if _equals(known, special.erf(frequency * _PROBE)):
            return ErfKernel(frequency)
    return None


def quadrature_kernel(activation: object) -> Kernel:
    """The expectations of any activation by quadrature, closed forms or not.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.

    Raises:
        InputError: it is no activation.

    Example:
        >>> round(quadrature_kernel("relu").product(1.0, 0.5), 9)
        0.304498891
    """
    return QuadratureKernel(as_activation(activation))


def kernel_of(activation: object) -> Kernel:
    """The closed forms where there are some, quadrature otherwise.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.

    Raises:
        InputError: it is no activation.

    Example:
        >>> kernel_of("sin")
        SineKernel(frequency=1.0)
    """
    known = as_activation(activation)
    return closed_kernel(known) or QuadratureKernel(known)


def _equals(activation: Activation, values: Array) -> bool:
    return bool(np.allclose(activation(_PROBE), values, rtol=0.0, atol=1e-14))
