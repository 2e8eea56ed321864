"""Small networks of the three kinds beside the multilayer perceptron, for images of 8 x 8.

All take a batch of flat images of 64 pixels and give scores of ten classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SIDE = 8
_CLASSES = 10


class Convolutional(nn.Module):
    """Four 3 x 3 convolutions with ReLU, the third halving the image, and a linear head.

    Args:
        channels: of the first two convolutions; the others have twice as many.
    """

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(1, channels, 3, padding=1),
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.Conv2d(channels, 2 * channels, 3, padding=1, stride=2),
                nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
            ]
        )
        self.head = nn.Linear(2 * channels * (_SIDE // 2) ** 2, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = x.reshape(-1, 1, _SIDE, _SIDE)
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        scores: Tensor = self.head(x.flatten(1))
        return scores


class Recurrent(nn.Module):
    """An LSTM that reads an image row by row, and a linear head on its last state.

    Args:
        width: units.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_SIDE, width, batch_first=True)
        self.head = nn.Linear(width, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        states, _ = self.lstm(x.reshape(-1, _SIDE, _SIDE))
        scores: Tensor = self.head(states[:, -1])
        return scores


class Transformer(nn.Module):
    """A pre-norm transformer encoder whose tokens are the rows of an image.

    Args:
        depth: blocks.
        width: of the stream.
        norm: whether it has layer norms.
    """

    def __init__(self, depth: int = 2, width: int = 32, *, norm: bool = True) -> None:
        super().__init__()
        self.embed = nn.Linear(_SIDE, width)
        self.places = nn.Embedding(_SIDE, width)
        self.blocks = nn.Sequential(*(_Block(width, norm=norm) for _ in range(depth)))
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.head = nn.Linear(width, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        places = torch.arange(_SIDE, device=x.device)
        stream = self.embed(x.reshape(-1, _SIDE, _SIDE)) + self.places(places)
        scores: Tensor = self.head(self.norm(self.blocks(stream)).mean(1))
        return scores


class _Block(nn.Module):
    """Attention of two heads, then an MLP twice as wide with ReLU, each added to the stream."""

    def __init__(self, width: int, *, norm: bool) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width) if norm else nn.Identity()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.before_mlp = nn.LayerNorm(width) if norm else nn.Identity()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.before_attention(x)
        query, key, value = (
            part(tokens).unflatten(-1, (2, -1)).transpose(-2, -3)
            for part in (self.query, self.key, self.value)
        )
        weights = torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, -1)
        x = x + self.out((weights @ value).transpose(-2, -3).flatten(-2))
        branch: Tensor = self.down(torch.relu(self.up(self.before_mlp(x))))
        return x + branch
