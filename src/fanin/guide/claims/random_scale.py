"""Is there one right scale of random weights?"""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, above, below, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines
from fanin.guide.laboratory.runs import best_runs
from fanin.picture import Picture

# Over He's scale; closer together where the useful ones must lie.
_FACTORS = (1 / 16, 1 / 4, 1 / 2, 2**-0.5, 1.0, 2**0.5, 2.0, 4.0, 16.0)
_QUICK = (1 / 16, 1 / 2, 1.0, 2.0, 16.0)
# Chance is 0.1; half of the way to a useful network.
_LEARNS = 0.5
_USEFUL = 0.9
# Within a factor of two of He's scale is beside it, and a range of two is one scale.
_BESIDE = 2.0
# A large scale wants small steps, a small one large steps: each gets its chance.
_RATES = (0.001, 0.01, 0.1, 0.5)


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the network: hidden layers, units, optimizer (sgd, momentum or adam)."""

    depth: int = 6
    width: int = 64
    optimizer: str = "sgd"


def measure(settings: Settings, effort: Effort) -> Numbers:
    factors = effort.pick(_FACTORS, _QUICK)
    he = (2 / settings.width) ** 0.5
    names = [f"normal:{factor * he:.6g}" for factor in factors]
    rates = effort.pick(_RATES, _RATES[2:3])
    tuned = 30 if settings.optimizer == "adam" else 1
    comparison = fanin.compare(
        "mlp",
        names,
        depth=settings.depth,
        width=settings.width,
        seeds=effort.pick(4, 2),
        learning_rates=[rate / tuned for rate in rates],
        steps=effort.pick(150, 60),
        batch_size=32,
        optimizer=settings.optimizer,
        progress=False,
    )
    recipes = {row.recipe: row.name for row in comparison.ranking}
    runs = [best_runs(comparison, recipes[name]) for name in names]
    return {
        "factors": factors,
        "stds": [factor * he for factor in factors],
        "accuracy": [[run.metric for run in one] for one in runs],
        "train_loss": [[run.train_loss for run in one] for one in runs],
        "diverged": [[float(run.diverged) for run in one] for one in runs],
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    factors, accuracy = numbers["factors"], numbers["accuracy"]
    seeds = range(len(accuracy[0]))
    best = [
        factors[min(range(len(factors)), key=lambda i: numbers["train_loss"][i][seed])]
        for seed in seeds
    ]
    return (
        below(f"held-out accuracy, {factors[0]:g} times He's scale", accuracy[0], _LEARNS),
        below(f"held-out accuracy, {factors[-1]:g} times He's scale", accuracy[-1], _LEARNS),
        within("scale with the least training loss, over He's", best, 1 / _BESIDE, _BESIDE,
               decades=True),
        above(f"share that diverges, {factors[-1]:g} times He's scale", numbers["diverged"][-1],
              0.5, scope=True),
        below(f"largest over smallest scale that reaches accuracy {_USEFUL:g}",
              [_range(factors, [one[seed] for one in accuracy]) for seed in seeds], _BESIDE,
              scope=True),
    )  # fmt: skip


def _range(factors: list[float], accuracy: list[float]) -> float:
    """Largest over smallest scale that is useful; 1 where none is."""
    useful = [factor for factor, one in zip(factors, accuracy, strict=True) if one >= _USEFUL]
    return max(useful) / min(useful) if useful else 1.0


def draw(numbers: Numbers) -> Picture:
    by_seed = list(map(list, zip(*numbers["accuracy"], strict=True)))
    return lines(
        {"held-out accuracy at the best rate": by_seed},
        "Held-out accuracy against the scale of the weights, in He's, with the range over seeds",
        x="standard deviation of the weights over He's",
        y="held-out accuracy",
        at=numbers["factors"],
        log_x=True,
        limit=_USEFUL,
    )


CLAIM = Claim(
    name="random_scale",
    part="techniques",
    title="There is one right scale",
    statement=(
        "Random weights must have the right scale: with smaller ones a deep network learns "
        "nothing, with larger ones it diverges."
    ),
    experiment=(
        "ReLU networks of {depth} hidden layers of {width} units start from normal weights, from "
        "a sixteenth to sixteen times He's standard deviation, and are trained on digits with "
        "{optimizer}, each at the best of four learning rates. Which learn, and which is best?"
    ),
    why=(
        "A scale of $a$ times He's multiplies signals and gradients by $a$ in every layer, and so "
        "by $a^L$ over $L$ layers. At depth 6 a factor of 2 makes outputs 64 times too large, and "
        "a half makes them vanish as fast. The right scale does not follow from taste: it is the "
        "one at which $a^L$ stays near 1, and the deeper the network, the narrower its range."
    ),
    formula=r"\mathrm{RMS}(z_L) = a^L\,\mathrm{RMS}(z_0), \quad a = \sigma / \sqrt{2 / n}",
    instead=(
        "How narrow the range is depends on the depth. With one hidden layer scales tens of times "
        "apart learn about equally well, if each gets its own learning rate; with every "
        "layer the range shrinks around He's scale. And a large scale need not diverge to be bad: "
        "a shallow network can fit the training data from it and do worse on others."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 2}, "a shallower network works in a wider range of scales."),
    flip={"depth": 1},
    sources=(
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section 2.2",
        (
            "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4 (the scale of the "
            "initial weights)"
        ),
    ),
)
