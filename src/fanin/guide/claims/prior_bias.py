"""Should the output bias start at the frequencies of the classes?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

import fanin
from fanin import recipes
from fanin.ensembles import Dataset, load
from fanin.errors import InputError
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp, train
from fanin.picture import Picture
from fanin.recipes import Recipe

# Of losses, zero bias over prior bias: a tenth is the least that is worth a line of code.
_RATIO = 1.1
# Steps that count as the beginning.
_BEGINNING = 20
# Every how many steps a picture has a point.
_EVERY = 10
_RATES = (0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class _Run:
    before: float
    losses: tuple[float, ...]
    end: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Share of the rare class; recipe of the weights; hidden layers and units."""

    share: float = 0.01
    weights: str = "he_normal"
    depth: int = 2
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = _with_a_rare_class(settings.share)
    starts = {
        "zero": recipes.as_recipe(settings.weights),
        "prior": recipes.prior_bias(base=settings.weights),
    }
    rates = effort.pick(_RATES, _RATES[1:3])
    runs = {
        name: [
            [_run(settings, recipe, data, rate, seed, effort.pick(300, 100)) for rate in rates]
            for seed in effort.seeds(8, 4)
        ]
        for name, recipe in starts.items()
    }
    return {
        "share": float(data.y_train.float().mean()),
        "every": _EVERY,
        **{name: _at_the_best_rate(rows) for name, rows in runs.items()},
    }


def _run(
    settings: Settings, recipe: Recipe, data: Dataset, rate: float, seed: int, steps: int
) -> _Run:
    model = mlp(settings.depth, settings.width, outputs=2)
    fanin.init_(
        model, recipe, inputs=data.x_train, targets=data.y_train,
        loss=functional.cross_entropy, seed=seed,
    )  # fmt: skip
    with torch.no_grad():
        before = float(functional.cross_entropy(model(data.x_train), data.y_train))
    trained = train(model, data, steps=steps, learning_rate=rate, seed=seed)
    return _Run(before, trained.losses, trained.train_loss)


def _at_the_best_rate(runs: list[list[_Run]]) -> Numbers:
    """What the rate of least training loss gave, one a seed."""
    ends = [[run.end for run in seed] for seed in runs]
    means = [sum(column) for column in zip(*ends, strict=True)]
    best = [seed[means.index(min(means))] for seed in runs]
    return {
        "first": [run.before for run in best],
        "beginning": [sum(run.losses[:_BEGINNING]) / _BEGINNING for run in best],
        "end": [run.end for run in best],
        "curve": torch.tensor([_thinned(run.losses) for run in best]).median(0).values.tolist(),
    }


def _with_a_rare_class(share: float) -> Dataset:
    """Even digits, and as many odd ones as make up the share."""
    if not 0 < share <= 0.5:
        raise InputError(f"share must lie above 0 and up to 0.5, got {share:g}")
    data = load("digits")
    (x_train, y_train), (x_test, y_test) = (
        _rare(data.x_train, data.y_train % 2, share), _rare(data.x_test, data.y_test % 2, share)
    )  # fmt: skip
    return replace(data, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, classes=2)


def _rare(x: Tensor, odd: Tensor, share: float) -> tuple[Tensor, Tensor]:
    common, rare = (odd == 0).nonzero().flatten(), (odd == 1).nonzero().flatten()
    count = min(len(rare), max(1, round(len(common) * share / (1 - share))))
    chosen = torch.cat([common, rare[:count]])
    return x[chosen], odd[chosen]


def _thinned(losses: tuple[float, ...]) -> list[float]:
    return [sum(losses[i : i + _EVERY]) / _EVERY for i in range(0, len(losses), _EVERY)]


def judge(numbers: Numbers) -> tuple[Check, ...]:
    def ratio(key: str) -> list[float]:
        pair = zip(numbers["zero"][key], numbers["prior"][key], strict=True)
        return [zero / prior for zero, prior in pair]

    return (
        above("loss before training, zero bias over prior", ratio("first"), _RATIO, decades=True),
        above(f"mean loss of the first {_BEGINNING} steps, zero over prior",
              ratio("beginning"), _RATIO, decades=True),
        above("training loss at the end, zero over prior", ratio("end"), _RATIO, decades=True,
              scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    share = numbers["share"]
    points = len(numbers["zero"]["curve"])
    return lines(
        {f"{name} bias": numbers[name]["curve"] for name in ("zero", "prior")},
        "Training loss by what the output bias starts from; dotted, a guess from frequencies alone",
        x="step",
        y="training loss",
        at=[numbers["every"] * (place + 0.5) for place in range(points)],
        log=True,
        limit=-share * math.log(share) - (1 - share) * math.log(1 - share),
    )


CLAIM = Claim(
    name="prior_bias",
    part="techniques",
    title="Rare classes: start the bias at the prior",
    statement=(
        "Where a class is rare, the output bias should start at the log of the frequencies and "
        "not at zero: the loss then starts lower, and training is not spent on learning how "
        "frequent the classes are."
    ),
    experiment=(
        "Even digits, and so few odd ones that they make up {share} of all. Networks of {depth} "
        "layers of {width} units, weights from {weights}, learn to tell them apart by SGD with the "
        "output bias at zero or at the prior, each at its best learning rate. By what factor is "
        "the loss of zero bias higher: before training, in the first steps, at the end?"
    ),
    why=(
        "A network that starts at equal scores says 1/2 where 1 in 100 is right. The quickest way "
        "down is the output bias, and the first part of every training is spent on it: the loss "
        "curve has the shape of a hockey stick. The answer is known before training. As a logit "
        "it is $\\ln(\\pi / (1 - \\pi))$."
    ),
    formula=(
        r"b_c = \ln \pi_c \;\Rightarrow\; p_c = \pi_c, \quad "
        r"L = -\sum_c \pi_c \ln \pi_c \quad	ext{in place of}\quad \ln C"
    ),
    instead=(
        "The first steps are saved, by a line of code that costs nothing. How much is left of it "
        "at the end depends on how long one trains: the bias is one of the "
        "first things that a network learns. With a loss or a rate that cannot take the large "
        "first gradients, as in detectors with a background class, it decides whether training "
        "starts at all."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"share": 0.1}, "one in ten: a guess of 1/2 is less wrong, and less is saved."),
    flip={"share": 0.5},
    sources=(
        (
            "Lin, Goyal, Girshick, He, Dollar, Focal loss for dense object detection, 2017, "
            "arXiv:1708.02002, section 3.3"
        ),
        "Karpathy, A recipe for training neural networks, 2019, section 2",
    ),
)
