"""Built-in architectures, for comparisons that need none of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType
from typing import Final

from torch import nn

from fanin.errors import InputError, UnknownNameError

ACTIVATIONS: Final[Mapping[str, Callable[[], nn.Module]]] = MappingProxyType(
    {
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "selu": nn.SELU,
        "elu": nn.ELU,
        "leaky_relu": nn.LeakyReLU,
        "prelu": nn.PReLU,
        "mish": nn.Mish,
        "softplus": nn.Softplus,
        "softsign": nn.Softsign,
        "identity": nn.Identity,
    }
)


@dataclass(frozen=True, slots=True)
class Size:
    """Of a multilayer perceptron.

    Args:
        depth: hidden layers, at least 1.
        width: units of each, at least 1.
        activation: a name in ``ACTIVATIONS``.

    Raises:
        InputError: a depth or width that is no positive integer.
        UnknownNameError: no activation bears the name.
    """

    depth: int
    width: int
    activation: str

    def __post_init__(self) -> None:
        for what, value in (("depth", self.depth), ("width", self.width)):
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{what} must be a positive integer, got {value!r}")
        known = str(self.activation).lower()
        if known not in ACTIVATIONS:
            raise UnknownNameError("activation", self.activation, ACTIVATIONS)
        object.__setattr__(self, "activation", known)


def mlp(inputs: tuple[int, ...], outputs: int, size: Size) -> nn.Sequential:
    """A multilayer perceptron: flattened input, hidden layers, a linear head.

    Args:
        inputs: shape of one sample.
        outputs: units of the head.
        size: of the hidden part.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    fan_in = math.prod(inputs)
    for _ in range(size.depth):
        layers += [nn.Linear(fan_in, size.width), ACTIVATIONS[size.activation]()]
        fan_in = size.width
    return nn.Sequential(*layers, nn.Linear(fan_in, outputs))
