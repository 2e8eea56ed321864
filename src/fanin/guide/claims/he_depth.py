"""How deep He's scale carries a plain ReLU network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, above, better, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, signals, train_at_best_rate
from fanin.picture import Picture

# Chance is 0.1: half of the digits is the least that may be called learning.
_LEARNS = 0.5
# Two points in a hundred: deep plain networks scatter more over seeds than shallow ones.
_MARGIN = 0.02
# Of the factor by which all layers change the signal's second moment in a typical network.
_LOW, _HIGH = 0.5, 2.0
_SHALLOW, _DEEP = 10, 30


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: recipe, layers of the deepest, units, activation."""

    recipe: str = "he_normal"
    deepest: int = 100
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    forward = []
    for seed in effort.seeds(8, 3):
        model = mlp(settings.deepest, settings.width, settings.activation)
        seen = signals(fanin.init_(model, settings.recipe, seed=seed))
        # Every third layer is enough for a picture.
        forward.append(list(seen.forward[:-1:3]))
    data = load("digits")
    accuracy = {}
    for depth in (_SHALLOW, _DEEP, settings.deepest):
        trained = train_at_best_rate(
            partial(mlp, depth, settings.width, settings.activation), settings.recipe, data,
            rates=effort.pick((0.0005, 0.001), (0.001,)), steps=effort.pick(150, 100),
            seeds=effort.seeds(3, 1) if depth > _DEEP else effort.seeds(4, 2), optimizer="adam",
        )  # fmt: skip
        accuracy[str(depth)] = [one.accuracy for one in trained]
    return {
        "deepest": settings.deepest, "forward": forward, "accuracy": accuracy,
        "layers": list(range(1, settings.deepest + 1, 3)),
    }  # fmt: skip


def judge(numbers: Numbers) -> tuple[Check, ...]:
    accuracy, deepest = numbers["accuracy"], numbers["deepest"]
    least = accuracy[str(deepest)]
    return (
        above(f"held-out accuracy at {_DEEP} layers", accuracy[str(_DEEP)], _LEARNS),
        above(f"held-out accuracy at {deepest} layers", least, _LEARNS, scope=True),
        better(f"held-out accuracy, {deepest} layers minus {_SHALLOW}",
               least, accuracy[str(_SHALLOW)][: len(least)], by=-_MARGIN, scope=True),
        within("second moment of the signal, last over first layer, typical network",
               [(rms[-1] / rms[0]) ** 2 for rms in numbers["forward"]], _LOW, _HIGH,
               decades=True, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        {"signal": numbers["forward"]},
        "RMS of the signal by layer before training: median and range over networks",
        x="layer",
        y="RMS",
        at=numbers["layers"],
        log=True,
    )


CLAIM = Claim(
    name="he_depth",
    part="techniques",
    title="With He, depth is no obstacle",
    statement=(
        "With He initialization depth is no obstacle any more: plain ReLU networks of 30 layers, "
        "and of far more, can be trained."
    ),
    experiment=(
        "Plain networks of 10, 30 and {deepest} layers of {width} {activation} units start from "
        "{recipe} and are trained on digits by Adam for the same number of steps, at the best of "
        "its learning rates. And what is left of the signal at the last of {deepest} layers, "
        "before training?"
    ),
    why=(
        "He's rule keeps the second moment in the mean over all networks. Any single one of width "
        "$n$ does a random walk: the logarithm of the second moment spreads with variance $5L/n$ "
        "and drifts by $-5L/(2n)$, so a typical network fades and two seeds differ by orders of "
        "magnitude. And even in the widest the inputs draw together: the angle between any two "
        "shrinks with each ReLU layer, and what the last layer sees hardly depends on the input."
    ),
    formula=(
        r"\log \frac{q_L}{q_1} \sim \left(-\frac{5L}{2n}, \frac{5L}{n}\right), \quad "
        r"1 - c_L \approx \frac{9\pi^2}{2L^2}"
    ),
    instead=(
        "He moved the limit from about ten plain layers to some tens; it did not remove it. Deep "
        "networks in use have skip connections or norms. Without them, wider layers help against "
        "the spread, and a start that is linear at first (looks_linear) also against the inputs' "
        "drawing together."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"recipe": "looks_linear"},
        "units in mirrored pairs, which make the network linear at the start: what do a hundred "
        "layers of ReLU reach now?",
    ),
    flip={"recipe": "normal:0.01"},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section "
            "2.2 (30 layers converge, and gain nothing in accuracy)"
        ),
        (
            "Hanin, Rolnick, How to start training: the effect of initialization and "
            "architecture, 2018, arXiv:1803.01719"
        ),
        (
            "Balduzzi et al., The shattered gradients problem, 2017, arXiv:1702.08591 "
            "(looks-linear start)"
        ),
    ),
)
