"""A small decoder with each part a module of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def tokens() -> Tensor:
    return torch.randint(0, 11, (3, 6), generator=torch.Generator().manual_seed(1))


class Block(nn.Module):
    def __init__(self, width: int, logit_factor: float, branch_factor: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        for name in ("query", "key", "value", "out"):
            setattr(self, name, nn.Linear(width, width))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.logit_factor, self.branch_factor = logit_factor, branch_factor

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        heads = [one(y).unflatten(-1, (2, -1)).transpose(1, 2) for one in self._projections()]
        query, key, value = heads
        query = query * self.logit_factor
        y = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.branch_factor * self.out(y.transpose(1, 2).flatten(2))
        return x + self.branch_factor * self.down(F.gelu(self.up(self.norm2(x))))

    def _projections(self) -> tuple[nn.Module, ...]:
        return self.query, self.key, self.value


class Decoder(nn.Module):
    """Pre-norm; factors of logits and branches in forward, where an exact rule has them."""

    def __init__(
        self,
        width: int,
        layers: int = 2,
        *,
        tied: bool = False,
        logit_factor: float = 1.0,
        branch_factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(11, width)
        self.position = nn.Parameter(torch.zeros(6, width))
        self.blocks = nn.Sequential(
            *(Block(width, logit_factor, branch_factor) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 11, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.table(x) + self.position)))
