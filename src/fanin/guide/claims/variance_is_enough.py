"""Is a preserved variance all that a deep network needs?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import fanin
from fanin import theory
from fanin.guide.checks import Check, above, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import (
    accuracies_of,
    factor_a_layer,
    lines,
    mlp,
    of_gain,
    of_sigmas,
    signals,
)
from fanin.picture import Picture
from fanin.schemes import Scheme

# Of the factor by which a layer changes the signal's second moment: what "preserved" means.
_LOW, _HIGH = 0.95, 1.05
# Chance is 0.1; a network that learns anything in this many steps is far above one half.
_TRAINS = 0.5
# Of Adam, whose steps do not depend on the scale of a gradient: the kindest test of the claim.
_RATES = (0.0003, 0.001, 0.003)

Network = tuple[str, Mapping[str, Scheme]]


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: hidden layers, units, sigma_w of two, and whether chi must be 1, too."""

    depth: int = 16
    width: int = 64
    ordered: float = 0.7
    chaotic: float = 6.0
    chi_is_one: bool = False


def _networks(settings: Settings) -> dict[str, Network]:
    """Activation and recipe by name; each keeps the second moment of its signal."""
    edge = theory.edge_of_chaos("tanh").at(0.05**0.5)
    # The biases that make up for what weights of this scale lose, at the same second moment.
    kept = theory.moments("tanh", edge.q).mean_square
    lost = edge.q - settings.ordered**2 * kept
    critical: dict[str, Network] = {
        "relu, its gain": ("relu", of_gain(fanin.gain("relu"))),
        "tanh, edge of chaos": ("tanh", of_sigmas(edge.sigma_w, edge.sigma_b)),
    }
    others: dict[str, Network] = {
        "tanh, small weights and large biases": (
            "tanh", of_sigmas(settings.ordered, max(lost, 0.0) ** 0.5),
        ),
        "tanh, large weights": ("tanh", of_sigmas(settings.chaotic, 0.0)),
        "sigmoid, its gain": ("sigmoid", of_gain(fanin.gain("sigmoid"))),
    }  # fmt: skip
    return critical if settings.chi_is_one else {**critical, **others}


def measure(settings: Settings, effort: Effort) -> Numbers:
    networks = _networks(settings)
    factor: dict[str, list[float]] = {}
    forward: dict[str, list[list[float]]] = {}
    gradient: dict[str, list[list[float]]] = {}
    for name, (activation, recipe) in networks.items():
        factor[name], forward[name], gradient[name] = [], [], []
        for seed in effort.seeds(8, 2):
            # Wide, so that the scale of the recipe is seen and not the noise of few units.
            model = mlp(settings.depth, 256, activation)
            seen = signals(fanin.init_(model, recipe, seed=seed), batch=32)
            factor[name].append(factor_a_layer(seen.forward[1:-1]))
            forward[name].append(list(seen.forward[:-1]))
            gradient[name].append([one / seen.gradient[-2] for one in seen.gradient[:-1]])
    return {
        "factor": factor, "accuracy": _trained(settings, effort, networks),
        "forward": forward, "gradient": gradient,
    }  # fmt: skip


def _trained(
    settings: Settings, effort: Effort, networks: Mapping[str, Network]
) -> dict[str, list[float]]:
    """Held-out accuracy by network, one a seed, at the rate with the least training loss."""
    reached: dict[str, list[float]] = {}
    for activation in dict.fromkeys(activation for activation, _ in networks.values()):
        own = {name: recipe for name, (one, recipe) in networks.items() if one == activation}
        comparison = fanin.compare(
            partial(mlp, settings.depth, settings.width, activation),
            list(own.values()),
            seeds=effort.pick(3, 2),
            learning_rates=effort.pick(_RATES, _RATES[1:2]),
            steps=effort.pick(100, 40),
            batch_size=32,
            optimizer="adam",
            progress=False,
        )
        reached.update(accuracies_of(comparison, own))
    return {name: reached[name] for name in networks}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        *(
            within(f"factor a layer of the signal's second moment: {name}", values, _LOW, _HIGH,
                   scope=True)
            for name, values in numbers["factor"].items()
        ),
        *(
            above(f"held-out accuracy: {name}", values, _TRAINS)
            for name, values in numbers["accuracy"].items()
        ),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        {"signal, forward": numbers["forward"], "gradient, over the last": numbers["gradient"]},
        "RMS of signals and gradients by layer in five networks that keep their signal's scale",
        x="layer",
        y="RMS",
        log=True,
        size=(9.0, 4.2),
    )


CLAIM = Claim(
    name="variance_is_enough",
    part="understanding",
    title="If the variance is preserved, a deep network trains",
    statement=(
        "A deep network trains if its initialization keeps the variance of the signal the same "
        "from layer to layer."
    ),
    experiment=(
        "Five recipes that keep the second moment of the signal through {depth} layers: ReLU and "
        "sigmoid at their gain, and tanh at the edge of chaos, with small weights "
        "($\\sigma_w$ {ordered}) and biases that make up for them, and with large weights "
        "($\\sigma_w$ {chaotic}). Is it kept, and does the network ({width} units) reach a useful "
        "accuracy on digits with Adam, at the best of three rates?"
    ),
    why=(
        "A second moment does not say what it is made of. With large biases every layer adds the "
        "same to all inputs, and the part in which inputs differ dies out: at the end all look "
        "alike. Sigmoid's mean of 1/2 does the same. With large weights near inputs are torn "
        "apart instead. The number that tells is $\\chi$, the factor of the gradient's second "
        "moment, which is the factor of the distance of near inputs as well: it must be about 1."
    ),
    formula=(
        r"q = \sigma_w^2\,E[\varphi(\sqrt{q}\,z)^2] + \sigma_b^2 \quad\text{and}\quad "
        r"\chi = \sigma_w^2\,E[\varphi'(\sqrt{q}\,z)^2] = 1"
    ),
    instead=(
        "A preserved signal is needed, and not enough: what must be kept is the scale of the "
        "signal and that of the gradient, $\\chi = 1$. For ReLU the two are one condition, which "
        "is why the shorter sentence is so often right. For tanh nearly every pair "
        "$(\\sigma_w, \\sigma_b)$ keeps the signal, and only a line of them, the edge of chaos, "
        "and what lies near it, trains deep networks."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"chaotic": 1.6},
        "tanh a little above the edge, near its own gain: its gradient grows slowly, and it "
        "trains.",
    ),
    flip={"chi_is_one": True},
    sources=(
        (
            "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, Deep information propagation, 2017, "
            "arXiv:1611.01232, sections 3 to 5"
        ),
        (
            "Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli, Exponential expressivity in deep "
            "neural networks through transient chaos, 2016, arXiv:1606.05340, eq. 3 to 5"
        ),
        (
            "Hayou, Doucet, Rousseau, On the impact of the activation function on deep neural "
            "networks training, 2019, arXiv:1902.06853"
        ),
    ),
)
