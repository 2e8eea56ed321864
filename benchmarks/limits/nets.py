"""Small architectures, initialized so that signals keep their scale: the healthy end of a dose."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.corpus.sampled import Attend, Block, Pooled
from fanin import gain

Act = Callable[[], nn.Module]
WIDTH = 64


class Residual(nn.Module):
    """x + two weights with an activation between, without norm."""

    def __init__(self, width: int, act: Act):
        super().__init__()
        self.first, self.act, self.second = nn.Linear(width, width), act(), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = x + self.second(self.act(self.first(x)))
        return made


def mlp(
    depth: int, act: Act = nn.ReLU, *, width: int = WIDTH, out: int = 10, into: int = WIDTH
) -> nn.Sequential:
    """``depth`` weights with activations between."""
    sizes = [into, *[width] * (depth - 1)]
    layers = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), act())]
    return centred(nn.Sequential(*layers, nn.Linear(sizes[-1], out)), act)


def cnn(depth: int, act: Act = nn.ReLU, *, width: int = 12) -> nn.Sequential:
    """3 x 3 convolutions, means of 2 x 2 places, a head on what is left."""
    layers = [
        m
        for a, b in itertools.pairwise([1, *[width] * (depth - 1)])
        for m in (nn.Conv2d(a, b, 3, padding=1), act())
    ]
    end = (nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, 10))
    return centred(nn.Sequential(*layers, *end), act)


def residual(blocks: int, act: Act = nn.ReLU, *, width: int = WIDTH) -> nn.Sequential:
    """Residual blocks without norm; the last weight of each is divided by sqrt(blocks)."""
    layers = [Residual(width, act) for _ in range(blocks)]
    model = centred(nn.Sequential(nn.Linear(64, width), *layers, nn.Linear(width, 10)), act)
    with torch.no_grad():
        for block in layers:
            block.second.weight.div_(math.sqrt(blocks))
    return model


def transformer(blocks: int, act: Act = nn.GELU, *, width: int = 32) -> nn.Sequential:
    """Pre-norm blocks over the rows of a digit, mean over rows, a head."""
    layers: list[nn.Module] = []
    for _ in range(blocks):
        feed = nn.Sequential(nn.Linear(width, 2 * width), act(), nn.Linear(2 * width, width))
        norm = partial(nn.LayerNorm, width)
        layers += [Block(Attend(width), norm, "pre", 1.0), Block(feed, norm, "pre", 1.0)]
    model = nn.Sequential(nn.Linear(8, width), *layers, Pooled(1), nn.Linear(width, 10))
    return centred(model, nn.Identity)


def weights(model: nn.Module) -> Iterator[nn.Linear | nn.Conv2d]:
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            yield module


def hidden(model: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    return list(weights(model))[:-1]


def head(model: nn.Module) -> nn.Linear:
    last = list(weights(model))[-1]
    assert isinstance(last, nn.Linear)
    return last


@torch.no_grad()
def centred(model: nn.Sequential, act: Act) -> nn.Sequential:
    """Weights at std gain / sqrt(fan_in), the head and the first at 1 / sqrt(fan_in), bias 0."""
    own = list(weights(model))
    by_act = gain(act())
    for place, module in enumerate(own):
        fan_in = module.weight[0].numel()
        scale = 1.0 if place in {0, len(own) - 1} else by_act
        module.weight.normal_(0.0, scale / math.sqrt(fan_in))
        if module.bias is not None:
            module.bias.zero_()
    return model


@torch.no_grad()
def scaled(
    model: nn.Sequential, factor: float, modules: Iterable[nn.Linear | nn.Conv2d] | None = None
) -> nn.Sequential:
    """Weights times a factor; all of them unless some are named."""
    for module in weights(model) if modules is None else modules:
        module.weight.mul_(factor)
    return model
