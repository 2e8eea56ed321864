"""Optimizer steps on stacked parameters, each run with a learning rate of its own.

torch.optim has one rate per group of tensors; here the rate is a tensor over runs. The
arithmetic is that of torch.optim, step by step, and a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from fanin.errors import UnknownNameError


class Optimizer(Protocol):
    """Changes parameters (R, ...) in place by gradients of the same shapes."""

    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None: ...


def _over_runs(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


class Sgd:
    """p <- p - rate v, v <- momentum v + g."""

    def __init__(self, rates: Tensor, momentum: float = 0.0) -> None:
        self._minus = -rates
        self._momentum = momentum
        self._velocity: list[Tensor] = []

    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        directions = gradients
        if self._momentum:
            if not self._velocity:
                self._velocity = [gradient.clone() for gradient in gradients]
            else:
                for velocity, gradient in zip(self._velocity, gradients, strict=True):
                    velocity.mul_(self._momentum).add_(gradient)
            directions = self._velocity
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.addcmul_(direction, _over_runs(self._minus, parameter))


class Adam:
    """Kingma, Ba 2015, arXiv:1412.6980, algorithm 1; with ``decay`` AdamW (arXiv:1711.05101)."""

    _BETAS = (0.9, 0.999)
    _EPSILON = 1e-8

    def __init__(self, rates: Tensor, decay: float = 0.0) -> None:
        self._rates = rates
        self._decay = decay
        self._mean: list[Tensor] = []
        self._square: list[Tensor] = []
        self._steps = 0

    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        if not self._mean:
            self._mean = [torch.zeros_like(parameter) for parameter in parameters]
            self._square = [torch.zeros_like(parameter) for parameter in parameters]
        self._steps += 1
        first, second = self._BETAS
        rise = 1 - first**self._steps
        square_rise = (1 - second**self._steps) ** 0.5
        for parameter, gradient, mean, square in zip(
            parameters, gradients, self._mean, self._square, strict=True
        ):
            rates = _over_runs(self._rates, parameter)
            if self._decay:
                parameter.mul_(1 - rates * self._decay)
            mean.lerp_(gradient, 1 - first)
            square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
            size = (square.sqrt() / square_rise).add_(self._EPSILON)
            parameter.addcdiv_(mean * (-rates / rise), size)


NAMES = ("sgd", "momentum", "adam", "adamw")
DEFAULT_RATES = {
    "sgd": (0.01, 0.03, 0.1, 0.3),
    "momentum": (0.001, 0.003, 0.01, 0.03),
    "adam": (0.0003, 0.001, 0.003, 0.01),
    "adamw": (0.0003, 0.001, 0.003, 0.01),
}


def make(name: str, rates: Tensor) -> Optimizer:
    """The optimizer of a name, with one rate per run.

    Raises:
        UnknownNameError: no optimizer bears the name.
    """
    if name == "sgd":
        return Sgd(rates)
    if name == "momentum":
        return Sgd(rates, momentum=0.9)
    if name == "adam":
        return Adam(rates)
    if name == "adamw":
        return Adam(rates, decay=0.01)
    raise UnknownNameError("optimizer", name, NAMES)
