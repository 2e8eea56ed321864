"""Builds for comparisons on digits: 64 inputs, 10 classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def mlp() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs in (64, 32, 32):
        layers += [nn.Linear(inputs, 32), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 10))


def mlp_with_inplace_relu() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs in (64, 32, 32):
        layers += [nn.Linear(inputs, 32), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(32, 10))


def linear() -> nn.Module:
    return nn.Linear(64, 10)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def with_batch_norm() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16), nn.BatchNorm1d(16),
        nn.ReLU(), nn.Linear(16, 10),
    )  # fmt: skip


def with_frozen_layer() -> nn.Module:
    model = mlp()
    for parameter in model[2].parameters():
        parameter.requires_grad_(requires_grad=False)
    return model


class Tied(nn.Module):
    """Two hidden layers that share their weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 32)
        self.second = nn.Linear(32, 32)
        self.third = nn.Linear(32, 32)
        self.third.weight = self.second.weight
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        x = self.second(x).relu()
        return self.head(self.third(x).relu())


class Written(nn.Module):
    """A linear model with a forward pass of the test's own: ``forward(self, x)``."""

    def __init__(
        self,
        forward: Callable[[Written, Tensor], Tensor],
        prepare: Callable[[Written], object] | None = None,
    ) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.written = forward
        if prepare is not None:
            prepare(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.written(self, x)


class Scaled(nn.Module):
    """A linear model with a parameter of its own, of which no recipe knows the role."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.scale = nn.Parameter(torch.ones(10))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.scale


class Recurrent(nn.Module):
    """An LSTM over the rows of a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.LSTM(8, 12, batch_first=True)
        self.head = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rows(x.view(-1, 8, 8))[0][:, -1])


class Normalised(nn.Module):
    """Group, layer and RMS norms, an embedding of quantised pixels, a PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 6)
        self.mix = nn.Linear(64, 24)
        self.norms = nn.ModuleList([nn.LayerNorm(24), nn.GroupNorm(4, 24), nn.RMSNorm(24)])
        self.slope = nn.PReLU(24)
        self.head = nn.Linear(24 + 6, 10)

    def forward(self, x: Tensor) -> Tensor:
        levels = torch.bucketize(x.detach(), torch.tensor([-0.5, 0.5, 1.0]))
        seen = self.table(levels).mean(1)
        x = self.mix(x)
        for norm in self.norms:
            x = self.slope(norm(x))
        return self.head(torch.cat([x, seen], -1))
