"""What the README and the page on CI name ``models:...``: its network of 30 layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def net() -> nn.Module:
    layers = [layer for _ in range(29) for layer in (nn.Linear(64, 64), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def batch() -> tuple[Tensor, Tensor, object]:
    return torch.randn(64, 64), torch.randint(10, (64,)), F.cross_entropy
