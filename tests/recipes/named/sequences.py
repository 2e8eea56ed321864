"""Small models around one recurrent layer or cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def words(steps: int = 9) -> Tensor:
    return torch.randint(0, 20, (4, steps), generator=torch.Generator().manual_seed(2))


class Over(nn.Module):
    """A table, a recurrent layer (batch first), a head on the last output."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(20, layer.input_size), layer
        width = getattr(layer, "proj_size", 0) or layer.hidden_size
        self.head = nn.Linear(width * (2 if layer.bidirectional else 1), 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.table(x))[0][:, -1])


class Steps(nn.Module):
    """A cell that is run in a loop."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.table, self.cell = nn.Embedding(20, cell.input_size), cell
        self.head = nn.Linear(cell.hidden_size, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in self.table(x).unbind(1):
            state = self.cell(step, state)
        return self.head(state[0] if isinstance(state, tuple) else state)


class ByHand(nn.Module):
    """A recurrent step of plain weights."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.again, self.head = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 6)
        for step in x.unbind(1):
            state = (self.read(step) + self.again(state)).relu()
        return self.head(state)
