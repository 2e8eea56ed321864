"""With normalization the choice of a recipe no longer matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

import fanin
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, stack
from fanin.guide.laboratory.race import SLOWER, all_arrived, no_longer, spread
from fanin.guide.laboratory.runs import runs_at, soonest_runs, steps_taken
from fanin.picture import Picture

_NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Recipes, with commas; hidden layers, units, activation; the level of the loss."""

    recipes: str = "he_normal, xavier_normal, lecun_normal, orthogonal, default"
    depth: int = 5
    width: int = 64
    activation: str = "relu"
    level: float = 0.5


def measure(settings: Settings, effort: Effort) -> Numbers:
    recipes = [name.strip() for name in settings.recipes.split(",")]
    budget = effort.pick(80, 60)
    widths = [settings.width] * settings.depth
    steps: dict[str, dict[str, list[int]]] = {}
    at_one_rate: dict[str, dict[str, list[int]]] = {}
    for norm in effort.pick(tuple(_NORMS), ("batch", "layer")):
        done = fanin.compare(
            partial(stack, widths, settings.activation, norm=_NORMS[norm]),
            recipes, seeds=effort.pick(5, 3), steps=budget,
            learning_rates=effort.pick((0.05, 0.1, 0.2, 0.5), (0.1,)), batch_size=32,
            level=settings.level, progress=False,
        )  # fmt: skip
        steps[norm] = {name: steps_taken(done, soonest_runs(done, name)) for name in recipes}
        rate = soonest_runs(done, recipes[0])[0].learning_rate
        at_one_rate[norm] = {name: steps_taken(done, runs_at(done, name, rate)) for name in recipes}
    return {"all": budget, "steps": steps, "at_one_rate": at_one_rate}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    steps, at_one_rate = numbers["steps"], numbers["at_one_rate"]
    return (
        *(
            _alike(
                f"{norm} norm: steps of the slowest over those of the fastest", numbers, steps[norm]
            )
            for norm in ("batch", "layer")
        ),
        *(
            above("without a norm: the same", spread(rows), SLOWER, decades=True, scope=True)
            for norm, rows in steps.items()
            if norm == "none"
        ),
        *(
            _alike(f"{norm} norm, all at one learning rate: the same", numbers, at_one_rate[norm],
                   scope=True)
            for norm in ("batch", "layer")
        ),
    )  # fmt: skip


def _alike(
    what: str, numbers: Numbers, steps: dict[str, list[int]], *, scope: bool = False
) -> Check:
    return no_longer(what, spread(steps), arrived=all_arrived(steps, numbers["all"]), scope=scope)


def draw(numbers: Numbers) -> Picture:
    return bars(
        {f"norm: {norm}": steps for norm, steps in numbers["steps"].items()},
        "Steps to the level of the loss by norm and recipe, each at its best learning rate",
        y="steps",
    )


CLAIM = Claim(
    name="by_norm",
    part="applying",
    title="With a norm any recipe will do",
    statement=(
        "In a network with batch or layer normalization it does not matter any more which recipe "
        "is chosen."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units, without a norm, with batch norm and with "
        "layer norm, learn digits by SGD from {recipes}, each at its best learning rate. How many "
        "times the steps of the fastest does the slowest need to a training loss of {level}? And "
        "at one learning rate for all?"
    ),
    why=(
        "A norm divides by the scale of what comes in, so its output does not know the scale of "
        "the weights. The gradient does: it is divided by that scale, and a step of the same rate "
        "turns small weights more than large ones. The scale of weights becomes a learning rate, "
        "of which every recipe has another."
    ),
    formula=r"\mathrm{Norm}(a W x) = \mathrm{Norm}(W x), \quad "
    r"\frac{\partial L}{\partial (a W)} = \frac{1}{a} \frac{\partial L}{\partial W}",
    instead=(
        "Under a norm a recipe is hardly a matter of failure any more, but still one of time. "
        "Batch norm comes nearest to making all alike, and only where each recipe has its own "
        "learning rate; with layer norm the slowest still needs clearly more steps. What is left "
        "of the choice is the learning rate, and the head, which no norm follows."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"recipes": "he_normal, normal:1"}, "weights that are too large make every step too small."
    ),
    flip={"recipes": "he_normal, he_uniform"},
    sources=(
        "Ioffe, Szegedy, Batch normalization, ICML 2015, arXiv:1502.03167, section 3.3",
        "Ba, Kiros, Hinton, Layer normalization, 2016, arXiv:1607.06450",
        (
            "van Laarhoven, L2 regularization versus batch and weight normalization, 2017, "
            "arXiv:1706.05350"
        ),
    ),
)
