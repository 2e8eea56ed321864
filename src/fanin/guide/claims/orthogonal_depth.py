"""Do orthogonal weights train deep networks that Gaussian ones do not?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, below
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines, mlp
from fanin.guide.laboratory.race import race, slower
from fanin.picture import Picture

# Of the variance of squared singular values over their mean squared: Gaussian weights give the
# number of layers in theory, orthogonal ones 0 in a linear network.
_SPREAD = 0.01
# Above a spread of 1 the largest directions are no longer of the size of the others.
_ISOMETRY = 1.0
# A training costs more than a Jacobian.
_TRAINED = ("linear", "tanh")
# Half of what a guess loses: somewhat more than halfway from knowing nothing to knowing a lot.
_LEVEL = 1.0
_RATES = (0.003, 0.01, 0.03, 0.1)
_ROOT_2 = 2**0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """What is tried (a scheme of gain 1, one of gain sqrt 2), hidden layers and units."""

    scheme: str = "orthogonal"
    for_relu: str = f"orthogonal:{_ROOT_2:.7f}"
    depth: int = 30
    width: int = 32


def measure(settings: Settings, effort: Effort) -> Numbers:
    networks = {
        "linear": (nn.Identity, settings.scheme, "lecun_normal"),
        "tanh": (nn.Tanh, settings.scheme, "lecun_normal"),
        "relu": (nn.ReLU, settings.for_relu, "he_normal"),
    }
    x = load("digits").x_train[0]
    races = {}
    spread: dict[str, dict[str, list[float]]] = {}
    for name, (activation, tried, gaussian) in networks.items():
        build = partial(mlp, settings.depth, settings.width, activation)
        starts = {"tried": tried, "Gaussian": gaussian}
        if name in effort.pick(_TRAINED, _TRAINED[:1]):
            races[name] = race(
                build, starts, level=_LEVEL, seeds=effort.pick(6, 3),
                steps=effort.pick(100, 50), rates=effort.pick(_RATES, _RATES[2:3]),
            )  # fmt: skip
        spread[name] = {
            role: [
                _spread(fanin.init_(build(), recipe, seed=seed), x) for seed in effort.seeds(6, 3)
            ]
            for role, recipe in starts.items()
        }
    return {"races": races, "spread": spread}


def _spread(model: nn.Sequential, x: Tensor) -> float:
    """Of the squared singular values of the hidden layers' Jacobian: variance over mean^2."""
    hidden = model[:2](x).detach()
    jacobian = torch.func.jacrev(model[2:-1])(hidden)
    squares = torch.linalg.svdvals(jacobian.detach().double()).square()
    return float(squares.var(correction=0) / squares.mean().square())


def judge(numbers: Numbers) -> tuple[Check, ...]:
    races = numbers["races"]
    return (
        below("spread of the squared singular values, linear",
              numbers["spread"]["linear"]["tried"], _SPREAD),
        *(_slower(one, name) for name, one in races.items()),
        below("the same, relu", numbers["spread"]["relu"]["tried"], _ISOMETRY, scope=True),
    )  # fmt: skip


def _slower(one: Numbers, activation: str) -> Check:
    check = slower(one, "Gaussian", "tried")
    return replace(check, what=f"{activation}: {check.what}")


def draw(numbers: Numbers) -> Picture:
    races = numbers["races"]
    return lines(
        {
            activation: {one["starts"][role]: values for role, values in one["curves"].items()}
            for activation, one in races.items()
        },
        "Training loss of deep networks from orthogonal and from Gaussian weights of one scale",
        x="step",
        y="training loss",
        at=next(iter(races.values()))["at"],
        log=True,
        size=(7.2, 3.6),
    )


CLAIM = Claim(
    name="orthogonal_depth",
    part="applying",
    title="Orthogonal weights for great depth",
    statement=(
        "Orthogonal weights keep all singular values of a deep network alike, and so train depths "
        "at which Gaussian weights of the same scale are slow or fail."
    ),
    experiment=(
        "Networks of {depth} layers of {width} units, linear, tanh and ReLU, each at the scale "
        "that keeps its signal, start from {scheme} ({for_relu} for ReLU) and from Gaussian "
        "weights. How far are the squared singular values of the Jacobian spread? And how many "
        "steps do linear and tanh need to a training loss of 1?"
    ),
    why=(
        "Variance is about the mean: a product of Gaussian matrices keeps the mean square of "
        "a signal, and yet shrinks most directions and stretches a few, the more the deeper it "
        "is. Orthogonal matrices keep every direction. Tanh near its linear part hardly changes "
        "that. ReLU cuts half of the directions in each layer, and no weights can undo it."
    ),
    formula=(
        r"J = W_L \cdots W_1: \quad \frac{\mathrm{Var}(s^2)}{E[s^2]^2} = "
        r"L \ \text{(Gaussian)}, \quad 0 \ \text{(orthogonal)}"
    ),
    instead=(
        "Where the network is nearly linear, as tanh is at the edge of chaos, orthogonal weights "
        "are worth their price. With ReLU they are no isometry: theory gives the singular values "
        "a spread of $L$ in place of $2L$. With norms and skips nobody needs them for depth."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 6}, "few layers: the singular values spread less, and both train."),
    flip={"scheme": "xavier_normal", "for_relu": "xavier_normal"},
    sources=(
        (
            "Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in "
            "deep linear neural networks, 2014, arXiv:1312.6120, section 3"
        ),
        (
            "Pennington, Schoenholz, Ganguli, Resurrecting the sigmoid in deep learning through "
            "dynamical isometry, 2017, arXiv:1711.04735"
        ),
    ),
)
