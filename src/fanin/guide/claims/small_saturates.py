"""Do weights of too small variance saturate sigmoid and tanh?"""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, above, below
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, signals
from fanin.picture import Picture

_ACTIVATIONS = ("tanh", "sigmoid")
# A tenth of the units with a slope below a hundredth of the largest: little enough to ask.
_SATURATED = 0.1
# Of the first layer's gradient over the last's: the symptom, which has another cause.
_VANISHED = 1e-3
_STDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: standard deviation of the weights, hidden layers, units."""

    std: float = 0.01
    depth: int = 20
    width: int = 128


def measure(settings: Settings, effort: Effort) -> Numbers:
    share: dict[str, list[float]] = {}
    ratio: dict[str, list[float]] = {}
    sweep: dict[str, list[float]] = {}
    stds = _STDS[:: effort.pick(1, 3)]
    for activation in _ACTIVATIONS:
        seen = [_pass(settings, activation, settings.std, seed) for seed in effort.seeds(8, 3)]
        share[activation] = [one[0] for one in seen]
        ratio[activation] = [one[1] for one in seen]
        sweep[activation] = [_pass(settings, activation, std, 0)[0] for std in stds]
    return {"share": share, "ratio": ratio, "stds": stds, "sweep": sweep}


def _pass(settings: Settings, activation: str, std: float, seed: int) -> tuple[float, float]:
    """Share of saturated units behind the hidden layers, and the first gradient over the last."""
    model = mlp(settings.depth, settings.width, activation)
    seen = signals(fanin.init_(model, f"normal:{std}", seed=seed), batch=128)
    hidden = seen.flat[:-1]
    return sum(hidden) / len(hidden), seen.gradient_ratio


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return tuple(
        check
        for activation in numbers["share"]
        for check in (
            above(f"share of saturated units, {activation}", numbers["share"][activation],
                  _SATURATED),
            below(f"first layer's gradient over the last's, {activation}",
                  numbers["ratio"][activation], _VANISHED, decades=True, scope=True),
        )
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["sweep"],
        "Share of saturated units against the standard deviation of the weights",
        x="standard deviation of the weights",
        y="share saturated",
        at=numbers["stds"],
        log_x=True,
        limit=_SATURATED,
    )


CLAIM = Claim(
    name="small_saturates",
    part="understanding",
    title="Too small weights saturate sigmoid and tanh",
    statement=(
        "If the variance of the weights is too small, sigmoid and tanh units saturate, and their "
        "gradients vanish."
    ),
    experiment=(
        "{depth} layers of {width} tanh or sigmoid units, weights with standard deviation {std}, "
        "one pass over digits. What share of the units is saturated (slope below a hundredth of "
        "its largest), and does the gradient vanish?"
    ),
    why=(
        "Saturation needs large pre-activations, and small weights make small ones: all units "
        "then sit in the middle of the curve, where it is straight and its slope is largest, 1 "
        "for tanh and 1/4 for sigmoid."
    ),
    formula=(
        r"\sigma_w \to 0: \quad z \to 0, \quad \varphi'(z) \to \varphi'(0) = "
        r"\mathrm{max}\,\varphi'"
    ),
    instead=(
        "Small weights do the opposite: they keep sigmoid and tanh in their linear part. The "
        "gradient does vanish, but because each layer multiplies it by "
        "$\\sigma_w \\varphi'(0)$, much less than 1, and the network as a whole is close to a "
        "constant. Saturation is what large weights do."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"std": 0.3},
        "thirty times larger, and now tanh saturates, and its gradient grows instead of "
        "vanishing; sigmoid is not there yet.",
    ),
    flip={"std": 1.0},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 3"
        ),
        "LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 4.6",
    ),
)
