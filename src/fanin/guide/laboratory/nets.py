"""Networks that experiments start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from fanin.ensembles import ACTIVATIONS


def mlp(
    depth: int,
    width: int,
    activation: str | Callable[[], nn.Module] = "relu",
    *,
    inputs: int = 64,
    outputs: int = 10,
) -> nn.Sequential:
    """A multilayer perceptron with ``depth`` hidden layers and a linear output layer.

    Weights stand at places 0, 2, ..., 2 depth of the Sequential.

    Raises:
        KeyError: no activation bears the name.
    """
    return stack([width] * depth, activation, inputs=inputs, outputs=outputs)


def stack(
    widths: Sequence[int],
    activation: str | Callable[[], nn.Module] = "relu",
    *,
    norm: Callable[[int], nn.Module] | None = None,
    inputs: int = 64,
    outputs: int = 10,
) -> nn.Sequential:
    """A multilayer perceptron with a hidden layer for each width and a linear output layer.

    Args:
        widths: units of the hidden layers.
        activation: a name or what makes one.
        norm: what makes a norm of that many units, between weight and activation; None for none.
        inputs, outputs: numbers of them.

    Raises:
        KeyError: no activation bears the name.
    """
    make = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    layers: list[nn.Module] = []
    fan_in = inputs
    for width in widths:
        layers.append(nn.Linear(fan_in, width))
        if norm is not None:
            layers.append(norm(width))
        layers.append(make())
        fan_in = width
    return nn.Sequential(*layers, nn.Linear(fan_in, outputs))
