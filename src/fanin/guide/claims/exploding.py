"""Weights that are too large let gradients explode."""

from __future__ import annotations

from dataclasses import dataclass

from torch.nn import functional

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, above, exactly
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, signals
from fanin.picture import Picture

# One learning rate serves all layers; see the claim on vanishing.
_RATIO = 1e6
# A step as long as the weights themselves leaves nothing of where they started.
_STEP = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the network: how its weights start, what it is drawn beside, layers, units, activation;
    and the learning rate whose first step is measured.
    """

    start: str = "normal:0.5"
    beside: str = "he_normal"
    depth: int = 20
    width: int = 128
    activation: str = "relu"
    learning_rate: float = 0.001


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    x, y = data.x_train[:256], data.y_train[:256]
    gradient: dict[str, list[list[float]]] = {settings.start: [], settings.beside: []}
    forward: dict[str, list[list[float]]] = {settings.start: [], settings.beside: []}
    named, step = [], []
    for seed in effort.seeds(10, 4):
        for start in gradient:
            model = mlp(settings.depth, settings.width, settings.activation)
            model = fanin.init_(model, start, seed=seed)
            seen = signals(model)
            gradient[start].append(list(seen.gradient))
            forward[start].append(list(seen.forward))
            if start == settings.start:
                report = fanin.check(model, x, y, loss=functional.cross_entropy)
                named.append(int("exploding" in {one.kind for one in report.findings}))
                step.append(
                    max(
                        settings.learning_rate * layer.weight_gradient / layer.weight
                        for layer in report.layers
                        if layer.weight_gradient is not None and layer.weight
                    )
                )
    return {
        "start": settings.start,
        "gradient": gradient,
        "forward": forward,
        "named": named,
        "step": step,
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ratios = [
        layers[0] / layers[-1] if layers[-1] else float("nan")
        for layers in numbers["gradient"][numbers["start"]]
    ]
    return (
        above("gradient at the first layer over that at the last", ratios, _RATIO, decades=True),
        exactly("fanin.check names it exploding (1 for yes)", numbers["named"], 1),
        above("first SGD step over the weights", numbers["step"], _STEP, decades=True),
    )


def draw(numbers: Numbers) -> Picture:
    return lines(
        {"signal, forward": numbers["forward"], "gradient, backward": numbers["gradient"]},
        "RMS of each layer's signal and gradient before training, with the range over seeds",
        x="layer",
        y="RMS",
        log=True,
    )


CLAIM = Claim(
    name="exploding",
    part="understanding",
    title="Large weights: gradients explode",
    statement=(
        "If the initial weights are too large, gradients explode on their way back through a deep "
        "network, and the first step of training throws its weights far from where they started."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units from {start}, one pass over digits: the "
        "gradient at the first layer over that at the last. Does `fanin.check` name it? And how "
        "long is the first step of SGD at rate {learning_rate}, as a multiple of the weights?"
    ),
    why=(
        "The factor by which a layer changes the gradient's second moment is the same as for "
        "vanishing, $n \\sigma^2 E[\\phi'(z)^2]$, and here it is above 1. For ReLU the mean is "
        "$\\tfrac12$, so the border lies at $\\sigma^2 = 2 / n$. With ReLU the signal grows as "
        "well, and both growths multiply in the gradient of a weight, which is the product of "
        "the signal that enters and the gradient that comes back."
    ),
    formula=(
        r"\frac{\partial L}{\partial W_l} = \delta_l\, x_{l-1}^\top,\qquad "
        r"E[\delta_l^2] = \tfrac12\, n\,\sigma^2\; E[\delta_{l+1}^2]"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"activation": "tanh"},
        "tanh keeps signals below 1, and gradients grow all the same, by fewer decades.",
    ),
    flip={"start": "he_normal", "beside": "normal:0.5"},
    sources=(
        (
            "Bengio, Simard, Frasconi, Learning long-term dependencies with gradient descent is "
            "difficult, IEEE Transactions on Neural Networks 5(2), 1994"
        ),
        (
            "Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, "
            "ICML 2013, arXiv:1211.5063, section 2"
        ),
    ),
)
