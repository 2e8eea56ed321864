"""Activations by name, with their derivatives, in numpy and scipy alone."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy import special

from fanin.errors import InputError, UnknownNameError
from fanin.theory.elementwise import Activation, Array, Function

_ALPHA: Final = 1.6732632423543772848170429916717
_LAMBDA: Final = 1.0507009873554804934193349852946
_SLOPE_OF_TANH_GELU: Final = math.sqrt(2 / math.pi)


def _density(z: Array) -> Array:
    values: Array = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return values


def _step(z: Array) -> Array:
    return (z > 0.0).astype(np.float64)


def _inside(z: Array, low: float, high: float) -> Array:
    return ((z > low) & (z < high)).astype(np.float64)


def _softplus(z: Array) -> Array:
    values: Array = np.logaddexp(0.0, z)
    return values


def _entry(
    name: str,
    function: Function,
    slope: Function,
    breaks: tuple[float, ...] = (),
    slopes: tuple[float, float] | None = None,
) -> Activation:
    return Activation(name, function, slope, breaks, slopes, identity=("name", name))


def piecewise_linear(name: str, negative: float, positive: float) -> Activation:
    return _entry(
        name,
        lambda z: np.where(z < 0.0, negative * z, positive * z),
        lambda z: np.where(z < 0.0, negative, positive),
        () if negative == positive else (0.0,),
        (negative, positive),
    )


def _elu(name: str, alpha: float, scale: float) -> Activation:
    return _entry(
        name,
        lambda z: scale * np.where(z > 0.0, z, alpha * np.expm1(np.minimum(z, 0.0))),
        lambda z: scale * np.where(z > 0.0, 1.0, alpha * np.exp(np.minimum(z, 0.0))),
        (0.0,),
    )


def _gated(name: str, gate: Function, slope: Function) -> Activation:
    """The product z gate(z)."""
    return _entry(name, lambda z: z * gate(z), lambda z: gate(z) + z * slope(z))


def _sigmoid_slope(z: Array) -> Array:
    values: Array = special.expit(z) * special.expit(-z)
    return values


def _tanh_slope(z: Array) -> Array:
    values: Array = 4.0 * _sigmoid_slope(2.0 * z)
    return values


def _gelu_tanh() -> Activation:
    def inner(z: Array) -> Array:
        return 2.0 * _SLOPE_OF_TANH_GELU * z * (1.0 + 0.044715 * z * z)

    def inner_slope(z: Array) -> Array:
        return 2.0 * _SLOPE_OF_TANH_GELU * (1.0 + 0.134145 * z * z)

    return _gated(
        "gelu_tanh",
        lambda z: special.expit(inner(z)),
        lambda z: _sigmoid_slope(inner(z)) * inner_slope(z),
    )


def _gelu(z: Array) -> Array:
    values: Array = z * special.ndtr(z)
    return values


def _gelu_slope(z: Array) -> Array:
    values: Array = special.ndtr(z) + z * _density(z)
    return values


def _mish_gate_slope(z: Array) -> Array:
    return _tanh_slope(_softplus(z)) * special.expit(z)


def _sqrt_softplus_slope(z: Array) -> Array:
    values: Array = 0.5 * special.expit(z) / np.sqrt(_softplus(z))
    return values


_TABLE: Final = (
    piecewise_linear("linear", 1.0, 1.0),
    piecewise_linear("relu", 0.0, 1.0),
    piecewise_linear("leaky_relu", 0.01, 1.0),
    piecewise_linear("prelu", 0.25, 1.0),
    piecewise_linear("rrelu", 11 / 48, 1.0),
    piecewise_linear("abs", -1.0, 1.0),
    _elu("elu", 1.0, 1.0),
    _elu("selu", _ALPHA, _LAMBDA),
    _entry("relu6", lambda z: np.clip(z, 0.0, 6.0), lambda z: _inside(z, 0.0, 6.0), (0.0, 6.0)),
    _entry(
        "relu_squared",
        lambda z: np.square(np.maximum(z, 0.0)),
        lambda z: 2.0 * np.maximum(z, 0.0),
        (0.0,),
    ),
    _entry("gelu", _gelu, _gelu_slope),
    _entry(
        "gelu_10",
        lambda z: np.minimum(_gelu(z), 10.0),
        lambda z: np.where(z < 10.0, _gelu_slope(z), 0.0),
        (10.0,),
    ),
    _gelu_tanh(),
    _gated(
        "quick_gelu",
        lambda z: special.expit(1.702 * z),
        lambda z: 1.702 * _sigmoid_slope(1.702 * z),
    ),
    _gated("silu", special.expit, _sigmoid_slope),
    _gated("mish", lambda z: np.tanh(_softplus(z)), _mish_gate_slope),
    _entry(
        "hardswish",
        lambda z: z * np.clip(z + 3.0, 0.0, 6.0) / 6.0,
        lambda z: np.where(z >= 3.0, 1.0, _inside(z, -3.0, 3.0) * (2.0 * z + 3.0) / 6.0),
        (-3.0, 3.0),
    ),
    _entry("sigmoid", special.expit, _sigmoid_slope),
    _entry(
        "hardsigmoid",
        lambda z: np.clip(z + 3.0, 0.0, 6.0) / 6.0,
        lambda z: _inside(z, -3.0, 3.0) / 6.0,
        (-3.0, 3.0),
    ),
    _entry("logsigmoid", lambda z: -_softplus(-z), lambda z: special.expit(-z)),
    _entry("softplus", _softplus, special.expit),
    _entry("shifted_softplus", lambda z: _softplus(z) - math.log(2.0), special.expit),
    _entry("sqrtsoftplus", lambda z: np.sqrt(_softplus(z)), _sqrt_softplus_slope),
    _entry("tanh", np.tanh, _tanh_slope),
    _entry(
        "hardtanh", lambda z: np.clip(z, -1.0, 1.0), lambda z: _inside(z, -1.0, 1.0), (-1.0, 1.0)
    ),
    _entry("tanhshrink", lambda z: z - np.tanh(z), lambda z: np.square(np.tanh(z))),
    _entry(
        "hardshrink",
        lambda z: np.where(np.abs(z) > 0.5, z, 0.0),
        lambda z: 1.0 - _inside(z, -0.5, 0.5),
        (-0.5, 0.5),
    ),
    _entry(
        "softshrink",
        lambda z: z - np.clip(z, -0.5, 0.5),
        lambda z: 1.0 - _inside(z, -0.5, 0.5),
        (-0.5, 0.5),
    ),
    _entry(
        "softsign",
        lambda z: z / (1.0 + np.abs(z)),
        lambda z: 1.0 / np.square(1.0 + np.abs(z)),
        (0.0,),
    ),
    _entry("erf", special.erf, lambda z: 2.0 / math.sqrt(math.pi) * np.exp(-z * z)),
    _entry("atan", np.arctan, lambda z: 1.0 / (1.0 + z * z)),
    _entry("sin", np.sin, np.cos),
    _entry("cos", np.cos, lambda z: -np.sin(z)),
    _entry("exp", np.exp, np.exp),
    _entry("square", np.square, lambda z: 2.0 * z),
    _entry("sign", np.sign, np.zeros_like, (0.0,)),
    _entry("step", _step, np.zeros_like, (0.0,)),
    _entry(
        "laplace",
        lambda z: special.ndtr((z - 0.707107) / 0.282095),
        lambda z: _density((z - 0.707107) / 0.282095) / 0.282095,
    ),
    _entry(
        "xielu",
        lambda z: np.where(
            z > 0.0, 0.8 * z * z, 0.8 * (np.expm1(np.minimum(z, 0.0)) - z)
        ) + 0.5 * z,
        lambda z: np.where(z > 0.0, 1.6 * z, 0.8 * np.expm1(np.minimum(z, 0.0))) + 0.5,
        (0.0,),
    ),
)  # fmt: skip
"""With the defaults of torch.nn.functional; prelu with the slope that it starts at, rrelu with
the one that it has in evaluation, xielu with the constants of its paper (arXiv 2411.13010)."""

NAMED: Final = MappingProxyType({entry.name: entry for entry in _TABLE})

_ALIASES: Final = MappingProxyType(
    {
        "linear": (
            "identity", "none", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
            "conv_transpose2d", "conv_transpose3d",
        ),
        "elu": ("celu",),
        "relu_squared": ("relu2", "squared_relu", "relu_square"),
        "gelu": ("gelu_python", "gelu_erf"),
        "gelu_tanh": (
            "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate",
            "gelu_approximate",
        ),
        "silu": ("swish",),
        "hardswish": ("hswish",),
        "hardsigmoid": ("hsigmoid",),
        "shifted_softplus": ("ssp",),
        "sigmoid": ("logistic",),
        "atan": ("arctan",),
        "sin": ("sine",),
        "step": ("heaviside",),
    }
)  # fmt: skip

GATES: Final = MappingProxyType(
    {"glu": "sigmoid", "swiglu": "silu", "geglu": "gelu", "reglu": "relu", "bilinear": "linear"}
)
"""A gated unit is a sigma(b) of two halves; by name, its sigma."""

_NOT_ELEMENTWISE: Final = MappingProxyType(
    {
        "softmax": "softmax", "softmin": "softmax", "softmax2d": "softmax",
        "logsoftmax": "softmax", "gumbelsoftmax": "softmax", "sparsemax": "softmax",
        "maxout": "maxout", "multiheadattention": "attention", "attention": "attention",
        "layernorm": "norm", "batchnorm": "norm", "groupnorm": "norm", "rmsnorm": "norm",
        "instancenorm": "norm", "normalize": "norm", "localresponsenorm": "norm",
        "dropout": "dropout", "alphadropout": "dropout",
    }
)  # fmt: skip

_REASONS: Final = MappingProxyType(
    {
        "softmax": (
            "{0} is no function of one number: each output depends on all inputs of its axis, and "
            "they add up to a constant. A gain would be the factor that keeps the second moment, "
            "but here that depends on the number of classes, and what follows a softmax is a loss "
            "or an average of values, not a weight layer. Use gain 1 for the layer before it"
        ),
        "maxout": (
            "{0} is no function of one number: it takes the largest of several inputs, so its "
            "gain depends on how many"
        ),
        "attention": (
            "{0} is a layer with weights of its own, not an activation. Use gain 1 for the "
            "weights around it"
        ),
        "norm": (
            "{0} sets the scale of its input by itself, so no factor of the weights before it "
            "matters. Use the gain of the activation that follows it"
        ),
        "dropout": (
            "the name {0!r} says no rate. Give the module, e.g. torch.nn.Dropout(0.1); its gain "
            "is sqrt(1 - p)"
        ),
    }
)


def plain(name: str) -> str:
    """A name without the marks in which spellings differ: ``"Leaky_ReLU"`` -> ``"leakyrelu"``."""
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


_BY_PLAIN: Final = MappingProxyType(
    {plain(name): name for name in NAMED}
    | {plain(alias): name for name, aliases in _ALIASES.items() for alias in aliases}
)


def named(name: str) -> Activation:
    """The activation of this name.

    Raises:
        UnknownNameError: nothing is called so.
        InputError: something is, but it is no function of one number.
    """
    key = plain(name)
    if key in _BY_PLAIN:
        return NAMED[_BY_PLAIN[key]]
    if key in GATES:
        raise InputError(gated_reason(repr(name), GATES[key]))
    reason = reason_against(name)
    if reason is not None:
        raise InputError(reason)
    aliases = [alias for more in _ALIASES.values() for alias in more]
    raise UnknownNameError("activation", name, [*NAMED, *aliases, *GATES])


def reason_against(name: str) -> str | None:
    """Why something of this name is no elementwise activation, if that is known."""
    key = plain(name).rstrip("123d")
    kind = _NOT_ELEMENTWISE.get(plain(name)) or _NOT_ELEMENTWISE.get(key)
    return None if kind is None else _REASONS[kind].format(name)


def gated_reason(name: str, gate: str) -> str:
    return (
        f"{name} is a gated unit, a function of two numbers, a sigma(b). fanin.gain takes it; "
        f"elsewhere give its sigma, {gate}"
    )
