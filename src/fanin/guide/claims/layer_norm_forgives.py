"""Does layer norm make the scale of the weights irrelevant?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

import fanin
from fanin.guide.checks import Check, above, below, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import factor_a_layer, lines, signals, stack
from fanin.guide.laboratory.scale_sweep import by_seed, sweep
from fanin.picture import Picture

# As for batch norm: over three decades and a half; He's scale at 64 units is 0.18.
_STDS = (0.001, 0.02, 0.18, 3.0)
_QUICK = (0.001, 0.18, 3.0)
_RATES = (0.01, 0.1)
# A network that has learnt digits reaches more than 0.9; one that has not stays near 0.1.
_LEARNS = 0.7
_FAILS = 0.2
# Of the gradient's second moment a layer: what a scale that keeps it allows itself.
_LOW, _HIGH = 0.95, 1.05
# What the choice of the scale may cost at one learning rate for all, as for batch norm.
_COST = 0.05
_RESIDUAL = "pre-norm residual"
_WITHOUT = "residual without norm"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: whether they have norms, weights, units, weights of one pass."""

    norm: bool = True
    depth: int = 10
    width: int = 64
    pass_depth: int = 30


class Block(nn.Module):
    """x + W relu(V norm(x))."""

    def __init__(self, width: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.norm = norm(width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the stream and the branch."""
        y: Tensor = x + self.outer(torch.relu(self.inner(self.norm(x))))
        return y


def _pre_norm(settings: Settings, norm: Callable[[int], nn.Module]) -> nn.Sequential:
    """An embedding, residual blocks of two weights, a norm and the head."""
    width = settings.width
    blocks = [Block(width, norm) for _ in range(settings.depth // 2)]
    return nn.Sequential(nn.Linear(64, width), *blocks, norm(width), nn.Linear(width, 10))


def _nothing(_width: int) -> nn.Module:
    return nn.Identity()


def measure(settings: Settings, effort: Effort) -> Numbers:
    norm: Callable[[int], nn.Module] = nn.LayerNorm if settings.norm else _nothing
    stds = effort.pick(_STDS, _QUICK)
    builds: dict[str, Callable[[], nn.Module]] = {
        _RESIDUAL: partial(_pre_norm, settings, norm),
        _WITHOUT: partial(_pre_norm, settings, _nothing),
        "plain": partial(stack, [settings.width] * settings.depth, "relu", norm=norm),
    }
    found = {
        name: sweep(
            build,
            stds,
            seeds=effort.pick(3, 2),
            learning_rates=effort.pick(_RATES, _RATES[1:]),
            steps=effort.pick(150, 60 if name == _RESIDUAL else 20),
        )
        for name, build in builds.items()
    }
    growth = []
    for seed in effort.seeds(8, 2):
        model = stack([256] * settings.pass_depth, "relu", norm=norm)
        seen = signals(fanin.init_(model, "he_normal", seed=seed), batch=128)
        growth.append(factor_a_layer(seen.gradient[1:-1][::-1]))
    return {
        "stds": stds,
        "accuracy": {name: one.at_best for name, one in found.items()},
        "at_one_rate": found[_RESIDUAL].at_one,
        "growth": growth,
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    worst = {
        name: [min(seed) for seed in by_seed(rows)] for name, rows in numbers["accuracy"].items()
    }
    what = "held-out accuracy of the worst scale"
    return (
        above(f"{what}: {_RESIDUAL}", worst[_RESIDUAL], _LEARNS),
        below(f"{what}: {_WITHOUT}", worst[_WITHOUT], _FAILS),
        above(f"{what}: plain", worst["plain"], _LEARNS, scope=True),
        below(f"accuracy lost by the worst scale at one rate for all: {_RESIDUAL}",
              [max(seed) - min(seed) for seed in by_seed(numbers["at_one_rate"])], _COST,
              scope=True),
        within("factor a layer of the gradient's second moment: plain", numbers["growth"],
               _LOW, _HIGH, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    curves = {
        _RESIDUAL: numbers["accuracy"][_RESIDUAL],
        _WITHOUT: numbers["accuracy"][_WITHOUT],
        "plain": numbers["accuracy"]["plain"],
    }
    return lines(
        {name: by_seed(rows) for name, rows in curves.items()},
        "Held-out accuracy against the standard deviation of the initial weights",
        x="standard deviation of the weights",
        y="held-out accuracy",
        at=numbers["stds"],
        log_x=True,
    )


CLAIM = Claim(
    name="layer_norm_forgives",
    part="techniques",
    title="Layer norm forgives the scale",
    statement=(
        "Layer normalization makes a network insensitive to the scale of its initial weights."
    ),
    experiment=(
        "Networks of {depth} weights and {width} units, residual with layer norm first in every "
        "branch and before the head, the same without norms, and plain with a norm after every "
        "weight, start from normal weights of standard deviation 0.001 to 3 and are trained on "
        "digits at the better of two rates. Does every scale learn? Does one rate do for all? And "
        "is the gradient kept in a plain network of {pass_depth} layers?"
    ),
    why=(
        "Each sample is divided by its own scale, so that the scale of the weight before the norm "
        "cancels. Layer norm divides by the second moment, mean aside, and ReLU's factors forward "
        "and back are equal, so the gradient is kept. But the gradient of a weight is as many "
        "times larger as the weight is smaller, and after one step that is too long a ReLU unit "
        "may be off for all samples: batch norm would turn half of them on again, as it moves "
        "each unit's mean to 0, and layer norm does not."
    ),
    formula=(
        r"\mathrm{LN}(a W x) = \mathrm{LN}(W x), \quad \chi = "
        r"\frac{E[\varphi'^2]}{E[\varphi^2]} = 1 \; (\mathrm{ReLU})"
    ),
    instead=(
        "In a residual network with the norm first in every branch, which is where layer norm "
        "lives, every scale learns, but large weights turn slowly, and a network that starts from "
        "them is behind. In a plain network layer norm forgives less than batch norm: very small "
        "weights are lost in the first steps. What no norm follows, as the head, is not forgiven "
        "at all."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 20}, "twice as deep: the residual network still forgives the scale."),
    flip={"norm": False},
    sources=(
        "Ba, Kiros, Hinton, Layer normalization, 2016, arXiv:1607.06450, section 5.1",
        (
            "Xiong et al., On layer normalization in the transformer architecture, 2020, "
            "arXiv:2002.04745"
        ),
    ),
)
