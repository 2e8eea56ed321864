"""Fit the constants of ``src/fanin/noise/kernels.py``; prints them and their errors.

Run with ``.venv/bin/python scripts/fit_quantile.py`` (about ten seconds).

The normal quantile of a word is z = x * R(s) with x = 2p - 1 and s = 1 - x^2, where
R(s) = sqrt(2) * erfinv(x) / x. R has a logarithmic singularity at s = 0, which a
rational function of sqrt(s) follows well down to s = 2^-8; the rarer rest
(one word in 500) is a polynomial in sqrt(-log2 s).
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np
from numpy.typing import NDArray

mp.mp.dps = 40
CENTRE_ENDS_AT = 2.0**-8
# The smallest s that a normal float32 holds, and then some: |z| = 12.9.
TAIL_ENDS_AT = 2.0**-127

Function = Callable[[float], float]


def ratio(s: float) -> mp.mpf:
    """R(s), in full precision also where x is close to 1 (s tiny) or to 0 (s = 1)."""
    exact = mp.mpf(s)
    if exact >= 1:
        return mp.sqrt(mp.pi / 2)
    if exact > mp.mpf("1e-12"):
        x = mp.sqrt(1 - exact)
        return mp.sqrt(2) * mp.erfinv(x) / x
    return quantile_of_tail(exact)


def quantile_of_tail(s: mp.mpf) -> mp.mpf:
    """|z| for a tiny s, by Newton's method on erfc (erfinv loses 1 - x there)."""
    tail = s / (1 + mp.sqrt(1 - s))  # 1 - x
    z = mp.sqrt(-2 * mp.log(tail))
    for _ in range(60):
        error = mp.erfc(z / mp.sqrt(2)) - tail
        step = error / (mp.sqrt(2 / mp.pi) * mp.exp(-z * z / 2))
        z += step
        if abs(step) < mp.mpf(10) ** -35:
            break
    return z


def minimax_ratio(
    f: Function, low: float, high: float, numerator: int, denominator: int
) -> tuple[NDArray[np.float64], float]:
    """Coefficients of the rational function with the least relative error (Lawson)."""
    angles = (np.arange(900) + 0.5) / 900 * np.pi
    x = np.exp(np.log(low) + np.log(high / low) * 0.5 * (1 - np.cos(angles)))
    y = np.array([float(f(v)) for v in x])
    top = np.vander(x, numerator + 1, increasing=True)
    bottom = np.vander(x, denominator + 1, increasing=True)
    lawson, q = np.ones_like(x), np.ones_like(x)
    best, best_error = np.zeros(0), np.inf
    for _ in range(150):
        weight = np.sqrt(lawson) / (q * y)
        system = np.hstack([top, -bottom[:, 1:] * y[:, None]]) * weight[:, None]
        size = np.linalg.norm(system, axis=0)
        c = np.linalg.lstsq(system / size, y * weight, rcond=1e-16)[0] / size
        q = 1 + bottom[:, 1:] @ c[numerator + 1 :]
        error = np.abs(top @ c[: numerator + 1] / q / y - 1)
        if error.max() < best_error and (q > 0).all():
            best, best_error = c, float(error.max())
        lawson = np.maximum(lawson * error / (lawson * error).mean(), 1e-12)
        q = np.abs(q)
    return best, best_error


def show(name: str, values: NDArray[np.float64]) -> None:
    for i, value in enumerate(values):
        print(f"{name}{i} = np.float32({float(np.float32(value))!r})")


def main() -> None:
    c, error = minimax_ratio(lambda r: ratio(r * r), CENTRE_ENDS_AT**0.5, 1.0, 4, 4)
    print(f"# centre, s >= 2^-8: relative error {error:.1e}")
    show("_N", c[:5])
    show("_D", np.r_[1.0, c[5:]])

    half_octave = 2.0**0.5
    c, error = minimax_ratio(
        lambda m: mp.log(m, 2) / (m - 1) if m != 1 else 1 / mp.log(2),
        1 / half_octave,
        half_octave,
        7,
        0,
    )
    shifted = np.polynomial.Polynomial(c)(np.polynomial.Polynomial([1.0, 1.0])).coef
    print(f"# log2(1 + f) / f: relative error {error:.1e}")
    show("_L", shifted)

    low, high = (-np.log2(CENTRE_ENDS_AT)) ** 0.5, (-np.log2(TAIL_ENDS_AT)) ** 0.5
    c, error = minimax_ratio(
        lambda v: quantile_of_tail(mp.mpf(2) ** (-(mp.mpf(v) ** 2))), low, high, 4, 3
    )
    print(f"# tail, s < 2^-8: relative error {error:.1e}")
    show("_P", c[:5])
    show("_Q", np.r_[1.0, c[5:]])


if __name__ == "__main__":
    main()
