"""What the networks of the chooser are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from fanin.guide.chooser.cases import Case

HEADS: Final = 4
_W0 = 30.0
_RANK = 4
_PATCH = 4


class Sine(nn.Module):
    """sin(30 z), as networks of coordinates have it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(_W0 * x)


FUNCTIONS: Final[dict[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "selu": nn.SELU,
    "gelu": nn.GELU, "silu": nn.SiLU, "softplus": nn.Softplus, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid, "sine": Sine, "linear": nn.Identity,
}  # fmt: skip


def norm_of(kind: str, width: int, *, images: bool = False) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return nn.BatchNorm2d(width) if images else nn.BatchNorm1d(width)
    if kind == "group":
        return nn.GroupNorm(4, width)
    return nn.RMSNorm(width) if kind == "rms" else nn.LayerNorm(width)


class Layer(nn.Module):
    """A weight, a norm, a function."""

    def __init__(self, weight: nn.Module, norm: nn.Module, function: nn.Module) -> None:
        super().__init__()
        self.weight, self.norm, self.function = weight, norm, function

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.function(self.norm(self.weight(x)))
        return out


class Branch(nn.Module):
    """x + down(f(up(norm(x)))); with a post norm norm(x + down(f(up(x))))."""

    def __init__(self, case: Case, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden) if case.activation == "swiglu" else None
        self.norm = norm_of(case.norm, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.function = nn.SiLU() if self.gate is not None else FUNCTIONS[case.activation]()
        self.is_post = case.norm == "post"

    def forward(self, x: Tensor) -> Tensor:
        read = x if self.is_post else self.norm(x)
        inner = self.function(self.up(read) if self.gate is None else self.gate(read))
        if self.gate is not None:
            inner = inner * self.up(read)
        out: Tensor = x + self.down(inner)
        return self.norm(out) if self.is_post else out


class Attention(nn.Module):
    """A residual branch of attention."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        width = case.width
        self.norm = norm_of(case.norm, width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.output = nn.Linear(width, width), nn.Linear(width, width)
        self.is_post = case.norm == "post"
        self.is_causal = case.architecture == "decoder"

    def forward(self, x: Tensor) -> Tensor:
        read = x if self.is_post else self.norm(x)
        q, k, v = (
            made(read).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for made in (self.query, self.key, self.value)
        )
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.is_causal)
        out: Tensor = x + self.output(seen.transpose(1, 2).flatten(2))
        return self.norm(out) if self.is_post else out


class Block(nn.Module):
    """Two 3x3 convolutions beside the stream: f(x + norm(conv(f(norm(conv(x))))))."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        width = case.width
        self.up = nn.Conv2d(width, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, padding=1)
        self.first_norm = norm_of(case.norm, width, images=True)
        self.last_norm = norm_of(case.norm, width, images=True)
        self.function = FUNCTIONS[case.activation]()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.function(self.first_norm(self.up(x)))
        out: Tensor = self.function(x + self.last_norm(self.down(inner)))
        return out


class Tokens(nn.Module):
    """Tables of tokens and of positions, added."""

    def __init__(self, case: Case, tokens: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(tokens, case.width)
        self.positions = nn.Embedding(case.length or 1, case.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        return out


class Patches(nn.Module):
    """Patches of images, a token of the class, and positions."""

    def __init__(self, case: Case, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Conv2d(channels, case.width, _PATCH, stride=_PATCH)
        self.token = nn.Parameter(torch.zeros(1, 1, case.width))
        self.positions = nn.Parameter(torch.zeros(1, (size // _PATCH) ** 2 + 1, case.width))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.weight(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(len(x), -1, -1), seen], 1) + self.positions


class States(nn.Module):
    """What recurrent layers put out at the last step."""

    def __init__(self, case: Case, features: int) -> None:
        super().__init__()
        of = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[case.architecture]
        said = {"nonlinearity": case.activation} if case.architecture == "rnn" else {}
        self.cells = of(features, case.width, case.depth, batch_first=True, **said)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cells(x)[0][:, -1]
        return out


class Pooled(nn.Module):
    """The mean over all places of an image."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class First(nn.Module):
    """The first token of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class Adapted(nn.Module):
    """A trained layer and a low-rank adapter beside it."""

    def __init__(self, trained: nn.Linear) -> None:
        super().__init__()
        self.trained = trained
        self.lora_A = nn.Linear(trained.in_features, _RANK, bias=False)
        self.lora_B = nn.Linear(_RANK, trained.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.trained(x) + self.lora_B(self.lora_A(x))
        return out


def adapt(model: nn.Module) -> None:
    """Put adapters beside the queries and values of a transformer."""
    for block in list(model.modules()):
        if isinstance(block, Attention):
            block.query = Adapted(block.query)  # type: ignore[assignment]
            block.value = Adapted(block.value)  # type: ignore[assignment]
