"""Random weights tell units apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, above, below
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import Optimizer, bars, mlp, train
from fanin.picture import Picture

_ACTIVATIONS = ("relu", "tanh", "sigmoid")
_RATES: dict[Optimizer, float] = {"sgd": 0.1, "adam": 0.01}
# One unit that all copies share cannot tell ten digits apart: as for equal weights.
_ACCURACY = 0.5
# Cosine of the weights that enter two units: copies of one another have 1.
_COPIES = 0.99


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the network: how its weights start, hidden layers and units."""

    start: str = "he_normal"
    depth: int = 2
    width: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    steps = effort.pick(300, 80)
    cosine: dict[str, list[float]] = {}
    accuracy: dict[str, list[float]] = {}
    for activation in _ACTIVATIONS:
        for optimizer, rate in _RATES.items():
            name = f"{activation}, {optimizer}"
            cosine[name], accuracy[name] = [], []
            for seed in effort.seeds(5, 2):
                model = fanin.init_(
                    mlp(settings.depth, settings.width, activation), settings.start, seed=seed
                )
                trained = train(
                    model, data, steps=steps, learning_rate=rate, seed=seed, optimizer=optimizer
                )
                cosine[name].append(_nearest(model))
                accuracy[name].append(trained.accuracy)
    return {"cosine": cosine, "accuracy": accuracy}


def _nearest(model: nn.Sequential) -> float:
    """The largest cosine between the incoming weights of any two units of a hidden layer."""
    largest = -1.0
    for layer in [layer for layer in model if isinstance(layer, nn.Linear)][:-1]:
        rows = functional.normalize(layer.weight.detach(), dim=1)
        largest = max(largest, float((rows @ rows.T - 2 * torch.eye(len(rows))).max()))
    return largest


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        *(
            below(f"cosine of the two nearest units: {name}", values, _COPIES)
            for name, values in numbers["cosine"].items()
        ),
        *(
            above(f"held-out accuracy: {activation}, the better optimizer",
                  _better(numbers["accuracy"], activation), _ACCURACY)
            for activation in _ACTIVATIONS
        ),
    )  # fmt: skip


def _better(accuracy: dict[str, list[float]], activation: str) -> list[float]:
    both = [accuracy[f"{activation}, {optimizer}"] for optimizer in _RATES]
    return [max(pair) for pair in zip(*both, strict=True)]


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            name: {"accuracy": values, "cosine of the nearest units": numbers["cosine"][name]}
            for name, values in numbers["accuracy"].items()
        },
        "Held-out accuracy and the cosine of the two nearest units after training",
        y="accuracy, cosine",
        limit=_ACCURACY,
        size=(7.6, 3.6),
    )


CLAIM = Claim(
    name="random_breaks",
    part="techniques",
    title="Random weights break the symmetry",
    statement=(
        "Random weights make the units of a layer differ from the start, so that they receive "
        "different gradients and learn different things."
    ),
    experiment=(
        "A network of {depth} hidden layers of {width} units starts from {start} and is trained on "
        "digits, with three activations and two optimizers. Afterwards: how alike are the two "
        "nearest units of a layer, and what does the network reach?"
    ),
    why=(
        "Two units with different incoming weights compute different functions, and so get "
        "different gradients. In $n$ dimensions random directions are nearly at right angles: "
        "the cosine of two of them is about $1/\\sqrt{n}$. So a layer of random units starts with "
        "as many features as it has units."
    ),
    formula=(
        r"w_i, w_j \sim N(0, \sigma^2 I): \quad "
        r"\mathrm{cos}(w_i, w_j) \approx \pm\frac{1}{\sqrt{n}}"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"start": "normal:0.0001"},
        "units differ, and yet next to nothing is learnt by SGD: random is not all that matters.",
    ),
    flip={"start": "constant:0.05"},
    sources=(
        "Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986",
        "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4",
    ),
)
