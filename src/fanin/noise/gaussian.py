"""Probabilities and moments of the normal distribution, the same on every machine.

Bounds of a truncated normal decide bits, so they may not come from libm. They are summed
in decimal arithmetic instead, which is exact to the digits asked for; results are cached,
as a model asks for few different bounds.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from functools import lru_cache

# 110 digits leave 70 right ones in a tail of 1e-38, the least that float32 can sample.
_PRECISION = Context(prec=110, Emin=-999999, Emax=999999)
_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510"
    "58209749445923078164062862089986280348253421170679821480865132823066470938446"
)
# |z| where 1 - |x| leaves the normal range of float32.
FARTHEST = 12.5
# Beyond it the probability outside is below 1e-80: a bound there bounds nothing.
_INFINITY = Decimal(20)


def _density(z: Decimal) -> Decimal:
    return (-z * z / 2).exp() / (2 * _PI).sqrt()


def _tail(z: Decimal) -> Decimal:
    """P(Z > z), from P(0 < Z < z) = density(z) * sum of z^(2k+1) / (1 * 3 * ... * (2k+1))."""
    if z < 0:
        return 1 - _tail(-z)
    if z >= _INFINITY:
        return Decimal(0)
    term, total, k = z, z, 1
    while term > Decimal("1e-110"):
        k += 2
        term = term * z * z / k
        total += term
    return Decimal("0.5") - _density(z) * total


def _clamped(bound: float) -> Decimal:
    return max(min(Decimal(float(bound)), _INFINITY), -_INFINITY)


@lru_cache(maxsize=256)
def interval(low: float, high: float) -> tuple[Decimal, Decimal, Decimal]:
    """P(Z < low), P(Z > high) and P(low < Z < high)."""
    with localcontext(_PRECISION):
        a, b = _clamped(low), _clamped(high)
        inside = _tail(-b) - _tail(-a) if b <= 0 else _tail(a) - _tail(b)
        return _tail(-a), _tail(b), inside


@lru_cache(maxsize=256)
def truncated_moments(low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of Z ~ N(0, 1) given low <= Z <= high.

    The usual formulas: with m = (density(low) - density(high)) / P(low < Z < high) the mean,
    the variance is 1 + (low density(low) - high density(high)) / P - m^2.

    Example:
        >>> truncated_moments(-2.0, 2.0)
        (0.0, 0.8796256610342398)
    """
    with localcontext(_PRECISION):
        a, b = _clamped(low), _clamped(high)
        _, _, inside = interval(low, high)
        mean = (_density(a) - _density(b)) / inside
        variance = 1 + (a * _density(a) - b * _density(b)) / inside - mean * mean
        return float(mean), float(max(variance, Decimal(0)).sqrt())
