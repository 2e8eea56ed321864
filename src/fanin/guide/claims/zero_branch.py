"""Residual branches that start at zero, in networks without norms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import fanin
from fanin import schemes
from fanin.guide.checks import Check, above, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies_of, bars
from fanin.guide.laboratory.residual import residual
from fanin.picture import Picture
from fanin.recipes import RecipeLike

# Chance is 0.1; a network that learns anything in this many steps is far above one half.
_TRAINS = 0.5
# By how much random branches at He's scale must fall behind.
_BEHIND = 0.1
# What 1 / sqrt(depth) on the branches must lose to zero for zero to be needed.
_NEEDED = 0.02
_RATES = (0.001, 0.01, 0.03, 0.1)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the last weight of a branch starts, how all others do; blocks, few and many; units."""

    last: str = "zeros"
    others: str = "he_normal"
    few: int = 4
    many: int = 20
    width: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    accuracy: dict[str, dict[str, list[float]]] = {}
    for blocks in effort.pick((settings.few, settings.many), (settings.many,)):
        recipes: dict[str, RecipeLike] = {
            "tried": {"*.second.weight": settings.last, "*": settings.others},
            "Fixup": "fixup",
            # Gain 1 wherever a weight reads the stream, which is no activation.
            "1/sqrt(depth)": {
                "*.second.weight": schemes.variance_scaling(2 / blocks, distribution="normal"),
                "*": "lecun_normal",
            },
            "He": "he_normal",
        }
        comparison = fanin.compare(
            partial(residual, blocks, settings.width),
            list(recipes.values()),
            seeds=effort.pick(6, 3),
            steps=effort.pick(80, 40),
            learning_rates=effort.pick(_RATES, _RATES[1:2]),
            batch_size=32,
            progress=False,
        )
        accuracy[f"{blocks} blocks"] = accuracies_of(comparison, recipes)
    return {"last": settings.last, "accuracy": accuracy}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    deep, many = list(numbers["accuracy"].items())[-1]
    last = numbers["last"]
    return (
        above(f"held-out accuracy, last weights {last}, {deep}", many["tried"], _TRAINS),
        better(f"the same minus He everywhere, {deep}", many["tried"], many["He"], by=_BEHIND),
        above(f"held-out accuracy, Fixup, {deep}", many["Fixup"], _TRAINS),
        better(f"last weights {last} minus 1/sqrt(depth), {deep}",
               many["tried"], many["1/sqrt(depth)"], by=_NEEDED, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            blocks: {f"last {numbers['last']}" if name == "tried" else name: values
                     for name, values in group.items()}
            for blocks, group in numbers["accuracy"].items()
        },
        "Held-out accuracy of residual networks without norms, by what their branches start from",
        y="held-out accuracy",
    )  # fmt: skip


CLAIM = Claim(
    name="zero_branch",
    part="applying",
    title="Branches that start at zero",
    statement=(
        "A residual network without normalization trains at great depth if, and only if, each of "
        "its branches starts at zero (Fixup, SkipInit, ReZero, zero gamma)."
    ),
    experiment=(
        "Residual networks of {few} and of {many} blocks of {width} units, without norms, learn "
        "digits. The last weight of each branch starts from {last}, all others from {others}; "
        "beside it Fixup, branches scaled by 1/sqrt(depth), and He everywhere, each at its best "
        "learning rate."
    ),
    why=(
        "A block adds to its stream what its branch puts out. At He's scale that is at least as "
        "much mean square as came in, so the stream doubles at every block, and the gradient with "
        "it. At zero a block is the identity, and so the whole network starts as two linear "
        "layers, whatever its depth. The branch still learns: what its last weight reads is not "
        "zero."
    ),
    formula=(
        r"x_{l+1} = x_l + a f(x_l): \quad E[x_L^2] = (1 + a^2)^L\, E[x_0^2], \quad "
        r"a = 1: 2^L, \quad a = \frac{1}{\sqrt{L}}: \ < e, \quad a = 0: 1"
    ),
    instead=(
        "Zero is sufficient. It is not the only way: branches at $1/\\sqrt{L}$ of their scale keep "
        "the stream within a factor $e$. What must not be is branches as large "
        "as the stream. Zero has the advantage that one need not know the depth, and the drawback "
        "that the other weights of a branch get no gradient at the first step."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"last": "xavier_normal"}, "half of He's mean square: 1.5 a block in place of 2. Enough?"
    ),
    flip={"last": "he_normal"},
    sources=(
        "Zhang, Dauphin, Ma, Fixup initialization, 2019, arXiv:1901.09321, section 3",
        (
            "De, Smith, Batch normalization biases residual blocks towards the identity function "
            "in deep networks, 2020, arXiv:2002.10444, section 4"
        ),
        "Bachlechner et al., ReZero is all you need, 2020, arXiv:2003.04887",
    ),
)
