"""One plain training in PyTorch, for experiments that look at the weights afterwards.

Where only curves and accuracies are needed, ``fanin.compare`` does it for many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fanin.ensembles import Dataset

Optimizer = Literal["sgd", "momentum", "adam"]
_OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, rate),
    "momentum": lambda parameters, rate: torch.optim.SGD(parameters, rate, momentum=0.9),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, rate),
}


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to.

    Args:
        losses: minibatch loss before each step; ends early where it is not finite.
        train_loss: on the training part at the end, not a number where it diverged.
        accuracy: on the held-out part at the end.
    """

    losses: tuple[float, ...]
    train_loss: float
    accuracy: float


def train(
    model: nn.Module,
    data: Dataset,
    *,
    steps: int,
    learning_rate: float,
    seed: int = 0,
    batch: int = 64,
    optimizer: Optimizer = "sgd",
    shape: tuple[int, ...] | None = None,
) -> Trained:
    """Train a classifier in place by cross entropy, in the mode that it is in; data drawn by seed.

    Args:
        model: its parameters that require a gradient are trained.
        data: e.g. ``fanin.ensembles.load("digits")``.
        steps: optimizer steps.
        learning_rate: constant.
        seed: of the minibatches.
        batch: samples a step.
        optimizer: ``"sgd"``, ``"momentum"`` (0.9) or ``"adam"``.
        shape: of one sample as the model wants it; None for the data set's own.
    """
    x = data.x_train if shape is None else data.x_train.reshape(-1, *shape)
    generator = torch.Generator().manual_seed(seed)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    descent = _OPTIMIZERS[optimizer](trained, learning_rate)
    losses: list[float] = []
    for _ in range(steps):
        chosen = torch.randint(len(x), (batch,), generator=generator)
        loss = functional.cross_entropy(model(x[chosen]), data.y_train[chosen])
        losses.append(loss.item())
        if not loss.isfinite():
            break
        descent.zero_grad()
        torch.autograd.backward(loss)
        descent.step()
    with torch.no_grad():
        final = float(functional.cross_entropy(model(x), data.y_train))
    return Trained(tuple(losses), final, accuracy(model, data, shape=shape))


def accuracy(
    model: nn.Module,
    data: Dataset,
    *,
    shape: tuple[int, ...] | None = None,
    change: Callable[[Tensor], Tensor] | None = None,
) -> float:
    """Share of the held-out samples that the model names rightly, in evaluation mode.

    Args:
        model: left in the mode that it was in.
        data: whose held-out part is used.
        shape: of one sample as the model wants it.
        change: what is done to the inputs first, e.g. noise added.
    """
    x = data.x_test if shape is None else data.x_test.reshape(-1, *shape)
    x = x if change is None else change(x)
    mode = model.training
    model.eval()
    try:
        with torch.no_grad():
            return float((model(x).argmax(-1) == data.y_test).float().mean())
    finally:
        model.train(mode)
