"""A better start matters less the longer one trains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

import fanin
from fanin.ensembles import Comparison
from fanin.guide.checks import Check, alike, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp
from fanin.guide.laboratory.runs import runs_at
from fanin.picture import Picture

# Of accuracy: two points are what one knows of a network that was tested on 450 images.
_MARGIN = 0.02
# Steps over which the loss is averaged when a rate is chosen for a budget.
_SMOOTHED = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """A good start, a fair and a slow one; steps of the two budgets; the network."""

    good: str = "he_normal"
    fair: str = "xavier_normal"
    slow: str = "default"
    short: int = 60
    long: int = 600
    depth: int = 5
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    steps = effort.pick(settings.long, min(settings.long, 3 * settings.short))
    starts = list(dict.fromkeys((settings.good, settings.fair, settings.slow)))
    done = fanin.compare(
        partial(mlp, settings.depth, settings.width, settings.activation), starts,
        seeds=effort.pick(8, 3), steps=steps, learning_rates=(0.1, 0.3),
        batch_size=64, progress=False,
    )  # fmt: skip
    budgets = [int(at) for at in done.curves.measured_at if at >= settings.short]
    return {
        "good": settings.good,
        "fair": settings.fair,
        "slow": settings.slow,
        "budgets": budgets,
        "accuracy": {
            name: np.transpose([_reached(done, name, at) for at in budgets]) for name in starts
        },
    }


def _reached(done: Comparison, recipe: str, budget: int) -> list[float]:
    """Held-out accuracy after so many steps, one a seed, at the rate best for that budget."""
    place = int(np.flatnonzero(done.curves.measured_at == budget)[0])
    last = slice(max(0, budget - _SMOOTHED), budget)
    found: list[tuple[float, list[float]]] = []
    for rate in done.learning_rates:
        rows = [done.runs.index(run) for run in runs_at(done, recipe, rate)]
        losses = np.nan_to_num(done.curves.loss[rows, last], nan=np.inf)
        found.append((float(losses.mean()), done.curves.metric[rows, place].tolist()))
    return min(found)[1]


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        _shrinks(numbers, "fair"),
        _shrinks(numbers, "slow"),
        _gone(numbers, "fair"),
        _gone(numbers, "slow"),
    )


def _shrinks(numbers: Numbers, which: str) -> Check:
    """The gap in accuracy to the good start is smaller after all steps than after few."""
    gaps = [
        [a - b for a, b in zip(ours, theirs, strict=True)]
        for ours, theirs in zip(_at_ends(numbers, "good"), _at_ends(numbers, which), strict=True)
    ]
    first, last = numbers["budgets"][0], numbers["budgets"][-1]
    return better(
        f"gap to {numbers[which]} after {first} steps, minus that after {last}",
        gaps[0], gaps[1], by=_MARGIN,
    )  # fmt: skip


def _gone(numbers: Numbers, which: str) -> Check:
    return alike(
        f"accuracy after {numbers['budgets'][-1]} steps, {numbers['good']} minus {numbers[which]}",
        _at_ends(numbers, "good")[1], _at_ends(numbers, which)[1], _MARGIN, scope=True,
    )  # fmt: skip


def _at_ends(numbers: Numbers, which: str) -> tuple[list[float], list[float]]:
    """Accuracies of a start after the shortest and after the longest budget."""
    rows = numbers["accuracy"][numbers[which]]
    return [row[0] for row in rows], [row[-1] for row in rows]


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["accuracy"],
        "Held-out accuracy over the number of steps, each start at the learning rate that is best "
        "for that many, with the range over seeds",
        x="steps of training",
        y="held-out accuracy",
        at=numbers["budgets"],
    )


CLAIM = Claim(
    name="by_budget",
    part="applying",
    title="The longer the training, the less it matters",
    statement="A better initialization matters less, the longer one trains.",
    experiment=(
        "{depth} layers of {width} {activation} units learn digits by SGD from {good}, {fair} and "
        "{slow}, for {short} to {long} steps, each at the learning rate best for that many. Does "
        "the gap in held-out accuracy close?"
    ),
    why=(
        "A start that keeps signals saves the steps that another spends on a plateau. Once the "
        "other has left it, both learn at the same pace, and near the best that the data allow the "
        "curves meet. Whether a start leaves its plateau within the budget is the question, and "
        "the time that this takes grows exponentially with depth."
    ),
    instead=(
        "The gap closes for starts that train at all: what a good one gives is time. A start whose "
        "plateau is longer than the budget never catches up."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"depth": 10}, "twice as deep, the slow start's plateau may outlast the whole budget."
    ),
    flip={"fair": "normal:0.01", "slow": "zeros"},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, figures 2 "
            "and 3"
        ),
        "Mishkin, Matas, All you need is a good init, ICLR 2016, arXiv:1511.06422",
    ),
)
