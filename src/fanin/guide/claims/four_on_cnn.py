"""The four techniques on a convolutional network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fanin.guide.checks import Check
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory.architectures import Convolutional
from fanin.guide.laboratory.race import fails, race, race_picture, slower
from fanin.picture import Picture


@dataclass(frozen=True, slots=True)
class Settings:
    """The four starts; channels of the first convolution; the level of the loss."""

    zero: str = "zeros"
    random: str = "normal:0.01"
    xavier: str = "xavier_normal"
    he: str = "he_normal"
    channels: int = 8
    level: float = 0.5


def measure(settings: Settings, effort: Effort) -> Numbers:
    return race(
        partial(Convolutional, settings.channels),
        {
            "zero": settings.zero,
            "random": settings.random,
            "Xavier": settings.xavier,
            "He": settings.he,
        },
        level=settings.level,
        seeds=effort.pick(6, 2),
        steps=effort.pick(150, 60),
        rates=effort.pick((0.1, 0.3), (0.3,)),
    )


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        fails(numbers, "zero"),
        slower(numbers, "random", "Xavier"),
        slower(numbers, "Xavier", "He", scope=True),
    )


def draw(numbers: Numbers) -> Picture:
    return race_picture(numbers, "a convolutional network")


CLAIM = Claim(
    name="four_on_cnn",
    part="applying",
    title="The four on a convolutional network",
    statement=(
        "A convolutional network with ReLU keeps the order: zero fails, small random weights are "
        "slow, Xavier is better and He is best, with fan_in counted over the receptive field."
    ),
    experiment=(
        "Four convolutions, from 1 to {channels} and twice as many channels, and a linear head "
        "learn digits by SGD from {zero}, {random}, {xavier} and {he}, each at its best learning "
        "rate, on the same seeds. How many steps to a training loss of {level}?"
    ),
    why=(
        "One output of a convolution is a sum over channels times the field, so that is its "
        "fan_in, and all that holds of linear layers holds of it. At the border padding leaves a "
        "part of the sum out, which makes the signal a little smaller than the formula says."
    ),
    formula=r"n_\mathrm{in} = c_\mathrm{in}\,k^2, \quad \sigma^2 = \frac{2}{n_\mathrm{in}}",
    instead=(
        "Zero fails and small weights are slow in a convolutional network as in any other. Between "
        "Xavier and He the difference grows with depth and with channels that widen, since Xavier "
        "counts fan_out, too; in a few layers at their own learning rates it may be too small to "
        "be told from the noise of the seeds."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"random": "normal:0.1"}, "a guess that happens to fit these fans: fan_in is 9 to 144."
    ),
    flip={"random": "he_normal", "he": "normal:0.01"},
    sources=(
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section 2.2",
    ),
)
