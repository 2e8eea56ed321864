"""Does the best learning rate move with the width?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from fanin import recipes
from fanin.ensembles import load
from fanin.guide.checks import Check, below, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp
from fanin.guide.laboratory.rate_sweep import losses_by_rate
from fanin.picture import Picture

# A step of the grid of rates. Where the width grows sixteenfold, standard theory has the best
# rate of hidden layers under Adam move by four.
_OCTAVES = 1.0
# Loss of the wide network at the narrow one's best rate, over what it reaches at its own.
_NEARLY_BEST = 1.5
_STANDARD = "he_normal"


@dataclass(frozen=True, slots=True)
class Settings:
    """Recipe, ``mup`` or one by name; widths; hidden layers, base width of muP."""

    recipe: str = "mup"
    narrow: int = 16
    wide: int = 256
    depth: int = 2
    base: int = 16


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    rates = [2.0**-octave for octave in range(11, 1, -1)]
    middle = math.isqrt(settings.narrow * settings.wide)
    widths = sorted({settings.narrow, settings.wide, *effort.pick([middle], [])})
    loss: dict[str, dict[str, list[list[float]]]] = {}
    for role, name in (("tried", settings.recipe), ("standard", _STANDARD)):
        loss[role] = {}
        for width in widths:
            recipe = recipes.mup(base=settings.base) if name == "mup" else recipes.as_recipe(name)
            loss[role][str(width)] = losses_by_rate(
                partial(mlp, settings.depth, width), recipe, data, rates=rates,
                seeds=effort.seeds(6, 3), steps=effort.pick(60, 20),
            )  # fmt: skip
    return {"recipe": settings.recipe, "rates": rates, "loss": loss}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    rates, loss = numbers["rates"], numbers["loss"]
    tried, standard = list(loss["tried"].values()), list(loss["standard"].values())
    widths = list(loss["tried"])
    named = f"{numbers['recipe']}, width {widths[0]} to {widths[-1]}"
    return (
        within(f"octaves by which the best rate moves, {named}", _moved(tried, rates),
               -_OCTAVES, _OCTAVES),
        below(f"loss at the narrow network's rate over the least, {named}",
              _transferred(tried), _NEARLY_BEST, decades=True),
        below(f"octaves by which the best rate moves, {_STANDARD}, the same widths",
              _moved(standard, rates), -_OCTAVES, scope=True),
    )  # fmt: skip


def _moved(by_width: list[list[list[float]]], rates: Sequence[float]) -> list[float]:
    """From the narrowest to the widest network, one a seed."""
    narrow, wide = by_width[0], by_width[-1]
    return [
        math.log2(rates[_least(b)] / rates[_least(a)]) for a, b in zip(narrow, wide, strict=True)
    ]


def _transferred(by_width: list[list[list[float]]]) -> list[float]:
    narrow, wide = by_width[0], by_width[-1]
    return [b[_least(a)] / min(b) for a, b in zip(narrow, wide, strict=True)]


def _least(losses: Sequence[float]) -> int:
    return min(range(len(losses)), key=losses.__getitem__)


def draw(numbers: Numbers) -> Picture:
    titles = {"tried": numbers["recipe"], "standard": f"{_STANDARD}, one rate for all"}
    return lines(
        {
            titles[role]: {
                f"width {width}": torch.tensor(rows).median(0).values.tolist()
                for width, rows in by_width.items()
            }
            for role, by_width in numbers["loss"].items()
        },
        "Training loss over Adam's learning rate at three widths, under muP and without it",
        x="learning rate",
        y="training loss",
        at=numbers["rates"],
        log=True,
        log_x=True,
        size=(8.0, 3.6),
    )


CLAIM = Claim(
    name="mup_rate",
    part="applying",
    title="muP: one learning rate for all widths",
    statement=(
        "Under muP the best learning rate does not move with the width, so that it can be found "
        "on a small model and used on a large one."
    ),
    experiment=(
        "Networks of {depth} hidden ReLU layers, {narrow} to {wide} units wide, start from "
        "{recipe} (base {base}) and learn digits by Adam at ten rates a factor 2 apart, with the "
        "plan's factors for each parameter; and from He's weights with one rate for all. By how "
        "many octaves does the best rate move?"
    ),
    why=(
        "Adam moves each weight by about the rate, whatever its gradient is. The output of a unit "
        "then changes by the sum over its fan_in of steps that agree, so by rate times fan_in: in "
        "a wide layer the same rate is a larger step. muP divides the rates of hidden and output "
        "weights by how much wider the layer is, and starts the output smaller, so that the change "
        "of every layer in one step is the same at every width."
    ),
    formula=(
        r"\Delta h = \Delta W\, x \sim \eta\, n_\mathrm{in} \;\Rightarrow\; "
        r"\eta_\mathrm{hidden} = \eta\, \frac{n_\mathrm{base}}{n_\mathrm{in}}"
    ),
    instead=(
        "Without muP the best rate falls as the width grows. Under muP it does not fall: the "
        "curves of wide networks lie on one another, and a rate from a small network is near the "
        "best of a large one. To the octave it is not kept where the small network is very "
        "narrow or the training short: the valley gets wider, and its lowest point in it is noise. "
        "And muP saves the tuning, it does not replace it: a rate tuned at the full width, "
        "without muP, can do as well or better."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"narrow": 64}, "both networks wide: what is left of the shift under muP?"),
    flip={"recipe": "he_normal"},
    sources=(
        (
            "Yang et al., Tensor Programs V: tuning large neural networks via zero-shot "
            "hyperparameter transfer, 2022, arXiv:2203.03466, table 3 and section 5"
        ),
    ),
)
