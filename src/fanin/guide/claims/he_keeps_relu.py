"""He's scale keeps the variance of ReLU networks."""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, signals
from fanin.picture import Picture

# Of the factor by which one layer changes the second moment. Finite width alone lowers a
# typical network by exp(-5 / (2 width)) a layer, and theory allows 5 percent at this width.
_LOW, _HIGH = 0.95, 1.05


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the network: recipe, hidden layers, units, activation."""

    recipe: str = "he_normal"
    depth: int = 50
    width: int = 256
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    forward, gradient = [], []
    for seed in effort.seeds(10, 4):
        model = mlp(settings.depth, settings.width, settings.activation)
        seen = signals(fanin.init_(model, settings.recipe, seed=seed))
        # The first layer's input is data, the last has ten units: neither is the claim's.
        forward.append(seen.forward[1:-1])
        gradient.append(seen.gradient[1:-1])
    return {"forward": forward, "gradient": gradient}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        within("factor a layer of the signal's second moment",
               [_factor(rms) for rms in numbers["forward"]], _LOW, _HIGH),
        within("factor a layer of the gradient's second moment",
               [_factor(rms[::-1]) for rms in numbers["gradient"]], _LOW, _HIGH),
    )  # fmt: skip


def _factor(rms: list[float]) -> float:
    """The geometric mean over layers."""
    return float((rms[-1] / rms[0]) ** (2 / (len(rms) - 1))) if rms[0] else 0.0


def draw(numbers: Numbers) -> Picture:
    return lines(
        {"signal, forward": numbers["forward"], "gradient, backward": numbers["gradient"]},
        "RMS of each layer's signal and gradient before training, with the range over seeds",
        x="layer",
        y="RMS",
        log=True,
    )


CLAIM = Claim(
    name="he_keeps_relu",
    part="techniques",
    title="He keeps the variance under ReLU",
    statement=(
        "He initialization, variance 2 / fan_in, keeps the variance of signals and gradients "
        "through deep ReLU networks."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units from {recipe}, one pass over digits. By what "
        "factor does a layer change the second moment of the signal, and of the gradient?"
    ),
    why=(
        "ReLU sets half of a symmetric signal to zero, so its second moment is halved; the 2 makes "
        "up for it. Backward, half of the gradients are cut, with the same result. In a network of "
        "finite width the factor is 1 only in the mean over networks: a typical one drifts by "
        "about $e^{-5/(2n)}$ a layer of $n$ units."
    ),
    formula=(
        r"\mathrm{Var}(w) = \frac{2}{n_\mathrm{in}} \;\Rightarrow\; "
        r"E[z_{l+1}^2] = n_\mathrm{in}\,\mathrm{Var}(w)\,\tfrac12 E[z_l^2] = E[z_l^2]"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"recipe": "xavier_normal"}, "a layer then halves the second moment: 0.5 in place of 1."
    ),
    flip={"recipe": "xavier_normal"},
    sources=(
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 10 and 14",
    ),
)
