"""Real networks of finite width, many at once, against which the theory is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, Function] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "erf": torch.erf,
    "linear": lambda z: z,
    "selu": torch.nn.functional.selu,
    "softsign": torch.nn.functional.softsign,
}


@dataclass(frozen=True)
class Pass:
    """Pre-activations of all layers, and the gradients of a random projection of the last.

    Each is float64 of shape (replicas, inputs, width).
    """

    signals: list[np.ndarray]
    gradients: list[np.ndarray]

    def forward(self, layer: int) -> np.ndarray:
        """Second moments over units, (replicas,), of the first input."""
        return np.square(self.signals[layer][:, 0]).mean(-1)

    def backward(self, layer: int) -> np.ndarray:
        """Second moments of gradients over those of the last layer, (replicas,)."""
        last = np.square(self.gradients[-1][:, 0]).mean(-1)
        return np.square(self.gradients[layer][:, 0]).mean(-1) / last

    def covariance(self, layer: int) -> np.ndarray:
        """Of the first two inputs, (replicas,)."""
        return (self.signals[layer][:, 0] * self.signals[layer][:, 1]).mean(-1)


def inputs(width: int, correlation: float = 0.0) -> Tensor:
    """Two inputs of exact second moment 1 and exact correlation, (2, width)."""
    first = torch.ones(width)
    second = torch.ones(width)
    second[1::2] = -1.0
    other = correlation * first + (1.0 - correlation**2) ** 0.5 * second
    return torch.stack([first, other])


def plain_networks(
    name: str,
    widths: Sequence[int],
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    replicas: int,
    seed: int,
    x: Tensor | None = None,
) -> Pass:
    """Draw ``replicas`` plain networks and pass the inputs through all of them."""
    source = torch.Generator().manual_seed(seed)
    x = inputs(widths[0]) if x is None else x
    signal = x.expand(replicas, *x.shape)
    signals: list[Tensor] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        weight = torch.randn(replicas, fan_in, fan_out, generator=source) * sigma_w / fan_in**0.5
        bias = torch.randn(replicas, 1, fan_out, generator=source) * sigma_b
        signal = torch.baddbmm(bias, signal if i == 0 else FUNCTIONS[name](signal), weight)
        if i == 0:
            signal.requires_grad_()
        signals.append(signal)
    return Pass(*_both(signals, source))


def _both(signals: list[Tensor], source: torch.Generator) -> tuple[list[np.ndarray], ...]:
    projection = torch.randn(signals[-1].shape, generator=source)
    gradients = torch.autograd.grad((signals[-1] * projection).sum(), signals)
    return tuple([t.detach().double().numpy() for t in part] for part in (signals, gradients))


def streams(
    step: Callable[[Tensor, torch.Generator], Tensor],
    layers: int,
    start: Tensor,
    seed: int,
) -> Pass:
    """Apply a block again and again; what it draws is new each time."""
    source = torch.Generator().manual_seed(seed)
    signals = [start.clone().requires_grad_()]
    for _ in range(layers):
        signals.append(step(signals[-1], source))
    return Pass(*_both(signals, source))
