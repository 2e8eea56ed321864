"""What the commands of the docs name ``package.module:...``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def model() -> nn.Module:
    """Of pictures."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )


def batch() -> tuple[Tensor, Tensor, object]:
    """Pictures, their classes, and the loss."""
    return torch.randn(8, 3, 32, 32), torch.randint(10, (8,)), F.cross_entropy


def small() -> nn.Module:
    """Of rows."""
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def deep() -> nn.Module:
    """Of rows, and too deep for the constructors of torch.nn."""
    layers = [layer for _ in range(30) for layer in (nn.Linear(64, 64), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(64, 10))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.gelu(self.up(self.norm(x))))


def language_model() -> nn.Module:
    """Of tokens."""
    return nn.Sequential(
        nn.Embedding(50257, 16), Block(), Block(), nn.LayerNorm(16), nn.Linear(16, 8)
    )
