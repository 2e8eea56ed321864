"""Does batch norm make the scale of the weights irrelevant?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

import fanin
from fanin.errors import UnknownNameError
from fanin.guide.checks import Check, above, below, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import factor_a_layer, lines, signals, stack
from fanin.guide.laboratory.scale_sweep import by_seed, sweep
from fanin.picture import Picture

# Over three decades and a half; He's scale at 64 units is 0.18.
_STDS = (0.001, 0.02, 0.18, 3.0)
_QUICK = (0.001, 0.18, 3.0)
# A network that has learnt digits reaches more than 0.9; one that has not stays near 0.1.
_LEARNS = 0.7
_FAILS = 0.2
# Of the gradient's second moment a layer: what a scale that keeps it allows itself.
_LOW, _HIGH = 0.95, 1.05
# What the choice of the scale may cost at one learning rate for all.
_COST = 0.05
_NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
    "none": None,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: norm (batch, layer or none), hidden layers, units, layers of one pass."""

    norm: str = "batch"
    depth: int = 10
    width: int = 64
    pass_depth: int = 30


def measure(settings: Settings, effort: Effort) -> Numbers:
    if settings.norm not in _NORMS:
        raise UnknownNameError("norm", settings.norm, _NORMS)
    norm = _NORMS[settings.norm]
    stds = effort.pick(_STDS, _QUICK)
    found = {
        name: sweep(
            partial(stack, [settings.width] * settings.depth, "relu", norm=one),
            stds,
            seeds=effort.pick(3, 2),
            learning_rates=effort.pick((0.1, 1.0), (1.0,)),
            # Nothing is learnt without the norm however long it is tried.
            steps=effort.pick(250, 120 if name == "with" else 20),
        )
        for name, one in (("with", norm), ("without", None))
    }
    growth = []
    for seed in effort.seeds(8, 2):
        model = stack([256] * settings.pass_depth, "relu", norm=norm)
        seen = signals(fanin.init_(model, "he_normal", seed=seed), batch=128)
        growth.append(factor_a_layer(seen.gradient[1:-1][::-1]))
    return {
        "stds": stds,
        "accuracy": {name: one.at_best for name, one in found.items()},
        "at_one_rate": found["with"].at_one,
        "growth": growth,
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    with_norm, without = numbers["accuracy"]["with"], numbers["accuracy"]["without"]
    one_rate = numbers["at_one_rate"]
    return (
        above("held-out accuracy of the worst scale, with the norm", _worst(with_norm), _LEARNS),
        below("the same without", _worst(without), _FAILS),
        below("accuracy lost by the worst scale at one rate for all",
              [max(seed) - min(seed) for seed in by_seed(one_rate)], _COST, scope=True),
        within("factor a layer of the gradient's second moment, with the norm",
               numbers["growth"], _LOW, _HIGH, scope=True),
    )  # fmt: skip


def _worst(accuracy: list[list[float]]) -> list[float]:
    return [min(seed) for seed in by_seed(accuracy)]


def draw(numbers: Numbers) -> Picture:
    curves = {
        "with the norm, best rate": numbers["accuracy"]["with"],
        "with the norm, one rate": numbers["at_one_rate"],
        "without, best rate": numbers["accuracy"]["without"],
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
    name="batch_norm_forgives",
    part="techniques",
    title="Batch norm forgives the scale",
    statement=(
        "Batch normalization makes a network insensitive to the scale of its initial weights."
    ),
    experiment=(
        "ReLU networks of {depth} hidden layers of {width} units with norm {norm}, and without, "
        "start from normal weights of standard deviation 0.001 to 3 and are trained on digits, "
        "at the better of two rates. Does every scale learn? Does one learning rate do for all? "
        "And by what factor does a layer change the gradient in a network of {pass_depth} layers?"
    ),
    why=(
        "A norm divides by the scale of what it gets, so that the scale of the weight before it "
        "cancels: the outputs are the same, and so the network's function at the start. The "
        "gradient of the weight is not: it is as many times smaller as the weight is larger. A "
        "step of rate $\\eta$ turns a weight of scale $\\sigma$ as $\\eta/\\sigma^2$ would turn "
        "one of scale 1. And the norm takes part in the way back: it divides by the spread over "
        "the batch, which after ReLU is less than the second moment."
    ),
    formula=(
        r"\mathrm{BN}(a W x) = \mathrm{BN}(W x), \quad \frac{\partial L}{\partial (aW)} = "
        r"\frac{1}{a} \frac{\partial L}{\partial W}, \quad \chi = "
        r"\frac{E[\varphi'^2]}{\mathrm{Var}\,\varphi} = \frac{\pi}{\pi - 1} \approx 1.47"
    ),
    instead=(
        "Batch norm forgives the scale of the signal, and turns it into a scale of the learning "
        "rate: weights that start large learn slowly, small ones take a first leap until they "
        "have grown. Nor does it cure depth. In a plain network the gradient grows by 1.47 a "
        "layer in the second moment, whatever the initialization, which residual branches prevent."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"norm": "layer"},
        "in a plain network layer norm forgives less: the smallest weights are lost. But its "
        "gradient is kept, the factor is 1.",
    ),
    flip={"norm": "none"},
    sources=(
        (
            "Ioffe, Szegedy, Batch normalization: accelerating deep network training by reducing "
            "internal covariate shift, 2015, arXiv:1502.03167, section 3.3"
        ),
        (
            "Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz, A mean field theory of batch "
            "normalization, 2019, arXiv:1902.08129"
        ),
        (
            "van Laarhoven, L2 regularization versus batch and weight normalization, 2017, "
            "arXiv:1706.05350 (the effective learning rate)"
        ),
    ),
)
