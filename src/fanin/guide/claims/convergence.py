"""A good start needs fewer steps."""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines
from fanin.guide.laboratory.runs import curve, curve_steps, soonest_runs, steps_taken
from fanin.picture import Picture

# The least that is worth a change of code: a fifth more steps.
_SLOWER = 1.2
_RATES = {"sgd": (0.03, 0.1, 0.3), "adam": (0.001, 0.003, 0.01)}


@dataclass(frozen=True, slots=True)
class Settings:
    """The good start and its rivals; the level of the loss; layers, units and activation."""

    good: str = "he_normal"
    small: str = "normal:0.05"
    usual: str = "default"
    level: float = 0.2
    depth: int = 5
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    recipes = list(dict.fromkeys((settings.good, settings.small, settings.usual)))
    steps: dict[str, dict[str, list[int]]] = {}
    curves: dict[str, dict[str, list[float]]] = {}
    for optimizer, rates in _RATES.items():
        done = fanin.compare(
            "mlp", recipes, seeds=effort.pick(6, 4), steps=effort.pick(300, 100),
            learning_rates=effort.pick(rates, rates[1:2]), optimizer=optimizer,
            level=settings.level, depth=settings.depth, width=settings.width,
            activation=settings.activation, batch_size=32, progress=False,
        )  # fmt: skip
        chosen = {name: soonest_runs(done, name) for name in recipes}
        steps[optimizer] = {name: steps_taken(done, runs) for name, runs in chosen.items()}
        curves[optimizer] = {name: curve(done, runs) for name, runs in chosen.items()}
    return {
        "good": settings.good,
        "small": settings.small,
        "usual": settings.usual,
        "level": settings.level,
        "steps": steps,
        "curves": curves,
        "at": curve_steps(done),
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        _slower(numbers, "sgd", "small"),
        _slower(numbers, "sgd", "usual"),
        _slower(numbers, "adam", "small", scope=True),
        _slower(numbers, "adam", "usual", scope=True),
    )


def _slower(numbers: Numbers, optimizer: str, which: str, *, scope: bool = False) -> Check:
    """How many times the steps of the good start a rival takes, seed by seed.

    A rival that does not arrive counts with all of its steps, which is the least that it needs.
    """
    good, rival = numbers["good"], numbers[which]
    taken = numbers["steps"][optimizer]
    return above(
        f"{optimizer}: steps of {rival} over those of {good}",
        [theirs / ours for theirs, ours in zip(taken[rival], taken[good], strict=True)],
        _SLOWER,
        decades=True,
        scope=scope,
    )


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["curves"],
        "Loss along training, each start at the learning rate that suits it best",
        x="step",
        y="training loss",
        at=numbers["at"],
        log=True,
        limit=numbers["level"],
    )


CLAIM = Claim(
    name="convergence",
    part="understanding",
    title="A good start converges faster",
    statement="A good initialization makes training converge faster.",
    experiment=(
        "A network of {depth} layers of {width} {activation} units learns digits from {good}, from "
        "weights that are too small ({small}) and from the framework's own start ({usual}). How "
        "many steps until the training loss is {level}, each at the learning rate that brings it "
        "there soonest? Once by SGD, once by Adam."
    ),
    why=(
        "SGD multiplies every gradient by one learning rate. Where signals and gradients keep "
        "their scale from layer to layer, one rate suits all layers. Where they shrink, the "
        "layers far from the loss crawl at a rate that is already the most the others bear, and "
        "the loss stays on a plateau until their weights have grown. Adam divides each gradient "
        "by its own size, which takes a good part of the difference away."
    ),
    formula=r"w \leftarrow w - \eta\,\frac{\partial L}{\partial w}",
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"depth": 1}, "one hidden layer: with so few factors the plateaus are short or gone."
    ),
    flip={"good": "normal:0.05", "small": "he_normal"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, section 5"
        ),
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section 2.2",
    ),
)
