"""Small models of the usual kinds, each with a batch, that a recipe is tried on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

_RELU: Final = (2 / (1 - 1 / math.pi)) ** 0.5
"""Times ReLU it has variance 1 of N(0, 1): the gain of NFNets."""

_DEEPNORM: Final = 4**0.25
"""(2 layers)^(1/4): what DeepNorm asks of a decoder's skips."""

_WIDTH, _TOKENS, _LENGTH, _CLASSES, _ROWS = 16, 20, 6, 4, 8


@attrs.frozen
class Example:
    """A model and a batch that a recipe is held to its promises on.

    Args:
        name: in messages.
        build: returns a new model; it is called often, each time under ``torch.manual_seed``.
        inputs: as ``fanin.observe`` takes them.
        targets: for the loss.
        loss: ``loss(outputs, targets)`` of one number.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Any
    targets: Any = None
    loss: Callable[..., Any] | None = None


class _Standardised(nn.Conv2d):
    """A convolution whose weight has mean 0 and a square sum of 1 a unit, times a gain."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        spread = self.weight.var((1, 2, 3), unbiased=False, keepdim=True)
        size = self.weight[0].numel()
        weight = self.gain * (self.weight - mean) * torch.rsqrt(spread * size + 1e-4)
        return functional.conv2d(x, weight, self.bias, padding=1)


class _NormFree(nn.Module):
    """x + a f(x / b) with standardised weights, as NFNets have it."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.conv1, self.conv2 = _Standardised(8, 8), _Standardised(8, 8)
        self.factor = nn.Parameter(torch.zeros(()))
        self.spread = spread

    def forward(self, x: Tensor) -> Tensor:
        inner = _RELU * functional.relu(x / self.spread)
        inner = self.conv2(_RELU * functional.relu(self.conv1(inner)))
        added: Tensor = x + 0.2 * self.factor * inner
        return added


class _Block(nn.Module):
    """x + f(x) of convolutions, with batch norms or with a learned factor."""

    def __init__(self, *, norms: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=not norms)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=not norms)
        self.bn1, self.bn2 = (nn.BatchNorm2d(8) if norms else nn.Identity() for _ in range(2))
        self.factor = None if norms else nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        added: Tensor = x + (inner if self.factor is None else self.factor * inner)
        return functional.relu(added) if self.factor is None else added


def _resnet(*, norms: bool) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=not norms),
        nn.BatchNorm2d(8) if norms else nn.Identity(),
        nn.ReLU(),
        *(_Block(norms=norms) for _ in range(2)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, _CLASSES),
    )


def _norm_free() -> nn.Module:
    return nn.Sequential(
        _Standardised(3, 8), _NormFree(1.0), _NormFree(1.04**0.5), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, _CLASSES),
    )  # fmt: skip


class _Layer(nn.Module):
    """Attention and feed-forward, before or behind their norms, or without any.

    Args:
        order: "pre" for x + f(norm(x)), "post" for norm(factor x + f(x)), "none" for x + f(x).
        factor: of the skip of "post"; None for learned ones.
    """

    def __init__(self, order: str, factor: float | None = 1.0) -> None:
        super().__init__()
        self.order, self.factor = order, factor
        if factor is None:
            self.omega1, self.omega2 = (nn.Parameter(torch.ones(_WIDTH)) for _ in range(2))
        self.attention = nn.ModuleDict(
            {part: nn.Linear(_WIDTH, _WIDTH) for part in ("q", "k", "v", "out")}
        )
        self.up, self.down = nn.Linear(_WIDTH, 2 * _WIDTH), nn.Linear(2 * _WIDTH, _WIDTH)
        self.norm1, self.norm2 = (
            nn.Identity() if order == "none" else nn.LayerNorm(_WIDTH) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self._joined(x, self._attended, 1)
        return self._joined(x, lambda y: self.down(functional.gelu(self.up(y))), 2)

    def _joined(self, x: Tensor, branch: Callable[[Tensor], Tensor], place: int) -> Tensor:
        norm = self.norm1 if place == 1 else self.norm2
        if self.order == "pre":
            return x + branch(norm(x))
        if self.factor is None:
            skip = (self.omega1 if place == 1 else self.omega2) * x
        else:
            skip = x if self.factor == 1.0 else self.factor * x
        joined: Tensor = norm(skip + branch(x))
        return joined

    def _attended(self, x: Tensor) -> Tensor:
        q, k, v = (self.attention[part](x).unflatten(-1, (2, -1)).transpose(1, 2) for part in "qkv")
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        made: Tensor = self.attention["out"](mixed.transpose(1, 2).flatten(2))
        return made


class _Vision(nn.Module):
    """Patches of images and learned positions in, scores of classes out."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, _WIDTH, 2, stride=2)
        self.positions = nn.Parameter(0.02 * torch.randn(9, _WIDTH))
        self.layers = nn.Sequential(*(_Layer("pre") for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, _CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        scores: Tensor = self.head(self.norm(self.layers(x)).mean(1))
        return scores


class _Transformer(nn.Module):
    """Tokens and learned positions in; scores of tokens, or of classes, out."""

    def __init__(self, order: str, *, tied: bool, factor: float | None = 1.0) -> None:
        super().__init__()
        self.tokens = nn.Embedding(_TOKENS, _WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(_LENGTH, _WIDTH))
        self.layers = nn.ModuleList(_Layer(order, factor) for _ in range(2))
        self.norm = nn.LayerNorm(_WIDTH) if order == "pre" else nn.Identity()
        self.head = nn.Linear(_WIDTH, _TOKENS if tied else _CLASSES, bias=not tied)
        self.tied = tied
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        scores: Tensor = self.head(x if self.tied else x.mean(1))
        return scores


class _Recurrent(nn.Module):
    """Tokens with padding in, scores of classes out."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.RNN], **options: Any) -> None:
        super().__init__()
        self.tokens = nn.Embedding(_TOKENS, _WIDTH, padding_idx=0)
        self.cells = kind(_WIDTH, 12, batch_first=True, **options)
        self.head = nn.Linear(12, _CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        outputs, _ = self.cells(self.tokens(tokens))
        scores: Tensor = self.head(outputs[:, -1])
        return scores


class _Adapted(nn.Module):
    """A frozen linear layer, and two small matrices beside it that are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(_WIDTH, _WIDTH).requires_grad_(requires_grad=False)
        self.lora_a, self.lora_b = (
            nn.Linear(_WIDTH, 2, bias=False), nn.Linear(2, _WIDTH, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = self.base(x) + self.lora_b(self.lora_a(x))
        return summed


def _perceptron() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs in (12, _WIDTH, _WIDTH):
        layers += [nn.Linear(inputs, _WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(_WIDTH, _CLASSES))


def _frozen() -> nn.Module:
    model = _perceptron()
    for parameter in model[0].parameters():  # type: ignore[index]
        parameter.requires_grad_(requires_grad=False)
    return model


def _adapted() -> nn.Module:
    return nn.Sequential(
        nn.Linear(12, _WIDTH).requires_grad_(requires_grad=False), nn.ReLU(), _Adapted(), nn.ReLU(),
        nn.Linear(_WIDTH, _CLASSES).requires_grad_(requires_grad=False),
    )  # fmt: skip


def _scores(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of the last axis."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def usual() -> tuple[Example, ...]:
    """One of each kind; the numbers are the same at every call."""
    drawn = torch.Generator().manual_seed(0)
    vectors = torch.randn(_ROWS, 12, generator=drawn)
    images = torch.randn(_ROWS, 3, 6, 6, generator=drawn)
    tokens = torch.randint(_TOKENS, (_ROWS, _LENGTH), generator=drawn)
    classes = torch.arange(_ROWS) % _CLASSES
    following = torch.randint(_TOKENS, (_ROWS, _LENGTH), generator=drawn)
    models: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
        "perceptron": (_perceptron, vectors),
        "perceptron with a frozen layer": (_frozen, vectors),
        "perceptron with low-rank adapters": (_adapted, vectors),
        "residual network with batch norm": (lambda: _resnet(norms=True), images),
        "residual network with learned factors": (lambda: _resnet(norms=False), images),
        "residual network with standardised weights": (_norm_free, images),
        "pre-norm transformer with a tied head": (lambda: _Transformer("pre", tied=True), tokens),
        "post-norm transformer": (lambda: _Transformer("post", tied=False), tokens),
        "post-norm transformer with a scaled skip": (
            lambda: _Transformer("post", tied=False, factor=_DEEPNORM), tokens,
        ),
        "post-norm transformer with learned skips": (
            lambda: _Transformer("post", tied=False, factor=None), tokens,
        ),
        "vision transformer": (_Vision, images),
        "transformer without norms": (lambda: _Transformer("none", tied=False), tokens),
        "LSTM": (lambda: _Recurrent(nn.LSTM), tokens),
        "ReLU RNN": (lambda: _Recurrent(nn.RNN, nonlinearity="relu"), tokens),
    }  # fmt: skip
    return tuple(
        Example(name, build, inputs, following if "tied" in name else classes, _scores)
        for name, (build, inputs) in models.items()
    )
