"""Does LSUV give any architecture a good start?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn
from torch.nn import functional

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, above, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies_of, bars, mlp
from fanin.guide.laboratory.architectures import Convolutional, Transformer
from fanin.picture import Picture

# Of the variance of each weight's output on the batch that was looked at: the authors stop
# within 0.1 of 1.
_LOW, _HIGH = 0.9, 1.1
# Of held-out accuracy: what may be lost to the better of He and Xavier.
_MARGIN = 0.02
# Chance is 0.1; a network that learns anything in this many steps is far above one half.
_TRAINS = 0.5
_RATES = (0.003, 0.03, 0.1)
_FIXED = ("he_normal", "xavier_normal")
_SIGMOID = "sigmoid"
_SEEN = 256


@dataclass(frozen=True, slots=True)
class Settings:
    """The recipe; hidden layers and units of the plain networks."""

    recipe: str = "lsuv"
    depth: int = 10
    width: int = 48


def _networks(settings: Settings, effort: Effort) -> dict[str, Callable[[], nn.Module]]:
    plain = {
        activation: partial(mlp, settings.depth, settings.width, activation)
        for activation in effort.pick(("tanh", "gelu", _SIGMOID), ("tanh", _SIGMOID))
    }
    others: dict[str, Callable[[], nn.Module]] = {
        "convolutions": partial(Convolutional, 4),
        "transformer without norms": partial(Transformer, 2, 16, norm=False),
    }
    return {**plain, **effort.pick(others, {})}


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    batch = data.x_train[:_SEEN], data.y_train[:_SEEN]
    variances: dict[str, list[float]] = {}
    accuracy: dict[str, dict[str, list[float]]] = {}
    for name, build in _networks(settings, effort).items():
        comparison = fanin.compare(
            build,
            list(dict.fromkeys((settings.recipe, *_FIXED))),
            seeds=effort.pick(4, 3),
            steps=effort.pick(60, 40),
            learning_rates=effort.pick(_RATES, _RATES[2:]),
            batch_size=32,
            progress=False,
        )
        recipes = {"tried": settings.recipe, **{one: one for one in _FIXED}}
        accuracy[name] = accuracies_of(comparison, recipes)
        model = fanin.init_(
            build(), settings.recipe, inputs=batch[0], targets=batch[1],
            loss=functional.cross_entropy,
        )  # fmt: skip
        seen = fanin.observe(model, *batch, loss=functional.cross_entropy)
        places = [use.signal for use in seen.uses if use.role == "weight" and use.signal]
        measured = [seen.signal(place).forward for place in places]
        variances[name] = [one.rms**2 - one.mean**2 for one in measured]
    return {"recipe": settings.recipe, "variances": variances, "accuracy": accuracy}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    recipe = numbers["recipe"]
    variances = [value for values in numbers["variances"].values() for value in values]
    checks = [within(f"variance of each weight's output, {recipe}", variances, _LOW, _HIGH)]
    for place, (name, accuracy) in enumerate(numbers["accuracy"].items()):
        best = max((accuracy[one] for one in _FIXED), key=sum)
        gained = [a - b for a, b in zip(accuracy["tried"], best, strict=True)]
        checks += [
            above(f"held-out accuracy, {name}", accuracy["tried"], _TRAINS, scope=place > 0),
            above(f"the same minus the better of He and Xavier, {name}", gained, -_MARGIN,
                  scope=place > 0),
        ]  # fmt: skip
    return tuple(checks)


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            name: {numbers["recipe"] if role == "tried" else role: values
                   for role, values in accuracy.items()}
            for name, accuracy in numbers["accuracy"].items()
        },
        "Held-out accuracy of networks of several kinds from LSUV, He and Xavier",
        y="held-out accuracy",
        limit=_TRAINS,
        size=(8.0, 4.0),
    )  # fmt: skip


CLAIM = Claim(
    name="lsuv_any",
    part="applying",
    title="LSUV suits any architecture",
    statement=(
        "LSUV, which measures the variance of each layer on a batch and scales it to 1, gives any "
        "architecture and any activation a good start."
    ),
    experiment=(
        "Plain networks of {depth} layers of {width} units with several activations, a "
        "convolutional network, and a transformer without norms learn digits from {recipe}, He "
        "and Xavier, each at its best learning rate. What is the variance of what each "
        "weight puts out, does the network train, and does it lose to the better of the two?"
    ),
    why=(
        "What a formula has to assume of inputs, activations and joins, a pass on a batch shows. "
        "So variance 1 is a matter of course, in any network. But it is the variance of the "
        "signal alone. That the gradient keeps its scale, or that inputs stay apart, is not asked, "
        "and where the two come apart, as with sigmoid, unit variance is no help."
    ),
    formula=(
        r"W_l \leftarrow \frac{W_l}{\sqrt{\mathrm{Var}(W_l\, h_{l-1})}}, "
        r"\quad l = 1, 2, \ldots, L"
    ),
    instead=(
        "LSUV gives any architecture unit variance, and that is a good start where variance was "
        "what was wrong: unknown activations, odd joins, no norms. It does not repair an "
        "activation that forgets its inputs, such as sigmoid in a deep network, and where a "
        "formula fits already it has little to add."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 4}, "four layers: sigmoid trains, too, and the starts hardly differ."),
    flip={"recipe": "normal:0.01"},
    sources=(
        "Mishkin, Matas, All you need is a good init, 2016, arXiv:1511.06422, algorithm 1",
        (
            "Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in "
            "deep linear neural networks, 2014, arXiv:1312.6120"
        ),
    ),
)
