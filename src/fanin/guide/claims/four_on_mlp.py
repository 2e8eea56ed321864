"""Zero fails, random is slow, Xavier is better, He is best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fanin.guide.checks import Check, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import mlp
from fanin.guide.laboratory.race import fails, race, race_picture, slower
from fanin.picture import Picture

# Of accuracy: one point is the least worth a change of code.
_POINT = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """The four starts; hidden layers, units, activation; the level of the loss."""

    zero: str = "zeros"
    random: str = "normal:0.01"
    xavier: str = "xavier_normal"
    he: str = "he_normal"
    depth: int = 5
    width: int = 64
    activation: str = "relu"
    level: float = 0.5


def measure(settings: Settings, effort: Effort) -> Numbers:
    return race(
        partial(mlp, settings.depth, settings.width, settings.activation),
        {
            "zero": settings.zero,
            "random": settings.random,
            "Xavier": settings.xavier,
            "He": settings.he,
        },
        level=settings.level,
        seeds=effort.pick(8, 3),
        steps=effort.pick(300, 80),
        rates=effort.pick((0.03, 0.1, 0.3), (0.1, 0.3)),
    )


def judge(numbers: Numbers) -> tuple[Check, ...]:
    accuracy = numbers["accuracy"]
    return (
        fails(numbers, "zero"),
        slower(numbers, "random", "Xavier"),
        slower(numbers, "Xavier", "He", scope=True),
        better(
            "held-out accuracy at the end, He minus Xavier",
            accuracy["He"], accuracy["Xavier"], by=_POINT, scope=True,
        ),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return race_picture(numbers, "a multilayer perceptron")


CLAIM = Claim(
    name="four_on_mlp",
    part="applying",
    title="The four on a multilayer perceptron",
    statement=(
        "On a ReLU network zero initialization fails, small random weights are slow, Xavier is "
        "better, and He is best."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units learn digits by SGD from {zero}, {random}, "
        "{xavier} and {he}, each at its best learning rate, on the same seeds. How many steps to a "
        "training loss of {level}, and what accuracy at the end?"
    ),
    why=(
        "From zeros every gradient but that of the last bias is zero. Small weights make a signal "
        "smaller at each layer, and its gradient as well, so that SGD sits on a plateau. Xavier "
        "loses half of the second moment at each ReLU, He nothing: in a network of few layers the "
        "loss is small, and a larger learning rate makes up for a part of it."
    ),
    formula=r"E[z_L^2] \approx \left(\frac{n\,\sigma^2}{2}\right)^{L-1} E[z_1^2]",
    instead=(
        "The order is right in how soon a network learns, and the deeper it is the more so. It is "
        "not an order of what is reached: once two starts train at all, and each has its own "
        "learning rate, their held-out accuracy at the end is much the same."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 20}, "Xavier's loss of a half a layer adds up: it falls far behind."),
    flip={"random": "he_normal", "he": "normal:0.01"},
    sources=(
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section 2.2",
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 4.2"
        ),
    ),
)
