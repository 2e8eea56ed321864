"""Equal weights stay equal."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, below, exactly
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import Optimizer, bars, mlp, train
from fanin.picture import Picture

_ACTIVATIONS = ("relu", "tanh", "sigmoid")
_RATES: dict[Optimizer, float] = {"sgd": 0.1, "adam": 0.01}
# Chance is 0.1; one unit that all copies share cannot tell ten digits apart.
_ACCURACY = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the network: how its weights start, hidden layers and units."""

    start: str = "constant:0.05"
    depth: int = 2
    width: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    steps = effort.pick(300, 60)
    apart: dict[str, list[float]] = {}
    accuracy: dict[str, list[float]] = {}
    for activation in _ACTIVATIONS:
        for optimizer, rate in _RATES.items():
            name = f"{activation}, {optimizer}"
            apart[name], accuracy[name] = [], []
            for seed in effort.seeds(3, 2):
                model = fanin.init_(
                    mlp(settings.depth, settings.width, activation), settings.start, seed=seed
                )
                trained = train(
                    model, data, steps=steps, learning_rate=rate, seed=seed, optimizer=optimizer
                )
                apart[name].append(_largest_difference(model))
                accuracy[name].append(trained.accuracy)
    return {"apart": apart, "accuracy": accuracy}


def _largest_difference(model: nn.Sequential) -> float:
    """Between any two units of a hidden layer: in their incoming weights."""
    weights = [layer.weight.detach() for layer in model if isinstance(layer, nn.Linear)][:-1]
    return max(float((weight - weight[0]).abs().max()) for weight in weights)


def judge(numbers: Numbers) -> tuple[Check, ...]:
    apart = [value for values in numbers["apart"].values() for value in values]
    reached = [max(values) for values in numbers["accuracy"].values()]
    return (
        exactly("largest difference between two units after training", apart, 0.0),
        below("held-out accuracy", reached, _ACCURACY),
    )


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["accuracy"],
        "Held-out accuracy of networks whose units started equal, by activation and optimizer",
        y="held-out accuracy",
        limit=_ACCURACY,
    )


CLAIM = Claim(
    name="symmetry",
    part="understanding",
    title="Equal units stay equal",
    statement=(
        "If all weights of a layer start with the same value, all of its units compute the same "
        "function, receive the same gradient, and never become different."
    ),
    experiment=(
        "A network of {depth} hidden layers of {width} units starts from {start} and is trained on "
        "digits, with three activations and two optimizers. Afterwards: how far are any two units "
        "of a layer apart, and what does the network reach?"
    ),
    why=(
        "Swapping two units that have equal incoming and equal outgoing weights changes nothing, "
        "so the gradient is the same for both, and so is every step of an optimizer that treats "
        "each weight by the same rule. A layer of $n$ units stays one unit wide. This does not "
        "depend on the activation, the learning rate or the number of steps."
    ),
    formula=(
        r"w_i = w_j,\; v_i = v_j \;\Rightarrow\; "
        r"\frac{\partial L}{\partial w_i} = \frac{\partial L}{\partial w_j}"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"start": "normal:0.05"}, "the same scale with random signs: units part, and it learns."
    ),
    flip={"start": "he_normal"},
    sources=(
        "Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986",
        "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4",
    ),
)
