"""He's rule with fan_in and with fan_out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

import fanin
from fanin import schemes
from fanin.ensembles import load
from fanin.guide.checks import Check, alike, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, signals, stack, train_at_best_rate
from fanin.picture import Picture
from fanin.schemes import Scheme
from fanin.schemes.variance import Mode

# One point in a hundred is what 450 held-out digits can show.
_MARGIN = 0.01
# Of the factor between the two modes in the second moment that reaches the output layer.
_LOW, _HIGH = 0.5, 2.0
_MODES: tuple[Mode, ...] = ("fan_in", "fan_out")


_Trial = tuple[Callable[[], nn.Module], list[float], int]


@dataclass(frozen=True, slots=True)
class Settings:
    """Units of the wide and of the narrow layers; channels likewise."""

    wide: int = 128
    narrow: int = 16


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    accuracy: dict[str, dict[str, list[float]]] = {}
    ratio: dict[str, list[float]] = {}
    for name, (build, rates, steps) in _networks(settings.wide, settings.narrow).items():
        recipes = {mode: _recipe(build(), mode) for mode in _MODES}
        accuracy[name] = {}
        for mode, recipe in recipes.items():
            trained = train_at_best_rate(
                build, recipe, data, rates=effort.pick(rates, rates[:1]),
                seeds=effort.seeds(8, 3), steps=effort.pick(steps, 50),
            )  # fmt: skip
            accuracy[name][mode] = [one.accuracy for one in trained]
        ratio[name] = []
        for seed in effort.seeds(10, 3):
            last = [
                signals(fanin.init_(build(), recipe, seed=seed)).forward[-1]
                for recipe in recipes.values()
            ]
            ratio[name].append((last[1] / last[0]) ** 2)
    return {"accuracy": accuracy, "ratio": ratio}


def _networks(wide: int, narrow: int) -> dict[str, _Trial]:
    """Networks, each with learning rates around the best of both modes, and steps.

    They are enough for both modes to come close to their end: before it, the scatter of the last
    steps is larger than the margin.
    """
    middle = round((wide * narrow) ** 0.5)
    return {
        "widths in turn": (lambda: stack([wide, narrow, wide, narrow, wide]), [0.1, 0.05], 300),
        "narrowing": (lambda: stack([wide, wide, middle, middle, narrow]), [0.1, 0.05], 300),
        # Half as many channels as units: convolutions cost more.
        "convolutions that widen": (
            lambda: _convolutions(narrow // 2, middle // 2, wide // 2), [0.3, 1.0], 150,
        ),
    }  # fmt: skip


def _convolutions(*channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Unflatten(1, (1, 8, 8))]
    before = 1
    for place, count in enumerate(channels):
        layers += [nn.Conv2d(before, count, 3, padding=1, stride=2 if place else 1), nn.ReLU()]
        before = count
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(before, 10))


def _recipe(model: nn.Module, mode: Mode) -> dict[str, Scheme]:
    """He on all weights but the first and the last, which have no ReLU before them or after."""
    weights = [name for name, _ in model.named_parameters() if name.endswith("weight")]
    ends = dict.fromkeys((weights[0], weights[-1]), schemes.lecun_normal())
    return {**ends, "*": schemes.he_normal(mode=mode)}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        *(
            alike(f"held-out accuracy, fan_in minus fan_out: {name}",
                  pair["fan_in"], pair["fan_out"], _MARGIN)
            for name, pair in numbers["accuracy"].items()
        ),
        *(
            within(f"second moment of the outputs before training, fan_out over fan_in: {name}",
                   values, _LOW, _HIGH, decades=True, scope=True)
            for name, values in numbers["ratio"].items()
        ),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["accuracy"],
        "Held-out accuracy of three networks, each mode at its best learning rate",
        y="held-out accuracy",
    )


CLAIM = Claim(
    name="he_fan_mode",
    part="techniques",
    title="fan_in or fan_out makes no difference",
    statement=(
        "For He initialization it makes no difference whether fan_in or fan_out is taken: either "
        "keeps signals and gradients from vanishing and exploding."
    ),
    experiment=(
        "Three ReLU networks with both modes: five layers of {wide} and {narrow} units in turn, "
        "five that narrow from {wide} to {narrow}, and three convolutions that widen by the same "
        "factor. Are they equally good after training on digits, each mode at the best "
        "of its learning rates? And does the same reach the outputs before training?"
    ),
    why=(
        "With fan_in the signal is kept, and the gradient is multiplied by $n_{l+1}/n_l$ at each "
        "layer. In a product over layers all widths between cancel: what remains is the last width "
        "over the first. The other mode keeps the gradient and leaves that factor to the signal. "
        "So neither grows with depth, and with equal widths the two are the same rule."
    ),
    formula=(r"\prod_{l=1}^{L-1} \frac{n_{l+1}}{n_l} = \frac{n_L}{n_1}"),
    instead=(
        "The choice is one constant factor, the ratio of the first to the last width, however deep "
        "the network is. Training hardly feels it as long as widths differ by less than about ten "
        "times and each mode has its own learning rate. It is felt in the scale of the outputs, "
        "and so in the first loss, and with very narrow layers in training, too, in favour of "
        "either. Take one mode for the whole network."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"narrow": 4}, "a factor of 32 between the widths: is the choice still of no consequence?"
    ),
    flip={"wide": 32, "narrow": 32},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section "
            "2.2, after eq. 14"
        ),
    ),
)
