"""May biases start at zero?"""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin import schemes
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies_of, bars
from fanin.picture import Picture
from fanin.recipes import RecipeLike

# Of held-out accuracy: what zero may lose to another start. Nine held-out digits of 450.
_MARGIN = 0.02
# Chance is 0.1; a network that learns anything in this many steps is far above one half.
_TRAINS = 0.5
_RATES = (0.03, 0.1, 0.3)
_ONE = "one"


@dataclass(frozen=True, slots=True)
class Settings:
    """How biases start, how weights do; hidden layers, units, activation."""

    biases: str = "zeros"
    weights: str = "he_normal"
    depth: int = 5
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    reach = settings.width**-0.5
    others: dict[str, str | schemes.Scheme] = {
        "constant 0.1": "constant:0.1",
        "uniform, as torch": schemes.uniform(-reach, reach),
        "constant 1": "constant:1",
    }
    starts: dict[str, str | schemes.Scheme] = {_ONE: settings.biases, **others}
    recipes: dict[str, RecipeLike] = {
        name: {"*.bias": start, "*": settings.weights} for name, start in starts.items()
    }
    comparison = fanin.compare(
        "mlp", list(recipes.values()), seeds=effort.pick(8, 4), steps=effort.pick(250, 60),
        learning_rates=effort.pick(_RATES, _RATES[1:2]), depth=settings.depth,
        width=settings.width, activation=settings.activation, batch_size=32, progress=False,
    )  # fmt: skip
    return {"start": settings.biases, "accuracy": accuracies_of(comparison, recipes)}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    start, accuracy = numbers["start"], numbers["accuracy"]
    ours = accuracy[_ONE]
    return (
        above(f"held-out accuracy, biases {start}", ours, _TRAINS),
        *(
            above(f"held-out accuracy, biases {start} minus {name}",
                  [a - b for a, b in zip(ours, other, strict=True)], -_MARGIN)
            for name, other in accuracy.items()
            if name != _ONE
        ),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        {numbers["start"] if name == _ONE else name: values
         for name, values in numbers["accuracy"].items()},
        "Held-out accuracy by what the biases start from, each at its best learning rate",
        y="held-out accuracy",
    )  # fmt: skip


CLAIM = Claim(
    name="zero_biases",
    part="techniques",
    title="Biases may start at zero",
    statement=(
        "Biases can start at zero: the random weights make units differ already, and no other "
        "start of the biases is better."
    ),
    experiment=(
        "{depth} hidden layers of {width} {activation} units, weights from {weights}, learn digits "
        "with biases from {biases}, at 0.1, from torch's uniform distribution, and at 1; each at "
        "the best of several learning rates. What does {biases} lose?"
    ),
    why=(
        "Units differ if any of their parameters do, so the weights are enough. A bias adds the "
        "same to a unit for every input. Drawn at random it tells no two inputs apart and only "
        "raises the mean square of the signal, a little at the usual scales. A bias learns at "
        "once: its gradient is the mean of what comes back, which needs no signal."
    ),
    formula=(
        r"E[z^2] = n_\mathrm{in}\,\mathrm{Var}(w)\,E[x^2] + E[b^2], \quad "
        r"\frac{\partial L}{\partial b} = \delta"
    ),
    instead=(
        "Zero is a good default. It is not the only one: a small constant or torch's uniform "
        "biases do as well where nothing else is wrong. What does harm is a bias that pushes ReLU "
        "units off for all inputs. And some biases have a better start than zero, because one "
        "knows what they should say: the output's (class frequencies), an LSTM's forget gate."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"biases": "constant:-0.5"}, "some units are off for most inputs: how much is lost?"
    ),
    flip={"biases": "constant:-3"},
    sources=(
        "Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4",
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section 2.2",
    ),
)
