"""Do saturated units make gradients vanish?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import fanin
from fanin.guide.checks import Check, above, below
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import mlp, signals
from fanin.picture import Ink, Picture, line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACTIVATIONS = ("tanh", "sigmoid")
# The premise: most units are saturated, their slope below a hundredth of its largest.
_SATURATED = 0.5
# Of the first layer's gradient over the last's: a thousandth is far from what He's scale does.
_VANISHED = 1e-3
_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: standard deviation of the weights, hidden layers, units."""

    std: float = 1.0
    depth: int = 20
    width: int = 256


def measure(settings: Settings, effort: Effort) -> Numbers:
    share: dict[str, list[float]] = {}
    ratio: dict[str, list[float]] = {}
    for activation in _ACTIVATIONS:
        seen = [_pass(settings, activation, settings.std, seed) for seed in effort.seeds(8, 2)]
        share[activation] = [one[0] for one in seen]
        ratio[activation] = [one[1] for one in seen]
    sweep: dict[str, dict[str, list[float]]] = {
        what: {activation: [] for activation in _ACTIVATIONS} for what in ("share", "ratio")
    }
    scales = _SCALES[:: effort.pick(1, 3)]
    for activation in _ACTIVATIONS:
        for scale in scales:
            saturated, kept = _pass(settings, activation, scale / settings.width**0.5, 0)
            sweep["share"][activation].append(saturated)
            sweep["ratio"][activation].append(kept)
    return {"share": share, "ratio": ratio, "scales": scales, "sweep": sweep}


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
                  numbers["ratio"][activation], _VANISHED, decades=True),
        )
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    def panels(figure: Figure, ink: Ink) -> None:
        left, right = figure.subplots(1, 2)
        for axes, what in ((left, "share"), (right, "ratio")):
            for place, (name, values) in enumerate(numbers["sweep"][what].items()):
                # A gradient that underflows to 0 leaves a gap on the logarithmic axis.
                seen = [value if value > 0 or what == "share" else float("nan") for value in values]
                axes.plot(numbers["scales"], seen, "o-", markersize=3.5, label=name,
                          color=line(place)["color"])  # fmt: skip
            axes.set_xscale("log")
            axes.set_xlabel("std of the weights times sqrt(width)")
        left.set_title("share of saturated units")
        left.axhline(_SATURATED, color=ink.text, linestyle=":", linewidth=1)
        left.legend()
        right.set_title("first gradient over last")
        right.set_yscale("log")
        right.axhline(1.0, color=ink.text, linestyle=":", linewidth=1)

    return Picture(
        panels,
        "Share of saturated units, and the first gradient over the last, by scale of the weights",
        (7.6, 3.4),
    )


CLAIM = Claim(
    name="saturation_vanishes",
    part="understanding",
    title="Saturated units make gradients vanish",
    statement=(
        "Large weights drive sigmoid and tanh units into saturation, where the slope is almost 0; "
        "therefore the gradient vanishes on its way back."
    ),
    experiment=(
        "{depth} layers of {width} tanh or sigmoid units, weights with standard deviation {std}, "
        "one pass over digits. How many units are saturated, and how large is the gradient at the "
        "first layer beside the last?"
    ),
    why=(
        "A saturated unit passes next to nothing back, but not all units are saturated. With "
        "$\\sigma_w = \\sigma\\sqrt{n}$ the share of units that still have a slope falls like "
        "$1/\\sigma_w$, while the weights behind them multiply the gradient's mean square by "
        "$\\sigma_w^2$. The product grows like $\\sigma_w$: more saturation, and a larger gradient."
    ),
    formula=(
        r"\chi = \sigma_w^2\,E[\varphi'(\sqrt{q}\,z)^2] \approx 0.53\,\sigma_w "
        r"\; (\tanh), \quad 0.094\,\sigma_w \; (\mathrm{sigmoid}), \quad \sigma_w \gg 1"
    ),
    instead=(
        "In wide networks large weights saturate most units and the gradient still explodes, "
        "carried by the few that are left; it is noisy and of little use. Sigmoid has a wide "
        "range of scales, up to $\\sigma_w = 10.1$, at which gradients do vanish, but the cause "
        "is its small slope, 1/4 at most: there most units are not saturated. In narrow networks "
        "all units of a layer can be saturated at once, and the sentence holds."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"std": 0.1},
        "tanh's gradient is nearly kept, and sigmoid's vanishes with no unit saturated.",
    ),
    flip={"width": 4, "std": 30.0},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 3 (saturation of sigmoid units)"
        ),
        (
            "Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli, Exponential expressivity in deep "
            "neural networks through transient chaos, 2016, arXiv:1606.05340 (the chaotic phase)"
        ),
    ),
)
