"""Is zero ever a good start for weights?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import nn

import fanin
from fanin.guide.checks import Check, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp
from fanin.guide.laboratory.residual import residual
from fanin.guide.laboratory.runs import best_runs
from fanin.picture import Picture

# Of held-out accuracy: what a start must lose to be called worse. Ten held-out digits of 450
# are 0.022, and a digit more or less is a matter of the seed.
_LOSS = 0.02
_HIDDEN = "all weights"
_RATES = (0.02, 0.1, 0.3)

Recipe = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the weights start that the claim warns of, and how all others do; units, blocks."""

    start: str = "zeros"
    others: str = "he_normal"
    width: int = 32
    blocks: int = 10


def _cases(settings: Settings) -> dict[str, tuple[Callable[[], nn.Module], Recipe]]:
    """What starts at zero: the network, and the patterns of it."""
    zero, rest = settings.start, settings.others
    plain = partial(mlp, 3, settings.width)
    return {
        _HIDDEN: (plain, {"*": zero}),
        "one hidden layer": (plain, {"2.weight": zero, "*": rest}),
        "the output layer": (plain, {"6.weight": zero, "*": rest}),
        "the only layer": (_softmax_regression, {"*": zero}),
        "last layer of each branch": (
            partial(residual, settings.blocks, settings.width),
            {"*.second.weight": zero, "*": rest},
        ),
    }


def _softmax_regression() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 10))


def measure(settings: Settings, effort: Effort) -> Numbers:
    accuracy: dict[str, dict[str, list[float]]] = {}
    for name, (build, recipe) in _cases(settings).items():
        comparison = fanin.compare(
            build, [recipe, settings.others], seeds=effort.pick(5, 3),
            steps=effort.pick(120, 40), learning_rates=effort.pick(_RATES, _RATES[:2]),
            batch_size=32, progress=False,
        )  # fmt: skip
        accuracy[name] = {
            role: [run.metric for run in best_runs(comparison, one)]
            for role, one in (("zero", recipe), ("random", settings.others))
        }
    return {"accuracy": accuracy}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    checks = []
    for name, accuracy in numbers["accuracy"].items():
        ours, others = accuracy.values()
        checks.append(
            better(f"held-out accuracy lost by {name}", others, ours, by=_LOSS,
                   scope=name != _HIDDEN)
        )  # fmt: skip
    return tuple(checks)


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["accuracy"],
        "Held-out accuracy with some weights at zero, beside the same network drawn at random",
        y="held-out accuracy",
        size=(8.0, 3.8),
    )


CLAIM = Claim(
    name="zero_inappropriate",
    part="techniques",
    title="Zero is no start for weights",
    statement=(
        "Initializing weights with zero is inappropriate: a network learns less from it than "
        "from random weights."
    ),
    experiment=(
        "Five times a network learns digits with some of its weights at {start}, all others "
        "from {others}, and again with all from {others}: all weights of three hidden layers of "
        "{width} units; one hidden layer; the output layer; the only layer (softmax regression); "
        "and the last layer of each branch of {blocks} residual blocks without norms. What does "
        "zero lose?"
    ),
    why=(
        "Zero does harm where it stops both of a weight's partners. A hidden layer of zeros lets "
        "no signal through to the layers after it and no gradient to those before it, and the "
        "layer itself, between two that are random, still gets "
        "$\\delta\\, h^T$: but ReLU at 0 has slope 0, so here $\\delta = 0$. An output layer "
        "of zeros has inputs that differ, so its gradient is full from the first step, and its "
        "columns part. A zero at the end of a residual branch leaves the block the identity: "
        "signal and gradient take the skip."
    ),
    formula=(
        r"\frac{\partial L}{\partial W} = \delta\, h^T \neq 0 \quad\text{where}\quad "
        r"h \neq 0 \ \text{and}\ \delta \neq 0, \ \text{also at}\ W = 0"
    ),
    instead=(
        "Zero is wrong for a layer that is the only way through, with another one behind it. It "
        "is right, and often the best start, for a layer whose gradient does not need its own "
        "weights: the output layer, the only layer of a convex model, the last layer of a "
        "residual branch."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"blocks": 3}, "few blocks: random branches can be trained, too, and zero is no worse."
    ),
    flip={"start": "he_normal"},
    sources=(
        "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4",
        "Zhang, Dauphin, Ma, Fixup initialization, 2019, arXiv:1901.09321, section 3",
        "Goyal et al., Accurate, large minibatch SGD, 2017, arXiv:1706.02677, section 5.1",
    ),
)
