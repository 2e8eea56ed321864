"""Does a better start generalise better?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import fanin
from fanin.ensembles import Run
from fanin.guide.checks import Check, below, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars
from fanin.guide.laboratory.runs import best_runs, runs_at
from fanin.picture import Picture

# All have learned their training data: only then it is held-out data that tells them apart.
_FITTED = 0.05
# Two of a hundred digits; and, among starts that all train, half of one.
_POINTS = 0.02
_HALF_A_POINT = 0.005
_RATES = (0.003, 0.01, 0.03)


@dataclass(frozen=True, slots=True)
class Settings:
    """The better start, the worse one, two that are usual; layers, units and activation."""

    better: str = "he_normal"
    worse: str = "normal:0.3"
    xavier: str = "xavier_normal"
    usual: str = "default"
    depth: int = 5
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    recipes = [settings.better, settings.worse, settings.xavier, settings.usual]
    done = fanin.compare(
        "mlp", list(dict.fromkeys(recipes)), seeds=effort.pick(6, 4), steps=effort.pick(800, 150),
        learning_rates=effort.pick(_RATES, _RATES[1:2]), optimizer="momentum", depth=settings.depth,
        width=settings.width, activation=settings.activation, batch_size=32, progress=False,
    )  # fmt: skip
    chosen = {name: best_runs(done, name) for name in recipes}
    return {
        "recipes": recipes,
        "rates": {name: runs[0].learning_rate for name, runs in chosen.items()},
        "train_loss": {name: [run.train_loss for run in runs] for name, runs in chosen.items()},
        "accuracy": {name: [run.metric for run in runs] for name, runs in chosen.items()},
        "worse_by_rate": {
            f"{settings.worse}, rate {rate:g}": [run.metric for run in runs]
            for rate in done.learning_rates
            if _fit(runs := runs_at(done, settings.worse, rate))
        },
    }


def _fit(runs: Sequence[Run]) -> bool:
    return all(run.train_loss < _FITTED for run in runs)


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours, worse, *usual = numbers["recipes"]
    accuracy, loss = numbers["accuracy"], numbers["train_loss"]
    return (
        below("largest mean training loss of a start", loss[_worst(loss)], _FITTED, scope=True),
        better(f"held-out accuracy, {ours} minus {worse}", accuracy[ours], accuracy[worse],
               by=_POINTS),
        *(
            better(f"held-out accuracy, {ours} minus {other}", accuracy[ours], accuracy[other],
                   by=_HALF_A_POINT, scope=True)
            for other in usual
        ),
    )  # fmt: skip


def _worst(loss: dict[str, list[float]]) -> str:
    return max(loss, key=lambda name: sum(loss[name]))


def draw(numbers: Numbers) -> Picture:
    shown = {**numbers["accuracy"], **numbers["worse_by_rate"]}
    return bars(
        {name: [1 - one for one in seeds] for name, seeds in shown.items()},
        "Share of held-out digits named wrongly by start, each at its best rate; then the worse "
        "start at every rate at which it fits the training data",
        y="held-out errors, share",
    )


CLAIM = Claim(
    name="generalization",
    part="understanding",
    title="A better start generalises better",
    statement=(
        "A better initialization leads to better generalization: the trained network is right "
        "more often on data that it has not seen."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units learn digits from {better}, from weights "
        "that are too large ({worse}), from {xavier} and from the framework's own start ({usual}), "
        "each at its best learning rate. Each has to fit its training data first; then: how many "
        "held-out digits are named rightly?"
    ),
    why=(
        "Many sets of weights fit the training data, and where training begins decides which one "
        "is found. From large weights the outputs are large and wild functions of the input; "
        "training corrects them at the training points by small changes of the weights, and "
        "leaves them wild in between. From weights that keep signals at scale 1 the function "
        "starts smooth, and the weights have to find features."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"worse": "normal:0.25"},
        "the nearer its scale comes to the better start's, the smaller the difference.",
    ),
    flip={"better": "normal:0.3", "worse": "he_normal"},
    sources=(
        (
            "Zhang, Bengio, Hardt, Recht, Vinyals, Understanding deep learning requires rethinking "
            "generalization, 2017, arXiv:1611.03530"
        ),
        (
            "Chizat, Oyallon, Bach, On lazy training in differentiable programming, 2019, "
            "arXiv:1812.07956"
        ),
    ),
    instead=(
        "What hurts is an initialization that is wrong: from weights that are too large a network "
        "can fit its training data as well and be worse on new ones. How much worse depends on "
        "the learning rate: long steps leave the start behind, short ones keep it. Among starts "
        "that keep the signal at a sane scale, a difference is not to be told from the noise of "
        "seeds: there a better start buys speed, and not accuracy."
    ),
)
