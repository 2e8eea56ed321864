"""A rule by the activation's name against reading the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import nn
from torch.nn import functional

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp
from fanin.guide.laboratory.race import no_longer
from fanin.guide.laboratory.residual import residual
from fanin.guide.laboratory.runs import soonest_runs, steps_taken
from fanin.picture import Picture
from fanin.recipes import RecipeLike

# Samples that the plan is read from.
_READ = 256
_QUICK = ("ReLU, 4 layers", "residual, no norm")


@dataclass(frozen=True, slots=True)
class Settings:
    """What reads the network, what the rule says for ReLU and its like and for tanh; the level."""

    read: str = "auto"
    for_relu: str = "he_normal"
    for_tanh: str = "xavier_normal"
    level: float = 0.5


def _mixed() -> nn.Sequential:
    """Twelve hidden layers, tanh and ReLU in turns."""
    layers: list[nn.Module] = [nn.Linear(64, 64), nn.Tanh()]
    for place in range(11):
        layers += [nn.Linear(64, 64), nn.Tanh() if place % 2 else nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def _cases(settings: Settings) -> dict[str, tuple[Callable[[], nn.Module], RecipeLike]]:
    """Networks, and what the rule says to each: every weight by the activation behind it."""
    before_tanh = {f"{place}.weight": settings.for_tanh for place in range(0, 24, 4)}
    return {
        "ReLU, 4 layers": (partial(mlp, 4, 64), settings.for_relu),
        "GELU, 20 layers": (partial(mlp, 20, 64, "gelu"), settings.for_relu),
        "residual, no norm": (partial(residual, 10, 64), settings.for_relu),
        "tanh and ReLU": (_mixed, {**before_tanh, "*": settings.for_relu}),
    }


def _reading(build: Callable[[], nn.Module], recipe: str) -> RecipeLike:
    """A recipe by its name; of "auto" the schemes of its plan, as one plan holds for all seeds."""
    if recipe != "auto":
        return recipe
    data = load("digits")
    x, y = data.x_train[:_READ], data.y_train[:_READ]
    plan = fanin.recommend(build(), x, y, loss=functional.cross_entropy)
    return {row.parameter: row.scheme for row in plan.rows}


def measure(settings: Settings, effort: Effort) -> Numbers:
    budget = effort.pick(100, 60)
    steps: dict[str, dict[str, list[int]]] = {}
    same: dict[str, bool] = {}
    for name, (build, rule) in _cases(settings).items():
        if effort.quick and name not in _QUICK:
            continue
        read = _reading(build, settings.read)
        same[name] = rule == read
        entrants = [rule] if rule == read else [rule, read]
        done = fanin.compare(
            build, entrants, seeds=effort.pick(5, 2), steps=budget,
            learning_rates=effort.pick((0.03, 0.1), (0.03,)), optimizer="momentum",
            batch_size=32, level=settings.level, progress=False,
        )  # fmt: skip
        steps[name] = {
            role: steps_taken(done, soonest_runs(done, entrant))
            for role, entrant in (("rule", rule), ("read", read))
        }
    return {"read": settings.read, "all": budget, "same": same, "steps": steps}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ratios = {
        name: [a / b for a, b in zip(one["rule"], one["read"], strict=True)]
        for name, one in numbers["steps"].items()
    }
    arrived = {
        name: numbers["same"][name] or max(one["rule"]) < numbers["all"]
        for name, one in numbers["steps"].items()
    }
    over_all = np.exp(np.log(list(ratios.values())).mean(0)).tolist()
    what = f"steps by the rule over those of {numbers['read']}"
    return (
        no_longer(f"all networks, geometric mean: {what}", over_all, arrived=all(arrived.values())),
        *(
            no_longer(f"{name}: {what}", values, arrived=arrived[name], scope=True)
            for name, values in ratios.items()
        ),
    )


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            name: {"by the rule": one["rule"], numbers["read"]: one["read"]}
            for name, one in numbers["steps"].items()
        },
        "Steps to the level of the loss, by network, from the rule and from reading the network",
        y="steps",
    )


CLAIM = Claim(
    name="recommend_beats_rule",
    part="applying",
    title="A rule by name is enough",
    statement=(
        "It is enough to choose by the name of the activation, He for ReLU and its variants and "
        "Xavier for tanh: reading the network more closely gains nothing."
    ),
    experiment=(
        "Four networks learn digits by SGD with momentum from what the rule says ({for_relu}, and "
        "{for_tanh} before tanh) and from {read}, each at its best learning rate, on the same "
        "seeds: a plain one, a deep one of GELU, a residual one without norms, and one that mixes "
        "tanh and ReLU. How many steps to a training loss of {level}?"
    ),
    why=(
        "A rule by name knows one layer. What decides is how layers are put together: how many "
        "stand in a row, whether branches add up ($L$ branches of gain 1 make a stream of variance "
        "$2^L$), what stands before a weight and not only behind it, and where the head is."
    ),
    formula=r"x_{l+1} = x_l + f_l(x_l) \;\Rightarrow\; E[x_L^2] \approx 2^L\,E[x_0^2]",
    instead=(
        "On plain networks of a few layers the rule does as well as anything. It falls behind "
        "where the structure counts: many layers in a row, branches that add up without a norm, "
        "activations whose gain it does not know."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"read": "lsuv"}, "a recipe that reads scales from a batch and no structure."),
    flip={"read": "he_normal"},
    sources=(
        "Zhang, Dauphin, Ma, Fixup initialization, ICLR 2019, arXiv:1901.09321, section 2",
        (
            "Balduzzi, Frean, Leary, Lewis, Ma, McWilliams, The shattered gradients problem, ICML "
            "2017, arXiv:1702.08591"
        ),
        "Mishkin, Matas, All you need is a good init, ICLR 2016, arXiv:1511.06422",
    ),
)
