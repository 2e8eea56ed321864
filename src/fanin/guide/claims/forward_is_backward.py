"""Does a kept signal mean a kept gradient?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import fanin
from fanin.guide.checks import Check, below, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import factor_a_layer, lines, of_gain, signals, stack
from fanin.picture import Picture

# Of the factor of a second moment, a layer: as for He's scale, 5 percent at 256 units.
_LOW, _HIGH = 0.95, 1.05
# A narrow layer scatters four times as much, and the mean of wide and narrow twice.
_WIDER_LOW, _WIDER_HIGH = 0.9, 1.1
# Of the factor from one layer to its neighbour, up or down: noise stays below it.
_STEP = 2.0
_EQUAL = "equal widths"
_ALTERNATING = "alternating widths"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: activation, hidden layers, units; units of narrow and wide layers."""

    activation: str = "relu"
    depth: int = 20
    width: int = 256
    narrow: int = 64
    wide: int = 512


def measure(settings: Settings, effort: Effort) -> Numbers:
    pairs = settings.depth // 2
    networks = {
        _EQUAL: (settings.activation, [settings.width] * settings.depth),
        _ALTERNATING: (settings.activation, [settings.narrow, settings.wide] * pairs),
        "tanh, equal widths": ("tanh", [settings.width] * settings.depth),
        "sigmoid, equal widths": ("sigmoid", [settings.width] * settings.depth),
    }
    forward: dict[str, list[tuple[float, ...]]] = {}
    gradient: dict[str, list[tuple[float, ...]]] = {}
    for name, (activation, widths) in networks.items():
        recipe = of_gain(fanin.gain(activation))
        forward[name], gradient[name] = [], []
        for seed in effort.seeds(16, 4):
            model = fanin.init_(stack(widths, activation), recipe, seed=seed)
            seen = signals(model, batch=64)
            # The last layer has ten units, which is not the claim's.
            forward[name].append(seen.forward[:-1])
            gradient[name].append(seen.gradient[:-1])
    return {"forward": forward, "gradient": gradient}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    checks = []
    for name, signal in numbers["forward"].items():
        gradient = numbers["gradient"][name]
        low, high = (_WIDER_LOW, _WIDER_HIGH) if name == _ALTERNATING else (_LOW, _HIGH)
        # Every second layer, so that the first and the last have one width.
        ends = [(rms[1::2], back[1::2][::-1]) for rms, back in zip(signal, gradient, strict=True)]
        for what, place in (("signal", 0), ("gradient", 1)):
            checks.append(
                within(f"factor a layer of the {what}'s second moment: {name}",
                       [factor_a_layer(end[place]) ** 0.5 for end in ends], low, high,
                       scope=name != _EQUAL)
            )  # fmt: skip
    checks.append(
        below(f"gradient's second moment, larger over smaller of two neighbours: {_ALTERNATING}",
              [_step(back) for back in numbers["gradient"][_ALTERNATING]], _STEP,
              scope=True)
    )  # fmt: skip
    return tuple(checks)


def _step(rms: list[float]) -> float:
    """Of second moments of neighbouring layers, larger over smaller, the median over layers."""
    steps = sorted(
        max(one, other) ** 2 / min(one, other) ** 2 if min(one, other) else float("inf")
        for one, other in pairwise(rms)
    )
    return steps[len(steps) // 2]


def draw(numbers: Numbers) -> Picture:
    return lines(
        {"signal, forward": numbers["forward"], "gradient, backward": numbers["gradient"]},
        "RMS of signals and gradients before training in four networks at their gain",
        x="layer",
        y="RMS",
        log=True,
        size=(8.4, 3.8),
    )


CLAIM = Claim(
    name="forward_is_backward",
    part="understanding",
    title="Keeping the signal keeps the gradient",
    statement=(
        "An initialization that keeps the variance of the signal on its way forward keeps that of "
        "the gradient on its way back, too, so that it is enough to look at one of them."
    ),
    experiment=(
        "Variance gain$^2$ / fan_in, which keeps the signal, in networks of {depth} layers: "
        "{activation} with {width} units a layer; {activation} with {narrow} and {wide} units in "
        "turn; tanh and sigmoid with {width}. By what factor does a layer change the second "
        "moment of the gradient?"
    ),
    why=(
        "Forward a layer multiplies by fan_in, backward by fan_out, and $1/n_\\mathrm{in}$ leaves "
        "$n_\\mathrm{out}/n_\\mathrm{in}$. Over many layers these quotients cancel but for the "
        "first and last width. The activation is another matter: forward it counts with "
        "$E[\\varphi^2]$, backward with $E[\\varphi'^2]$. For ReLU these are equal; for "
        "others they are not, and that does not cancel, layer after layer."
    ),
    formula=(
        r"\chi = \frac{n_\mathrm{out}}{n_\mathrm{in}} \cdot "
        r"\frac{E[\varphi'(z)^2]}{E[\varphi(z)^2]}"
    ),
    instead=(
        "It is so for ReLU, leaky ReLU and linear layers, where widths only shift the gradient "
        "from layer to layer without an end in sight: a narrow layer has a larger one than its "
        "wide neighbour. Under other activations one scale cannot keep both: at its gain tanh's "
        "gradient grows by about 1.18 a layer, and sigmoid's keeps 0.15."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"narrow": 256, "wide": 256}, "without the change of widths the zigzag is gone."),
    flip={"activation": "sigmoid"},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, "
            "section 2.2, after eq. 14"
        ),
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 8 to 12"
        ),
        (
            "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, Deep information propagation, 2017, "
            "arXiv:1611.01232, eq. 12"
        ),
    ),
)
