"""Small networks and batches for the tests of ``recommend``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X = noise(64, 16)
S = noise(8, 12, 16)
IMAGES = noise(8, 3, 16, 16)
CLASSES = torch.randint(0, 5, (64,), generator=torch.Generator().manual_seed(2))

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leaky": lambda: nn.LeakyReLU(0.2), "tanh": nn.Tanh, "gelu": nn.GELU,
    "silu": nn.SiLU, "selu": nn.SELU, "elu": nn.ELU, "sigmoid": nn.Sigmoid, "mish": nn.Mish,
}  # fmt: skip


def perceptron(
    activation: Callable[[], nn.Module] = nn.ReLU, *, out: int = 5, width: int = 32,
    drop: float = 0.0,
) -> nn.Sequential:  # fmt: skip
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(16, width), activation(), nn.Dropout(drop),
        nn.Linear(width, width), activation(), nn.Linear(width, out),
    )  # fmt: skip


def deep(activation: Callable[[], nn.Module], depth: int, width: int = 64) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(16, width), activation()]
    for _ in range(depth - 2):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 5))


class Basic(nn.Module):
    """The block of a ResNet."""

    def __init__(self, i: int, o: int, stride: int = 1) -> None:
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.c2, self.b2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
        self.short = down if stride > 1 or i != o else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + self.short(x))


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Basic(16, 16), Basic(16, 32, 2), Basic(32, 32),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip
