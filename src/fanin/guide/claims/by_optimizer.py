"""Adam makes the initialization unimportant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import fanin
from fanin import recipes
from fanin.guide.checks import Check, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp
from fanin.guide.laboratory.race import all_arrived, no_longer, spread
from fanin.guide.laboratory.runs import best_runs, soonest_runs, steps_taken
from fanin.picture import Picture

_RATES = {"sgd": (0.03, 0.1, 0.3), "adam": (0.001, 0.003, 0.01)}
# Of accuracy: two points are what one knows of a network that was tested on 450 images.
_MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Settings:
    """Recipe, and by what factor its scale is made smaller and larger; the network; the level."""

    recipe: str = "he_normal"
    factor: float = 4.0
    depth: int = 5
    width: int = 64
    activation: str = "relu"
    level: float = 0.5


def measure(settings: Settings, effort: Effort) -> Numbers:
    factors = sorted({settings.factor**power for power in (-1.0, -0.5, 0.0, 0.5, 1.0)})
    budget = effort.pick(150, 80)
    starts = [recipes.scale(settings.recipe, factor) for factor in factors]
    steps: dict[str, dict[str, list[int]]] = {}
    accuracy: dict[str, dict[str, list[float]]] = {}
    for optimizer, rates in _RATES.items():
        done = fanin.compare(
            partial(mlp, settings.depth, settings.width, settings.activation),
            starts, seeds=effort.pick(5, 3), steps=budget,
            learning_rates=effort.pick(rates, rates[1:2]), optimizer=optimizer, batch_size=32,
            level=settings.level, progress=False,
        )  # fmt: skip
        steps[optimizer] = {
            str(start): steps_taken(done, soonest_runs(done, start)) for start in starts
        }
        accuracy[optimizer] = {
            str(start): [run.metric for run in best_runs(done, start)] for start in starts
        }
    return {
        "all": budget,
        "recipe": settings.recipe,
        "factors": factors,
        "steps": steps,
        "accuracy": accuracy,
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    adam = numbers["steps"]["adam"]
    return (
        no_longer(
            "Adam: steps of the slowest over those of the fastest",
            spread(adam), arrived=all_arrived(adam, numbers["all"]),
        ),
        better(
            "held-out accuracy from the worst scale, Adam minus SGD",
            _worst(numbers, "adam"), _worst(numbers, "sgd"), by=_MARGIN, scope=True,
        ),
    )  # fmt: skip


def _worst(numbers: Numbers, optimizer: str) -> list[float]:
    """Accuracy from the scale that leads to the least, seed by seed."""
    return [min(values) for values in zip(*numbers["accuracy"][optimizer].values(), strict=True)]


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            optimizer: {
                f"{factor:g} times {numbers['recipe']}": values
                for factor, values in zip(numbers["factors"], steps.values(), strict=True)
            }
            for optimizer, steps in numbers["steps"].items()
        },
        "Steps to the level of the loss by optimizer and scale of the start, each at its best "
        "learning rate",
        y="steps",
    )


CLAIM = Claim(
    name="by_optimizer",
    part="applying",
    title="Adam makes it unimportant",
    statement=(
        "With Adam the initialization is unimportant, as Adam adapts the step of every weight by "
        "itself."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units learn digits from {recipe} and from the same "
        "with its scale multiplied and divided by {factor} and by its root, by SGD and by Adam, "
        "each at its best learning rate. How many times the steps of the fastest does the slowest "
        "need to a training loss of {level}?"
    ),
    why=(
        "Adam divides each gradient by a running mean of its own size, so its first steps are "
        "about as large as the learning rate, whatever the gradient: a plateau of small gradients "
        "does not hold it. But a step has one size for all weights. Too small weights have to "
        "grow to a useful scale, and too large ones have to be undone, at that pace."
    ),
    formula=r"w \leftarrow w - \eta\,\frac{\hat m}{\sqrt{\hat v} + \epsilon}, \quad "
    r"\left|\frac{\hat m}{\sqrt{\hat v}}\right| \approx 1",
    instead=(
        "Adam takes a large part of the harm away and not all of it. It cures gradients that are "
        "too small; it cannot cure weights that are too large, nor the time that too small ones "
        "need to grow."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"factor": 1.5}, "the nearer the scales are to the right one, the less Adam minds."
    ),
    flip={"factor": 1.0},
    sources=("Kingma, Ba, Adam: a method for stochastic optimization, ICLR 2015, arXiv:1412.6980",),
)
