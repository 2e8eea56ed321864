"""Where all weights are zero, which gradients are?"""

from __future__ import annotations

from dataclasses import dataclass

from torch.nn import functional

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, below, exactly
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp, train
from fanin.picture import Picture

_RATE = 0.1
# Chance is 0.1, and the commonest digit is hardly commoner: below twice that, nothing was learnt.
_CHANCE = 0.2
# These keep zero: an activation of 0 is 0. Sigmoid's is 1/2.
_THROUGH_ZERO = ("relu", "tanh")
_NOT_THROUGH_ZERO = "sigmoid"


@dataclass(frozen=True, slots=True)
class Settings:
    """How the weights start; hidden layers and units."""

    start: str = "zeros"
    depth: int = 2
    width: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    gradient: dict[str, dict[str, float]] = {}
    accuracy: dict[str, list[float]] = {}
    for activation in (*_THROUGH_ZERO, _NOT_THROUGH_ZERO):
        model = fanin.init_(mlp(settings.depth, settings.width, activation), settings.start)
        seen = fanin.observe(
            model, data.x_train[:256], data.y_train[:256], loss=functional.cross_entropy
        )
        gradient[activation] = {one.name: one.gradient_rms or 0.0 for one in seen.parameters}
        accuracy[activation] = []
        for seed in effort.seeds(5, 3):
            model = fanin.init_(
                mlp(settings.depth, settings.width, activation), settings.start, seed=seed
            )
            trained = train(
                model, data, steps=effort.pick(400, 100), learning_rate=_RATE, seed=seed
            )
            accuracy[activation].append(trained.accuracy)
    return {"gradient": gradient, "accuracy": accuracy}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    gradient, accuracy = numbers["gradient"], numbers["accuracy"]
    curved = gradient[_NOT_THROUGH_ZERO]
    return (
        *(
            exactly(f"RMS of the gradient of each weight, {activation}",
                    _of_weights(gradient[activation]), 0.0)
            for activation in _THROUGH_ZERO
        ),
        *(
            below(f"held-out accuracy after training, {activation}", accuracy[activation], _CHANCE)
            for activation in _THROUGH_ZERO
        ),
        exactly("RMS of the gradient of each bias, relu",
                _of_biases(gradient["relu"]), 0.0, scope=True),
        exactly(f"RMS of the gradient of each weight, {_NOT_THROUGH_ZERO}",
                _of_weights(curved), 0.0, scope=True),
        below(f"held-out accuracy after training, {_NOT_THROUGH_ZERO}",
              accuracy[_NOT_THROUGH_ZERO], _CHANCE, scope=True),
    )  # fmt: skip


def _of_weights(gradient: dict[str, float]) -> list[float]:
    return [value for name, value in gradient.items() if name.endswith("weight")]


def _of_biases(gradient: dict[str, float]) -> list[float]:
    return [value for name, value in gradient.items() if name.endswith("bias")]


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            activation: {name: [value] for name, value in gradient.items()}
            for activation, gradient in numbers["gradient"].items()
        },
        "RMS of the gradient of each parameter before the first step, by activation",
        y="RMS of the gradient",
        size=(7.2, 3.6),
    )


CLAIM = Claim(
    name="zero_gradients",
    part="techniques",
    title="All zero: no gradient",
    statement=(
        "If all weights and biases start at zero, all gradients are zero, and the network never "
        "learns."
    ),
    experiment=(
        "Networks of {depth} hidden layers of {width} units start from {start}. What is the "
        "gradient of each parameter on digits, and what do they reach in a training by SGD?"
    ),
    why=(
        "The gradient of a weight is a product of what goes in and what comes back. With ReLU or "
        "tanh every hidden value is $\\varphi(0) = 0$, so nothing goes into any layer but the "
        "first; and nothing comes back through a weight of 0 to any layer but the last. One of "
        "the two factors is always 0. The bias of the last layer needs neither: it learns "
        "how frequent the classes are. Sigmoid sends $\\varphi(0) = 1/2$ into the last layer, "
        "whose weights therefore move, all columns alike."
    ),
    formula=(
        r"\frac{\partial L}{\partial W_l} = \delta_l\, h_{l-1}^T, \quad "
        r"h_{l-1} = \varphi(0) = 0 \ (l > 1), \quad \delta_l = 0 \ (l < L), \quad "
        r"\frac{\partial L}{\partial b_L} = \delta_L \neq 0"
    ),
    instead=(
        "The gradients of the weights are exactly zero for activations with $\\varphi(0) = 0$, "
        "which is worse than small: no learning rate and no optimizer helps. The gradient of the "
        "output bias is not, so the loss does fall a little, to that of a guess from class "
        "frequencies, which can pass for learning. With sigmoid the last layer moves as well, and "
        "all units of a layer stay copies of one."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"depth": 0},
        "no hidden layer, and zero is a fine start: the input goes into the only layer.",
    ),
    flip={"start": "he_normal"},
    sources=(
        "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4",
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 4.2.1"
        ),
    ),
)
