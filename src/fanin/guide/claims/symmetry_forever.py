"""Is symmetry broken by random weights only?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, exactly
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import Optimizer, bars, mlp, train
from fanin.picture import Picture

_PLAIN: Mapping[str, tuple[Optimizer, float]] = {"SGD": ("sgd", 0.1), "Adam": ("adam", 0.01)}
_DROPOUT, _OUTGOING = "Adam, dropout", "Adam, random head"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the network: how its weights start, hidden layers and units; the share dropped, and how
    the head starts where it alone differs.
    """

    start: str = "constant:0.05"
    head: str = "he_normal"
    dropout: float = 0.2
    depth: int = 2
    width: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    steps = effort.pick(600, 60)
    apart: dict[str, list[float]] = {}
    different: dict[str, list[list[int]]] = {}
    accuracy: dict[str, list[float]] = {}
    for name in (*_PLAIN, _DROPOUT, _OUTGOING):
        optimizer, rate = _PLAIN.get(name, _PLAIN["Adam"])
        apart[name], different[name], accuracy[name] = [], [], []
        for seed in effort.seeds(3, 2):
            model = _model(settings, name, seed)
            trained = train(
                model, data, steps=steps, learning_rate=rate, seed=seed, optimizer=optimizer
            )
            weights = [one.weight.detach() for one in model if isinstance(one, nn.Linear)][:-1]
            apart[name].append(max(float((one - one[0]).abs().max()) for one in weights))
            different[name].append([len(np.unique(one.numpy(), axis=0)) for one in weights])
            accuracy[name].append(trained.accuracy)
    return {"apart": apart, "different": different, "accuracy": accuracy}


def _model(settings: Settings, name: str, seed: int) -> nn.Sequential:
    activation = (
        (lambda: nn.Sequential(nn.ReLU(), nn.Dropout(settings.dropout)))
        if name == _DROPOUT
        else nn.ReLU
    )
    model = mlp(settings.depth, settings.width, activation)
    if name != _OUTGOING:
        return fanin.init_(model, settings.start, seed=seed)
    head = f"{2 * settings.depth}.*"
    return fanin.init_(model, {head: settings.head, "*": settings.start}, seed=seed)


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return tuple(
        exactly(f"largest difference between two units, {name}", apart, 0.0,
                scope=name not in _PLAIN)
        for name, apart in numbers["apart"].items()
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["accuracy"],
        "Held-out accuracy of networks whose units started equal, by what else is random",
        y="held-out accuracy",
    )


CLAIM = Claim(
    name="symmetry_forever",
    part="understanding",
    title="Equal units are equal for ever",
    statement=(
        "Units that start equal stay equal however long the network is trained: nothing but "
        "random initial weights breaks the symmetry."
    ),
    experiment=(
        "A ReLU network of {depth} hidden layers of {width} units starts from {start} and is "
        "trained on digits: by SGD, by Adam, with dropout of {dropout}, and with a head from "
        "{head} behind hidden layers that are as before. How far are any two units of a layer "
        "apart afterwards?"
    ),
    why=(
        "Two units are the same to training only if nothing tells them apart: equal weights in, "
        "equal weights out, and equal treatment. Dropout treats them unequally, since it switches "
        "off one and not the other. Unequal weights out send unequal gradients back. Either "
        "suffices; the noise of minibatches does not, for every unit sees the same examples."
    ),
    formula=(
        r"\frac{\partial L}{\partial w_i} = E\!\left[ \left( \sum_k v_{ki}\,\delta_k \right) "
        r"\phi'(z_i)\, x \right]"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"dropout": 0.0}, "without it the units of that network stay equal, too."),
    flip={"start": "he_normal"},
    sources=(
        "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4",
        "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout, JMLR 15, 2014",
    ),
    instead=(
        "What keeps units equal is that nothing at all tells them apart. Dropout does: in every "
        "layer the units part, and the network learns. Unequal weights behind them do, too, but "
        "only in the one layer that they read. The layers before it still have equal weights on "
        "both sides, stay one unit wide, and keep the network from learning."
    ),
)
