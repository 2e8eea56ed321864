"""The four techniques on a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fanin.guide.checks import Check
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory.architectures import Transformer
from fanin.guide.laboratory.race import fails, race, race_picture, slower
from fanin.picture import Picture


@dataclass(frozen=True, slots=True)
class Settings:
    """The four starts; blocks, width, whether there are layer norms; the level of the loss."""

    zero: str = "zeros"
    random: str = "normal:0.01"
    xavier: str = "xavier_normal"
    he: str = "he_normal"
    depth: int = 2
    width: int = 24
    norm: bool = True
    level: float = 0.5


def measure(settings: Settings, effort: Effort) -> Numbers:
    return race(
        partial(Transformer, settings.depth, settings.width, norm=settings.norm),
        {
            "zero": settings.zero,
            "random": settings.random,
            "Xavier": settings.xavier,
            "He": settings.he,
        },
        level=settings.level,
        seeds=effort.pick(6, 2),
        steps=effort.pick(110, 50),
        rates=effort.pick((0.003, 0.01), (0.01,)),
        optimizer="adam",
    )


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        fails(numbers, "zero"),
        slower(numbers, "random", "Xavier"),
        slower(numbers, "Xavier", "He", scope=True),
    )


def draw(numbers: Numbers) -> Picture:
    return race_picture(numbers, "a transformer")


CLAIM = Claim(
    name="four_on_transformer",
    part="applying",
    title="The four on a transformer",
    statement=(
        "On a transformer the order is the same: zero fails, small random weights are slow, Xavier "
        "is better, and He, for its ReLU, is best."
    ),
    experiment=(
        "A pre-norm encoder of {depth} blocks, {width} wide, takes the rows of digits as tokens "
        "and learns by Adam from {zero}, {random}, {xavier} and {he}, each at its best learning "
        "rate, on the same seeds. How many steps to a training loss of {level}?"
    ),
    why=(
        "A layer norm before each branch brings whatever comes to one scale, so small weights in "
        "the layers below do not make the next signal small. The stream passes by each branch, so "
        "gradients reach the first layer whatever the branches do. And Adam's steps do not depend "
        "on the scale of gradients. Each of the three takes away a reason for a scale rule."
    ),
    formula=r"x_{l+1} = x_l + f_l(\mathrm{LN}(x_l)), \quad \mathrm{LN}(a x) = \mathrm{LN}(x)",
    instead=(
        "Zero fails here as everywhere, and a small random start is the slower one. But it is no "
        "wall as in a plain network: norms and skips keep signals and gradients, and Adam takes "
        "the scale of gradients out, so what a small start costs is the steps in which its weights "
        "grow. How far He is ahead of Xavier takes many seeds to tell."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"norm": False}, "without layer norms the small start has to grow first."),
    flip={"zero": "he_normal", "he": "zeros", "random": "zeros"},
    sources=(
        "Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762",
        (
            "Xiong et al., On layer normalization in the transformer architecture, ICML 2020, "
            "arXiv:2002.04745, section 3"
        ),
    ),
)
