"""May the new head of a trained network start at zero?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional

import fanin
from fanin import recipes
from fanin.ensembles import Dataset, load
from fanin.guide.checks import Check, above, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import Trained, lines, mlp, train
from fanin.picture import Picture

_CLASSES = 5
# Equal scores for all classes give the entropy of a fair guess among them, to rounding.
_GUESS = math.log(_CLASSES)
_ROUNDING = 1e-4
# Of held-out accuracy: what the zero head may lose to a random one.
_MARGIN = 0.02
# What a head of std 1 must lose in accuracy to be called harmful.
_HARM = 0.01
_RATES = (0.03, 0.1, 0.3)
_LARGE = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Std of the head's weights; whether the body is frozen; hidden layers and units."""

    std: float = 0.0
    frozen: bool = False
    depth: int = 2
    width: int = 128


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    first, second = _of_classes(data, 0), _of_classes(data, _CLASSES)
    he = (2 / settings.width) ** 0.5
    heads = {"tried": settings.std, "He": he, "N(0, 1)": _LARGE}
    start: dict[str, list[float]] = {name: [] for name in heads}
    accuracy: dict[str, list[float]] = {name: [] for name in heads}
    curves: dict[str, list[list[float]]] = {name: [] for name in heads}
    rates = effort.pick(_RATES, _RATES[:2])
    for seed in effort.seeds(12, 4):
        body = fanin.init_(_network(settings), "he_normal", seed=seed)
        train(body, first, steps=effort.pick(150, 60), learning_rate=0.003, seed=seed,
              optimizer="adam")  # fmt: skip
        for name, std in heads.items():
            fresh = recipes.transfer(std=std)
            runs: list[Trained] = []
            for rate in rates:
                model = _network(settings)
                model.load_state_dict(body.state_dict())
                fanin.init_(model, fresh, inputs=second.x_train[:128], seed=seed + 1000)
                model[:-1].requires_grad_(not settings.frozen)
                if not runs:
                    with torch.no_grad():
                        loss = functional.cross_entropy(model(second.x_train), second.y_train)
                    start[name].append(float(loss))
                steps = effort.pick(60, 30)
                runs.append(train(model, second, steps=steps, learning_rate=rate, seed=seed))
            best = min(runs, key=lambda run: run.train_loss)
            accuracy[name].append(best.accuracy)
            curves[name].append(list(best.losses))
    return {"std": settings.std, "start": start, "accuracy": accuracy, "curves": _medians(curves)}


def _network(settings: Settings) -> nn.Sequential:
    return mlp(settings.depth, settings.width, outputs=_CLASSES)


def _of_classes(data: Dataset, least: int) -> Dataset:
    """Five digits from ``least`` on, called 0 to 4."""
    train_kept, test_kept = (
        (labels >= least) & (labels < least + _CLASSES) for labels in (data.y_train, data.y_test)
    )
    return replace(
        data,
        x_train=data.x_train[train_kept],
        y_train=data.y_train[train_kept] - least,
        x_test=data.x_test[test_kept],
        y_test=data.y_test[test_kept] - least,
        classes=_CLASSES,
    )


def _medians(curves: dict[str, list[list[float]]]) -> dict[str, list[float]]:
    return {name: torch.tensor(rows).median(0).values.tolist() for name, rows in curves.items()}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    accuracy = numbers["accuracy"]
    ours = accuracy["tried"]

    def gained(name: str) -> list[float]:
        return [a - b for a, b in zip(ours, accuracy[name], strict=True)]

    std = numbers["std"]
    return (
        within(f"first loss, head of std {std:g}", numbers["start"]["tried"],
               _GUESS - _ROUNDING, _GUESS + _ROUNDING),
        above(f"held-out accuracy, std {std:g} minus He", gained("He"), -_MARGIN),
        above(f"held-out accuracy, std {std:g} minus N(0, 1)", gained("N(0, 1)"), _HARM),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        {f"std {numbers['std']:g}" if name == "tried" else name: values
         for name, values in numbers["curves"].items()},
        "Loss on the new classes along training, by what the head starts from",
        x="step",
        y="training loss",
        log=True,
        limit=_GUESS,
    )  # fmt: skip


CLAIM = Claim(
    name="transfer_head",
    part="techniques",
    title="A new head may start at zero",
    statement=(
        "In transfer learning the new output layer can start at zero: training begins from the "
        "loss of a fair guess, loses nothing against a random head, and sends no noise into the "
        "trained body."
    ),
    experiment=(
        "A network of {depth} layers of {width} units learns the digits 0 to 4. With a new head "
        "of std {std} (body frozen: {frozen}) it then learns 5 to 9 in a few steps of SGD, beside "
        "one with He's std and one with N(0, 1), each at its best rate. What "
        "is the first loss, and what is reached?"
    ),
    why=(
        "The body's features already differ, so the columns of the head get different gradients "
        "and part at the first step. The gradient that goes down into the body passes through "
        "the head: it is zero at the first step and grows as the head learns something. A large "
        "random head is sure of wrong answers, and its first gradients tear at the body to "
        "correct what is only noise."
    ),
    formula=(
        r"V = 0: \quad L = \ln C, \quad \frac{\partial L}{\partial V} = (p - y)\, h^T \neq 0, "
        r"\quad \frac{\partial L}{\partial h} = V^T (p - y) = 0"
    ),
    instead=(
        "A zero head starts from the loss of a guess and does not fall behind. Whether a random "
        "one harms is a matter of its scale: at He's std little or nothing, at N(0, 1) it has "
        "to be unlearned first."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"frozen": True}, "the problem is then convex: the start matters for speed alone."
    ),
    flip={"std": 1.0},
    sources=(
        "Goyal et al., Accurate, large minibatch SGD, 2017, arXiv:1706.02677, section 5.1",
        (
            "Yosinski, Clune, Bengio, Lipson, How transferable are features in deep neural "
            "networks?, 2014, arXiv:1411.1792"
        ),
    ),
)
