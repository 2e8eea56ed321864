"""Do weights that start at zero stay there?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

import fanin
from fanin import schemes
from fanin.ensembles import Dataset, load
from fanin.guide.checks import Check, above, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, train
from fanin.picture import Picture

# Of the weights that start at zero: the share that training must leave there.
_LEFT = 0.9
# By how much more often a hidden unit must be off than in the dense network.
_SPARSER = 0.05
_RATE = 0.1


@dataclass(frozen=True, slots=True)
class Settings:
    """Weights a unit that are not zero; whether the others are held there; layers and units."""

    k: int = 6
    held: bool = False
    depth: int = 3
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    marks = effort.pick((0, 1, 10, 50, 200, 500), (0, 1, 10, 60))
    # At any k the mean square of ReLU's signal is kept, as by He where all weights are drawn.
    sparse = schemes.sparse(k=settings.k, std=(2 / settings.k) ** 0.5)
    left: list[list[float]] = []
    off: dict[str, list[float]] = {"sparse": [], "dense": []}
    for seed in effort.seeds(6, 3):
        model = fanin.init_(mlp(settings.depth, settings.width), sparse, seed=seed)
        zero = [weight == 0 for weight in _weights(model)]
        if settings.held:
            _hold(model, zero)
        left.append([1.0])
        for index, (before, after) in enumerate(pairwise(marks)):
            train(model, data, steps=after - before, learning_rate=_RATE, seed=100 * seed + index)
            left[-1].append(_still_zero(model, zero))
        off["sparse"].append(_share_off(model, data))
        dense = fanin.init_(mlp(settings.depth, settings.width), "he_normal", seed=seed)
        train(dense, data, steps=marks[-1], learning_rate=_RATE, seed=100 * seed)
        off["dense"].append(_share_off(dense, data))
    return {"at": marks, "left": left, "off": off}


def _weights(model: nn.Sequential) -> list[Tensor]:
    return [layer.weight for layer in model if isinstance(layer, nn.Linear)]


def _hold(model: nn.Sequential, zero: list[Tensor]) -> None:
    """Take the gradient from what starts at zero, as pruned networks are trained."""
    for weight, mask in zip(_weights(model), zero, strict=True):
        weight.register_hook(partial(_without, mask))  # type: ignore[no-untyped-call]


def _without(mask: Tensor, gradient: Tensor) -> Tensor:
    return gradient.masked_fill(mask, 0.0)


def _still_zero(model: nn.Sequential, zero: list[Tensor]) -> float:
    pairs = list(zip(_weights(model), zero, strict=True))
    stayed = sum(int((weight[mask] == 0).sum()) for weight, mask in pairs)
    return stayed / sum(int(mask.sum()) for _, mask in pairs)


def _share_off(model: nn.Sequential, data: Dataset) -> float:
    """Of the hidden units and held-out samples: where the unit is exactly 0."""
    x, shares = data.x_test, []
    with torch.no_grad():
        for layer in list(model)[:-1]:
            x = layer(x)
            if not isinstance(layer, nn.Linear):
                shares.append(float((x == 0).float().mean()))
    return sum(shares) / len(shares)


def judge(numbers: Numbers) -> tuple[Check, ...]:
    off = numbers["off"]
    return (
        above("share of the zero weights still zero after training",
              [row[-1] for row in numbers["left"]], _LEFT),
        better("share of hidden outputs that are zero, sparse minus dense",
               off["sparse"], off["dense"], by=_SPARSER, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        {"still zero": numbers["left"]},
        "Share of the weights that started at zero and still are, along training",
        x="steps + 1",
        y="share",
        at=[step + 1 for step in numbers["at"]],
        log_x=True,
    )


CLAIM = Claim(
    name="zero_sparsity",
    part="techniques",
    title="Zeros for sparsity",
    statement=(
        "Setting a part of the weights to zero at the start gives a sparse network, whose units "
        "read few inputs and answer to few samples."
    ),
    experiment=(
        "In a ReLU network of {depth} layers of {width} units each unit starts with {k} weights "
        "that are not zero. It is trained on digits by SGD (zeros held in place: {held}). How many "
        "of the zeros are left, and how often are hidden units off, beside a dense network?"
    ),
    why=(
        "A zero is a value like any other. The gradient of a weight is the product of what goes in "
        "and what comes back, whatever the weight is, so a weight at 0 moves at the first step "
        "unless its input or its unit is off for the whole batch. And how often a ReLU unit is off "
        "is a matter of the sign of its input, which few weights make as well as many."
    ),
    formula=r"w_{ij}(0) = 0 \;\Rightarrow\; w_{ij}(1) = -\eta\, \delta_i\, h_j \neq 0",
    instead=(
        "Sparsity at the start is gone after a few steps. Sparse initialization was meant for "
        "something else: it keeps units different from one another at any width, and their "
        "input at a fixed scale. For a sparse network the zeros must be held (a mask on weight and "
        "gradient, as in pruning) or paid for (an L1 penalty)."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"k": 1}, "one weight a unit: fewer signals at the start, and zeros last longer."
    ),
    flip={"held": True},
    sources=(
        "Martens, Deep learning via Hessian-free optimization, ICML 2010, section 5",
        "Frankle, Carbin, The lottery ticket hypothesis, 2019, arXiv:1803.03635, section 1",
    ),
)
