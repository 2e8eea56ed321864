"""Do weights that are too large make training unstable?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import fanin
from fanin.ensembles import Comparison, Run
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines
from fanin.guide.laboratory.runs import best_runs, runs_at
from fanin.picture import Picture

_RATES = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
# A minibatch's loss never is three times that of the first one unless training threw it there.
_JUMP = 3.0
# Of the runs at the rate that suits the good start; and by what factor rates have to be lower.
_MOST, _LOWER = 0.5, 10.0
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """The large start and the good one, for each of two activations; layers and units."""

    large: str = "normal:0.5"
    good: str = "he_normal"
    large_tanh: str = "normal:0.5"
    good_tanh: str = "xavier_normal"
    depth: int = 5
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    numbers: Numbers = {"rates": list(_RATES), "names": {}, "rate": {}, "unstable": {}}
    for activation, large, good in (
        ("relu", settings.large, settings.good),
        ("tanh", settings.large_tanh, settings.good_tanh),
    ):
        done = fanin.compare(
            "mlp", list(dict.fromkeys((large, good))), seeds=effort.pick(6, 3),
            steps=effort.pick(200, 30), learning_rates=_RATES, activation=activation,
            depth=settings.depth, width=settings.width, batch_size=32, progress=False,
        )  # fmt: skip
        rate = best_runs(done, good)[0].learning_rate
        numbers["rate"][activation] = rate
        numbers["names"][activation] = {"large": large, "good": good}
        numbers["unstable"][activation] = {
            which: [[int(_jumps(done, run)) for run in runs_at(done, name, one)] for one in _RATES]
            for which, name in (("large", large), ("good", good))
        }
        if activation == "relu":
            numbers["curves"] = {
                f"{name}, rate {one:g}": _beginning(done, runs_at(done, name, one))
                for name, one in ((large, rate), (large, 0.0001), (good, rate))
            }
    return numbers


def _beginning(done: Comparison, runs: list[Run]) -> list[float]:
    """The first losses, step by step, for a run that diverges does so at once."""
    rows = done.curves.loss[[done.runs.index(run) for run in runs], :_SHOWN]
    return [float(loss) for loss in np.median(np.nan_to_num(rows, nan=np.inf), axis=0)]


def _jumps(done: Comparison, run: Run) -> bool:
    """Whether a run diverged, or its loss rose to a multiple of what it began with."""
    losses = done.curves.loss[done.runs.index(run)].astype(np.float64)
    return run.diverged or bool(np.nanmax(losses) > _JUMP * losses[0])


def judge(numbers: Numbers) -> tuple[Check, ...]:
    rate, names = numbers["rate"]["relu"], numbers["names"]["relu"]
    at_rate = numbers["unstable"]["relu"]["large"][numbers["rates"].index(rate)]
    return (
        above(f"share of runs of {names['large']} that jump at {names['good']}'s best rate",
              [float(one) for one in at_rate], _MOST),
        above("stable rate of the good start over that of the large, relu",
              _times_lower(numbers, "relu"), _LOWER, decades=True),
        above("the same for tanh", _times_lower(numbers, "tanh"), _LOWER, decades=True,
              scope=True),
    )  # fmt: skip


def _times_lower(numbers: Numbers, activation: str) -> list[float]:
    """The largest stable rate of the good start over that of the large one, seed by seed."""
    large, good = (
        _largest_stable(numbers["rates"], numbers["unstable"][activation][which])
        for which in ("large", "good")
    )
    # Where no rate is stable, the largest stable one is below the smallest that was tried.
    return [
        one / (other or numbers["rates"][0] / 10) for one, other in zip(good, large, strict=True)
    ]


def _largest_stable(rates: list[float], unstable: list[list[int]]) -> list[float]:
    """One value a seed; 0 where none is stable."""
    return [
        max((rate for rate, jumps in zip(rates, seeds, strict=True) if not jumps), default=0.0)
        for seeds in zip(*unstable, strict=True)
    ]


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["curves"],
        "Loss in the first steps from large weights at two learning rates, and from a good start",
        x="step",
        y="training loss",
        log=True,
    )


CLAIM = Claim(
    name="unstable",
    part="understanding",
    title="Large weights make training unstable",
    statement=(
        "If the weights start too large, training is unstable: the loss jumps up or diverges."
    ),
    experiment=(
        "{depth} layers of {width} ReLU units learn digits from {large} and from {good} at six "
        "learning rates, a decade apart. A run is unstable where its loss rises to three times its "
        "first value, or is not finite. How often is it at the rate that suits the good start, and "
        "how much lower must the rate be? The same for tanh, {large_tanh} against {good_tanh}."
    ),
    why=(
        "A step of gradient descent lowers the loss only while the learning rate is below 2 over "
        "the curvature. In a network of $L$ layers the curvature grows with the scale of the "
        "weights to a power of about $2(L - 1)$. Weights that are $k$ times too large therefore "
        "need a rate that is lower by a high power of $k$. A function that saturates puts a bound "
        "on the outputs, so the loss has nowhere to go, whatever the weights do."
    ),
    formula=r"\eta < \frac{2}{\lambda_{\max}}",
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 1}, "one hidden layer: a high power of k becomes a low one."),
    flip={"large": "he_normal", "good": "normal:0.5"},
    sources=(
        "LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 5",
        (
            "Cohen, Kaur, Li, Kolter, Talwalkar, Gradient descent on neural networks typically "
            "occurs at the edge of stability, 2021, arXiv:2103.00065"
        ),
    ),
    instead=(
        "It is the learning rate and the weights together that are unstable. From large weights "
        "the loss of a ReLU network falls without jumps at a rate that is low enough. With an "
        "activation that is bounded it bears the same rates as from a good start; large weights "
        "harm there in other ways."
    ),
)
