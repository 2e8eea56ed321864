"""Residual networks without normalisation."""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """x plus a branch of two layers with ReLU between them.

    Args:
        width: of the stream and of the branch.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """The stream after the block."""
        branch: Tensor = self.second(self.first(x).relu())
        return x + branch


class Skip(nn.Module):
    """x plus a branch of any layers.

    Args:
        branch: its layers, one after the other.
    """

    def __init__(self, *branch: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x: Tensor) -> Tensor:
        """The stream after the branch."""
        out: Tensor = self.branch(x)
        return x + out


def residual(blocks: int, width: int, *, inputs: int = 64, outputs: int = 10) -> nn.Sequential:
    """A linear layer into the stream, blocks, and a linear layer out of it.

    Blocks stand at places 1, ..., ``blocks`` of the Sequential; their last weights are called
    ``*.second.weight``.
    """
    return nn.Sequential(
        nn.Linear(inputs, width),
        *(Block(width) for _ in range(blocks)),
        nn.Linear(width, outputs),
    )
