"""Xavier's scale keeps variances: where, and where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

import fanin
from fanin.guide.checks import Check, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, signals
from fanin.picture import Picture

# Of the factor by which twenty layers change a second moment. Finite width alone scatters it:
# its logarithm has a variance of 2 depth / width = 0.16, so a factor of two is far outside.
_LOW, _HIGH = 0.5, 2.0
_NETWORKS: dict[str, tuple[bool, Callable[[], nn.Module]]] = {
    "equal widths, linear": (False, nn.Identity),
    "alternating widths, linear": (True, nn.Identity),
    "equal widths, tanh": (False, nn.Tanh),
}
_CORE = "equal widths, linear"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: recipe, hidden layers, units, and units of each second layer."""

    recipe: str = "xavier_normal"
    depth: int = 21
    width: int = 256
    narrow: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    forward: dict[str, list[list[float]]] = {name: [] for name in _NETWORKS}
    gradient: dict[str, list[list[float]]] = {name: [] for name in _NETWORKS}
    for name, (alternating, activation) in _NETWORKS.items():
        widths = [settings.width] * settings.depth
        if alternating:
            widths[1::2] = [settings.narrow] * len(widths[1::2])
        for seed in effort.seeds(10, 4):
            model = fanin.init_(_network(widths, activation), settings.recipe, seed=seed)
            seen = signals(model)
            # Every second layer, so that each has the width of the first; the first one's
            # input is data, and the last has ten units: neither is the claim's.
            forward[name].append(list(seen.forward[0:-1:2]))
            gradient[name].append(list(seen.gradient[0:-1:2]))
    return {
        "layers": list(range(1, settings.depth + 1, 2)),
        "forward": forward,
        "gradient": gradient,
    }


def _network(widths: list[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    fan_in = 64
    for width in widths:
        layers += [nn.Linear(fan_in, width), activation()]
        fan_in = width
    return nn.Sequential(*layers, nn.Linear(fan_in, 10))


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return tuple(
        within(f"second moment of the {what}, last over first layer: {name}",
               [(rms[end] / rms[-1 - end]) ** 2 for rms in numbers[key][name]], _LOW, _HIGH,
               decades=True, scope=name != _CORE)
        for name in _NETWORKS
        for key, what, end in (("forward", "signal", -1), ("gradient", "gradient", 0))
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        {"signal, forward": numbers["forward"], "gradient, backward": numbers["gradient"]},
        "RMS of signals and gradients before training in three networks, every second layer",
        x="layer",
        y="RMS",
        at=numbers["layers"],
        log=True,
        size=(7.6, 3.6),
    )


CLAIM = Claim(
    name="xavier_keeps_variance",
    part="techniques",
    title="Xavier keeps the variance of signals and gradients",
    statement=(
        "Xavier initialization, variance 2 / (fan_in + fan_out), keeps the variance of signals "
        "and of gradients the same in all layers."
    ),
    experiment=(
        "Three networks of {depth} hidden layers from {recipe}: {width} units a layer and linear; "
        "{width} and {narrow} units in turn and linear; {width} units and tanh. One pass over "
        "digits. By what factor do all layers together change the second moment of the signal, "
        "and of the gradient?"
    ),
    why=(
        "Forward asks for variance $1/n_\\mathrm{in}$, backward for $1/n_\\mathrm{out}$. Where the "
        "two are equal Xavier meets both; elsewhere it is a compromise that meets neither: from "
        "$n$ to $m$ units and back a second moment is multiplied by $4nm/(n+m)^2 < 1$. And the "
        "derivation replaces the activation by its slope at 0. Tanh is flatter than that: at "
        "$\\sigma_w = 1$ its signal shrinks like $1/\\sqrt{l}$ over layers $l$."
    ),
    formula=(r"n\,\frac{2}{n+m} \cdot m\,\frac{2}{m+n} = \frac{4nm}{(n+m)^2} \le 1"),
    instead=(
        "It is exact for layers with as many inputs as outputs and no nonlinearity. Where widths "
        "change it is a compromise, and a network that widens and narrows again loses signal at "
        "each turn. Under tanh the loss is slow, a power of depth and no exponential, which is "
        "why tanh networks still train."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"recipe": "lecun_normal"},
        "with 1 / fan_in the alternating network keeps both: what a wide layer adds to the "
        "gradient, the narrow one before it takes away.",
    ),
    flip={"recipe": "he_normal"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 8 to 12"
        ),
        (
            "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, Deep information propagation, 2017, "
            "arXiv:1611.01232 (tanh at sigma_w = 1)"
        ),
    ),
)
