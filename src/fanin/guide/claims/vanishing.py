"""Weights that are too small let gradients vanish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch.nn import functional

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, above, below, exactly
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, signals
from fanin.guide.laboratory.runs import best_runs
from fanin.picture import Picture

# One learning rate serves all layers. A gradient that is a millionth of another's would need a
# million times its rate.
_RATIO = 1e-6
# Of the loss of a guess that ignores the input: above this share, nothing was learned.
_LEFT = 0.95


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the network: how its weights start, what it is drawn beside, layers, units, activation."""

    start: str = "normal:0.01"
    beside: str = "xavier_normal"
    depth: int = 20
    width: int = 128
    activation: str = "tanh"


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    x, y = data.x_train[:256], data.y_train[:256]
    gradient: dict[str, list[list[float]]] = {settings.start: [], settings.beside: []}
    named = []
    for seed in effort.seeds(8, 3):
        for start in gradient:
            model = mlp(settings.depth, settings.width, settings.activation)
            model = fanin.init_(model, start, seed=seed)
            gradient[start].append(list(signals(model).gradient))
            if start == settings.start:
                report = fanin.check(model, x, y, loss=functional.cross_entropy)
                named.append(int("vanishing" in {one.kind for one in report.findings}))
    return {
        "start": settings.start,
        "gradient": gradient,
        "named": named,
        "left": {
            "sgd": _left(settings, effort, "sgd", effort.pick((0.01, 0.1, 1.0), (0.1,))),
            "adam": _left(settings, effort, "adam", effort.pick((1e-3, 1e-2), (1e-3,))),
        },
    }


def _left(
    settings: Settings, effort: Effort, optimizer: str, rates: tuple[float, ...]
) -> list[float]:
    """Training loss at the end over that of a guess, at the best rate, one value a seed."""
    done = fanin.compare(
        "mlp", [settings.start], seeds=effort.pick(4, 2), steps=effort.pick(50, 15),
        learning_rates=rates, optimizer=optimizer, depth=settings.depth, width=settings.width,
        activation=settings.activation, batch_size=32, progress=False,
    )  # fmt: skip
    return [run.train_loss / done.uninformed_loss for run in best_runs(done, settings.start)]


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ratios = [_ratio(layers) for layers in numbers["gradient"][numbers["start"]]]
    return (
        below("gradient at the first layer over that at the last", ratios, _RATIO, decades=True),
        exactly("fanin.check names it vanishing (1 for yes)", numbers["named"], 1),
        above("loss after SGD over that of a guess", numbers["left"]["sgd"], _LEFT),
        above("loss after Adam over that of a guess", numbers["left"]["adam"], _LEFT, scope=True),
    )


def _ratio(layers: list[float]) -> float:
    return layers[0] / layers[-1] if layers[-1] else float("nan")


def draw(numbers: Numbers) -> Picture:
    depth = len(numbers["gradient"][numbers["start"]][0])
    return lines(
        numbers["gradient"],
        "RMS of the gradient at each layer before training, with the range over seeds",
        x="layer",
        y="RMS of the gradient",
        at=list(np.arange(1, depth + 1)),
        log=True,
    )


CLAIM = Claim(
    name="vanishing",
    part="understanding",
    title="Small weights: gradients vanish",
    statement=(
        "If the initial weights are too small, gradients vanish on their way back through a deep "
        "network: its first layers receive next to none, and it does not learn."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units from {start}, one pass over digits: the "
        "gradient at the first layer over that at the last. Does `fanin.check` name it? Then "
        "training, by SGD and by Adam, at the best of several learning rates: what part of an "
        "uninformed guess's loss is left?"
    ),
    why=(
        "Each layer multiplies the second moment of the gradient by $n \\sigma^2 E[\\phi'(z)^2]$, "
        "for $n$ units and weights of variance $\\sigma^2$. The slope of tanh is at most 1, so "
        "with $n \\sigma^2$ below 1 every layer shrinks it, and depth $L$ raises the factor to "
        "the power $L$. On the way forward the signal shrinks in the same manner, so that the "
        "outputs do not depend on the input either."
    ),
    formula=(
        r"E[\delta_l^2] = n\,\sigma^2\,E[\phi'(z_l)^2]\;E[\delta_{l+1}^2] \;\Rightarrow\; "
        r"\frac{E[\delta_1^2]}{E[\delta_L^2]} = \left( n\,\sigma^2\,E[\phi'^2] \right)^{L-1}"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"depth": 3}, "three layers shrink the gradient by the same factor each, and it survives."
    ),
    flip={"start": "xavier_normal", "beside": "normal:0.01"},
    sources=(
        (
            "Bengio, Simard, Frasconi, Learning long-term dependencies with gradient descent is "
            "difficult, IEEE Transactions on Neural Networks 5(2), 1994"
        ),
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 4.2"
        ),
    ),
)
