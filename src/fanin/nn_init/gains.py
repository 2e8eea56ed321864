"""The factor by which weights make up for what an activation takes from its input's scale."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Final

_TORCH: Final = MappingProxyType(
    {
        "linear": 1.0,
        "conv1d": 1.0,
        "conv2d": 1.0,
        "conv3d": 1.0,
        "conv_transpose1d": 1.0,
        "conv_transpose2d": 1.0,
        "conv_transpose3d": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "selu": 3 / 4,
    }
)
"""As torch has them. For tanh, sigmoid and selu these are conventions, not 1/sqrt(E phi^2)."""

KNOWN_TO_THEORY: Final = (
    "celu",
    "elu",
    "gelu",
    "gelu_tanh",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "logsigmoid",
    "mish",
    "prelu",
    "quick_gelu",
    "relu6",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanhshrink",
)
"""Names that torch refuses; each with the defaults of torch.nn.functional, prelu with the slope
1/4 that it starts at."""


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain of an activation: weights of std gain / sqrt(fan_in) keep the signal's scale.

    Unlike torch's, it also knows celu, elu, gelu, gelu_tanh, hardsigmoid, hardswish, hardtanh,
    identity, logsigmoid, mish, prelu, quick_gelu, relu6, silu, softplus, softsign, swish and
    tanhshrink. Their gain is 1/sqrt(E phi(z)^2) with z ~ N(0, 1), which is what sqrt(2) is for
    ReLU. For the names that torch knows the values are torch's.

    Args:
        nonlinearity: a name as in ``torch.nn.functional``, ``"linear"`` or ``"conv1d"`` etc.
        param: the negative slope of ``"leaky_relu"`` (0.01 without it). Of no meaning for any
            other name, as in torch.

    Raises:
        ValueError: a name that is not known, or a slope that is no number.

    Example:
        >>> calculate_gain("leaky_relu", 0.2)
        1.3867504905630728
        >>> calculate_gain("gelu")
        1.5335304411955353

    References:
        He et al., Delving deep into rectifiers, 2015, section 2.2, for any activation.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + _slope(param) ** 2))
    if isinstance(nonlinearity, str) and nonlinearity in _TORCH:
        return _TORCH[nonlinearity]
    if nonlinearity in KNOWN_TO_THEORY:
        from fanin.theory import gain

        return gain(nonlinearity)
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _slope(param: object) -> float:
    if param is None:
        return 0.01
    if isinstance(param, bool) or not isinstance(param, (int, float)):
        raise ValueError(  # noqa: TRY004  (torch's type)
            f"negative_slope {param} not a valid number"
        )
    return param
