"""Activations in mpmath, written down apart from the code that is tested, and their gains."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import mpmath as mp

Formula = tuple[Callable[[mp.mpf], mp.mpf], tuple[float | mp.mpf, ...]]

DIGITS = 30
ALPHA = mp.mpf("1.6732632423543772848170429916717")
LAMBDA = mp.mpf("1.0507009873554804934193349852946")


def sigmoid(z: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-z))


def softplus(z: mp.mpf) -> mp.mpf:
    return mp.log(1 + mp.exp(z))


def clip(z: mp.mpf, low: float, high: float) -> mp.mpf:
    return min(max(z, mp.mpf(low)), mp.mpf(high))


def leaky(slope: float) -> Formula:
    return lambda z: z if z > 0 else mp.mpf(slope) * z, (0.0,)


def gelu(z: mp.mpf) -> mp.mpf:
    return z * (1 + mp.erf(z / mp.sqrt(2))) / 2


def gelu_tanh(z: mp.mpf) -> mp.mpf:
    return z * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (z + mp.mpf("0.044715") * z**3))) / 2


def elu(scale: mp.mpf, alpha: mp.mpf) -> Formula:
    return lambda z: scale * (z if z > 0 else alpha * mp.expm1(z)), (0.0,)


def xielu(alpha_p: float, alpha_n: float, beta: float) -> Formula:
    def f(z: mp.mpf) -> mp.mpf:
        bent = mp.mpf(alpha_p) * z * z if z > 0 else mp.mpf(alpha_n) * (mp.expm1(z) - z)
        return bent + mp.mpf(beta) * z

    return f, (0.0,)


def _laplace(z: mp.mpf) -> mp.mpf:
    return (1 + mp.erf((z - mp.mpf("0.707107")) / (mp.mpf("0.282095") * mp.sqrt(2)))) / 2


FORMULAS: dict[str, Formula] = {
    "linear": (lambda z: z, ()),
    "relu": leaky(0.0),
    "leaky_relu": leaky(0.01),
    "prelu": leaky(0.25),
    "rrelu": leaky(mp.mpf(11) / 48),
    "abs": (abs, (0.0,)),
    "elu": elu(mp.mpf(1), mp.mpf(1)),
    "selu": elu(LAMBDA, ALPHA),
    "relu6": (lambda z: clip(z, 0, 6), (0.0, 6.0)),
    "relu_squared": (lambda z: max(z, mp.mpf(0)) ** 2, (0.0,)),
    "gelu": (gelu, ()),
    "gelu_10": (lambda z: min(gelu(z), mp.mpf(10)), (10.0,)),
    "gelu_tanh": (gelu_tanh, ()),
    "quick_gelu": (lambda z: z * sigmoid(mp.mpf("1.702") * z), ()),
    "silu": (lambda z: z * sigmoid(z), ()),
    "mish": (lambda z: z * mp.tanh(softplus(z)), ()),
    "hardswish": (lambda z: z * clip(z + 3, 0, 6) / 6, (-3.0, 3.0)),
    "sigmoid": (sigmoid, ()),
    "hardsigmoid": (lambda z: clip(z + 3, 0, 6) / 6, (-3.0, 3.0)),
    "logsigmoid": (lambda z: -softplus(-z), ()),
    "softplus": (softplus, ()),
    "shifted_softplus": (lambda z: softplus(z) - mp.log(2), ()),
    "sqrtsoftplus": (lambda z: mp.sqrt(softplus(z)), ()),
    "tanh": (mp.tanh, ()),
    "hardtanh": (lambda z: clip(z, -1, 1), (-1.0, 1.0)),
    "tanhshrink": (lambda z: z - mp.tanh(z), ()),
    "hardshrink": (lambda z: z if abs(z) > 0.5 else mp.mpf(0), (-0.5, 0.5)),
    "softshrink": (lambda z: z - clip(z, -0.5, 0.5), (-0.5, 0.5)),
    "softsign": (lambda z: z / (1 + abs(z)), (0.0,)),
    "erf": (mp.erf, ()),
    "atan": (mp.atan, ()),
    "sin": (mp.sin, ()),
    "cos": (mp.cos, ()),
    "exp": (mp.exp, ()),
    "square": (lambda z: z * z, ()),
    "sign": (mp.sign, (0.0,)),
    "step": (lambda z: mp.mpf(z > 0), (0.0,)),
    "laplace": (_laplace, ()),
    "xielu": xielu(mp.mpf("0.8"), mp.mpf("0.8"), 0.5),
}


def exact_gain(formula: Formula) -> float:
    """1/sqrt(E phi(z)^2) by Gauss-Legendre in 30 digits, split at the breaks."""
    f, breaks = formula
    with mp.workdps(DIGITS):
        points = sorted({*map(mp.mpf, range(-14, 15, 2)), *map(mp.mpf, breaks)})
        square = mp.quad(lambda z: f(z) ** 2 * mp.exp(-z * z / 2), points, method="gauss-legendre")
        return float(1 / mp.sqrt(square / mp.sqrt(2 * mp.pi)))


@cache
def exact_gain_of(name: str) -> float:
    return exact_gain(FORMULAS[name])
