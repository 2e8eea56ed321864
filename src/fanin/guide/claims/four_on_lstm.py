"""The four techniques on an LSTM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fanin.guide.checks import Check
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory.architectures import Recurrent
from fanin.guide.laboratory.race import fails, race, race_picture, slower
from fanin.picture import Picture


@dataclass(frozen=True, slots=True)
class Settings:
    """The four starts; units; the level of the loss."""

    zero: str = "zeros"
    random: str = "normal:0.01"
    xavier: str = "xavier_normal"
    he: str = "he_normal"
    width: int = 32
    level: float = 0.5


def measure(settings: Settings, effort: Effort) -> Numbers:
    return race(
        partial(Recurrent, settings.width),
        {
            "zero": settings.zero,
            "random": settings.random,
            "Xavier": settings.xavier,
            "He": settings.he,
        },
        level=settings.level,
        seeds=effort.pick(8, 3),
        steps=effort.pick(120, 60),
        rates=effort.pick((0.01, 0.03), (0.03,)),
        optimizer="adam",
    )


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        fails(numbers, "zero"),
        slower(numbers, "random", "Xavier"),
        slower(numbers, "He", "Xavier", by=1.0, scope=True),
    )


def draw(numbers: Numbers) -> Picture:
    return race_picture(numbers, "an LSTM")


CLAIM = Claim(
    name="four_on_lstm",
    part="applying",
    title="The four on an LSTM",
    statement=(
        "On an LSTM zero fails, small random weights are slow, and Xavier is the one to take: He's "
        "factor is made for ReLU, and an LSTM has sigmoid and tanh."
    ),
    experiment=(
        "An LSTM of {width} units reads digits row by row and learns by Adam from {zero}, "
        "{random}, {xavier} and {he}, each at its best learning rate, on the same seeds. How many "
        "steps to a training loss of {level}?"
    ),
    why=(
        "With all weights zero the state is zero and the head's gradient is, too. Small weights "
        "leave all gates half open and the state near zero, whatever the row, until the weights "
        "have grown. The cell itself carries signals along time by adding to it, through a gate "
        "that starts half open, and that depends on the scale of the weights only weakly."
    ),
    formula=r"c_t = \sigma(f_t)\,c_{t-1} + \sigma(i_t)\tanh(g_t)",
    instead=(
        "Zero fails and small weights are slow. Between Xavier and He an LSTM cares little: its "
        "memory goes through the gates, not through the scale of the weights. What counts for long "
        "sequences is the bias of the forget gate, which none of the four touches."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"xavier": "forget_bias"},
        "orthogonal states and an open forget gate, the start that is made for an LSTM.",
    ),
    flip={"random": "xavier_normal", "xavier": "normal:0.01"},
    sources=(
        "Hochreiter, Schmidhuber, Long short-term memory, Neural Computation 1997",
        (
            "Jozefowicz, Zaremba, Sutskever, An empirical exploration of recurrent network "
            "architectures, ICML 2015, section 4"
        ),
    ),
)
