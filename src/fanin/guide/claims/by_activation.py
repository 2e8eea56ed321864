"""He for ReLU, Xavier for tanh and sigmoid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import fanin
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp
from fanin.guide.laboratory.race import longer
from fanin.guide.laboratory.runs import best_runs, soonest_runs, steps_taken
from fanin.guide.laboratory.scales import of_gain
from fanin.picture import Picture
from fanin.recipes import RecipeLike

# A rule is right where what it advises needs fewer steps than the other; any number counts.
_SOONER = 1.0
_ALL = ("relu", "gelu", "tanh", "sigmoid")
_NAMED = ("relu", "tanh", "sigmoid")
# Half of the digits: a network that has begun to learn.
_LEARNT = 0.5
_LIKE_RELU = ("relu", "gelu")


@dataclass(frozen=True, slots=True)
class Settings:
    """The choice for ReLU and its like, and for tanh and sigmoid; layers, units, level."""

    for_relu: str = "he_normal"
    for_tanh: str = "xavier_normal"
    depth: int = 10
    width: int = 64
    level: float = 0.5


def measure(settings: Settings, effort: Effort) -> Numbers:
    steps: dict[str, dict[str, list[int]]] = {}
    accuracy: dict[str, list[float]] = {}
    budget = effort.pick(100, 90)
    for activation in effort.pick(_ALL, ("relu", "tanh")):
        own = of_gain(fanin.gain(activation))
        recipes: dict[str, RecipeLike] = {
            "for relu": settings.for_relu,
            "for tanh": settings.for_tanh,
            "own gain": own,
        }
        done = fanin.compare(
            partial(mlp, settings.depth, settings.width, activation), list(recipes.values()),
            seeds=effort.pick(5, 3), steps=budget, optimizer="adam",
            learning_rates=effort.pick((0.003, 0.01), (0.003,)),
            batch_size=32, level=settings.level, progress=False,
        )  # fmt: skip
        steps[activation] = {
            role: steps_taken(done, soonest_runs(done, recipe)) for role, recipe in recipes.items()
        }
        best = best_runs(done, recipes[_advised(activation)])
        accuracy[activation] = [run.metric for run in best]
    return {
        "for relu": settings.for_relu,
        "for tanh": settings.for_tanh,
        "all": budget,
        "steps": steps,
        "accuracy": accuracy,
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        *(_advice(numbers, activation) for activation in numbers["steps"]),
        *(
            above(
                f"{activation}: held-out accuracy from {numbers[_advised(activation)]}",
                values, _LEARNT, scope=True,
            )
            for activation, values in numbers["accuracy"].items()
        ),
    )  # fmt: skip


def _advised(activation: str) -> str:
    return "for relu" if activation in _LIKE_RELU else "for tanh"


def _advice(numbers: Numbers, activation: str) -> Check:
    """What the rule advises against does take longer."""
    steps = numbers["steps"][activation]
    ours = _advised(activation)
    other = "for tanh" if ours == "for relu" else "for relu"
    return longer(
        f"{activation}: steps from {numbers[other]} over those from {numbers[ours]}",
        steps[other], steps[ours], numbers["all"], by=_SOONER, scope=activation not in _NAMED,
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    shown = {"for relu": numbers["for relu"], "for tanh": numbers["for tanh"]}
    return bars(
        {
            activation: {shown.get(role, role): values for role, values in steps.items()}
            for activation, steps in numbers["steps"].items()
        },
        "Steps to the level of the loss by activation, from two recipes and from the activation's "
        "own gain",
        y="steps",
    )


CLAIM = Claim(
    name="by_activation",
    part="applying",
    title="Choose by the activation",
    statement="Take He for ReLU and its variants, and Xavier for tanh and sigmoid.",
    experiment=(
        "{depth} layers of {width} units learn digits by Adam, with one activation after the "
        "other, from {for_relu} and from {for_tanh}, each at its best learning rate, on the same "
        "seeds. Does what the rule advises learn, and reach a training loss of {level} in fewer "
        "steps? Beside them, for comparison: the gain that belongs to the activation."
    ),
    why=(
        "A layer keeps the second moment where its weights have variance $g^2 / n$, with $g$ the "
        "gain of the activation before it: that of ReLU is $\\sqrt 2$, that of tanh about 1.59, "
        "and that of sigmoid 1.85. Only of an activation that is a line near zero, with slope 1, "
        "and for signals that stay near zero, is it 1."
    ),
    formula=r"g = \frac{1}{\sqrt{E[\phi(z)^2]}}, \quad z \sim N(0, 1)",
    instead=(
        "Choose by the gain, which can be computed for any activation, and not by the name of a "
        "family. He's factor is ReLU's gain. Tanh bears a scale above Xavier's as well. For many "
        "layers of sigmoid no scale is enough: a slope of at most a quarter loses the gradient."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 3}, "in a network of few layers the choice hardly matters."),
    flip={"for_tanh": "normal:0.01"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 4.2"
        ),
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section 2.2",
        "Kumar, On weight initialization in deep neural networks, 2017, arXiv:1704.08863",
    ),
)
