"""Xavier's scale under the sigmoid."""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, above, better, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies, bars, factor_a_layer, mlp, signals
from fanin.picture import Picture

# Of the factor by which a layer changes the gradient's second moment: outside of it ten layers
# cost or add a decade.
_LOW, _HIGH = 0.8, 1.25
# One point in a hundred is what 450 held-out digits can show.
_MARGIN = 0.01
# Chance is 0.1: half of the digits is the least that may be called learning.
_LEARNS = 0.5
_DEPTHS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Settings:
    """Recipe, what it is held against, activation, optimizer, and its factor on usual rates."""

    recipe: str = "xavier_normal"
    rival: str = "xavier_normal:4"
    activation: str = "sigmoid"
    optimizer: str = "sgd"
    rates: float = 1.0


def measure(settings: Settings, effort: Effort) -> Numbers:
    gradient = []
    for seed in effort.seeds(8, 3):
        seen = signals(fanin.init_(mlp(12, 256, settings.activation), settings.recipe, seed=seed))
        gradient.append(seen.gradient[1:-1])
    accuracy = {}
    for depth in _DEPTHS:
        result = fanin.compare(
            "mlp", [settings.recipe, settings.rival], depth=depth, activation=settings.activation,
            steps=effort.pick(200, 80), batch_size=32, seeds=effort.pick(6, 2),
            optimizer=settings.optimizer,
            learning_rates=[settings.rates * rate for rate in effort.pick((0.1, 0.5, 2.0), (0.5,))],
            progress=False,
        )  # fmt: skip
        found = accuracies(result)
        accuracy[str(depth)] = {
            "ours": found[settings.recipe], "rival": found[settings.rival],
        }  # fmt: skip
    return {
        "gradient": gradient, "accuracy": accuracy, "names": [settings.recipe, settings.rival],
    }  # fmt: skip


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours, rival = numbers["names"]
    shallow, _, deep = (numbers["accuracy"][str(depth)] for depth in _DEPTHS)
    return (
        within("factor a layer of the gradient's second moment",
               [factor_a_layer(rms[::-1]) for rms in numbers["gradient"]], _LOW, _HIGH),
        better(f"held-out accuracy at {_DEPTHS[-1]} hidden layers, {ours} minus {rival}",
               deep["ours"], deep["rival"], by=-_MARGIN),
        above(f"held-out accuracy at {_DEPTHS[-1]} hidden layers from {ours}",
              deep["ours"], _LEARNS, scope=True),
        above(f"held-out accuracy at {_DEPTHS[0]} hidden layer from {ours}",
              shallow["ours"], _LEARNS, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    ours, rival = numbers["names"]
    return bars(
        {
            f"{depth} hidden": {ours: pair["ours"], rival: pair["rival"]}
            for depth, pair in numbers["accuracy"].items()
        },
        "Held-out accuracy by number of hidden layers, each recipe at its best learning rate",
        y="held-out accuracy",
        limit=_LEARNS,
    )


CLAIM = Claim(
    name="xavier_sigmoid",
    part="techniques",
    title="Xavier suits sigmoid networks",
    statement=(
        "Xavier initialization is the right choice for networks of sigmoid units: it keeps the "
        "variance of signals and gradients, so that they train."
    ),
    experiment=(
        "Twelve layers of 256 {activation} units from {recipe}: by what factor does a layer change "
        "the gradient's second moment? And what do networks of 1, 2 and 5 hidden layers reach, "
        "each recipe at the best of its learning rates, against {rival}?"
    ),
    why=(
        "Xavier's derivation takes the activation for the identity near 0: slope 1, value 0. The "
        "sigmoid has slope $1/4$ and value $1/2$ there. Each layer then multiplies the gradient's "
        "second moment by about $1/16$, and the common value $1/2$ of all units says nothing "
        "about the input. Glorot and Bengio report that very trouble with the sigmoid; their rule "
        "is for tanh and softsign. Four times the scale makes up for the slope."
    ),
    formula=(r"\chi = \sigma_w^2\, E[\sigma'(z)^2] \approx \frac{\sigma_w^2}{16}"),
    instead=(
        "One hidden layer, or two, train from nearly any scale, and books had such networks in "
        "mind. With five the gradient no longer reaches the first layers; four times Xavier, "
        "which undoes the slope of 1/4, does train there. No scale saves a deep sigmoid network: "
        "use tanh, or ReLU with He, and keep the sigmoid for outputs and gates."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"optimizer": "adam", "rates": 0.02},
        "Adam divides each gradient by its own size: see how far that replaces the right scale.",
    ),
    flip={"activation": "tanh"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, sections 3.1 and 4.2"
        ),
        "LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 4.4 (why not the sigmoid)",
    ),
)
