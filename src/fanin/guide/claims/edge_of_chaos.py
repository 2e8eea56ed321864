"""Does a network train as deep as correlations reach?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

import fanin
from fanin import theory
from fanin.ensembles import load
from fanin.guide.checks import Check, above, below
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp, of_sigmas, train
from fanin.guide.laboratory.residual import Skip
from fanin.picture import Picture

# Chance is 0.1; a network that learns anything in this many steps is far above one half.
_TRAINS = 0.5
# Of xi: a depth that the claim says can be trained, and one that it says cannot.
_WITHIN, _BEYOND = 3.0, 6.0
_SIGMA_B = 0.05**0.5
# Stands for an infinite xi, so that what it says can be kept.
_ENDLESS = 1e9
_RATES = (0.03, 0.01)


@dataclass(frozen=True, slots=True)
class Settings:
    """sigma_w^2 of the ordered and the chaotic side; depths, the last at the edge; units; skips."""

    ordered: float = 0.9
    chaotic: float = 8.0
    shallow: int = 6
    deep: int = 36
    deepest: int = 80
    width: int = 64
    skips: bool = False


def measure(settings: Settings, effort: Effort) -> Numbers:
    edge = theory.edge_of_chaos("tanh").at(_SIGMA_B)
    places = {
        f"ordered, {settings.ordered:g}": settings.ordered**0.5,
        f"edge, {edge.sigma_w**2:.3g}": edge.sigma_w,
        f"chaotic, {settings.chaotic:g}": settings.chaotic**0.5,
    }
    depths = (settings.shallow, settings.deep)
    return {
        "depths": list(depths),
        "xi": {
            name: min(theory.depth_scales("tanh", sigma_w, _SIGMA_B).xi_c, _ENDLESS)
            for name, sigma_w in places.items()
        },
        "accuracy": {
            name: {str(depth): _trained(settings, effort, sigma_w, depth) for depth in depths}
            for name, sigma_w in places.items()
        },
        "deepest": settings.deepest,
        "at_the_edge": _trained(settings, effort, edge.sigma_w, settings.deepest),
    }


def _trained(settings: Settings, effort: Effort, sigma_w: float, depth: int) -> list[float]:
    """Held-out accuracy at the rate of least training loss, one a seed."""
    data = load("digits")
    recipe = of_sigmas(sigma_w, _SIGMA_B)
    reached = []
    for seed in effort.seeds(4, 3):
        runs = []
        for rate in effort.pick(_RATES, _RATES[:1]):
            model = fanin.init_(_network(settings, depth), recipe, seed=seed)
            steps = effort.pick(120, 50)
            runs.append(train(model, data, steps=steps, learning_rate=rate, seed=seed, batch=32))
        finite = [run for run in runs if math.isfinite(run.train_loss)]
        reached.append(min(finite, key=lambda run: run.train_loss).accuracy if finite else 0.0)
    return reached


def _network(settings: Settings, depth: int) -> nn.Sequential:
    plain = mlp(depth, settings.width, "tanh")
    if not settings.skips:
        return plain
    layers = list(plain)
    pairs = zip(layers[2:-1:2], layers[3:-1:2], strict=True)
    return nn.Sequential(*layers[:2], *(Skip(*pair) for pair in pairs), layers[-1])


def judge(numbers: Numbers) -> tuple[Check, ...]:
    checks = []
    for name, accuracy in numbers["accuracy"].items():
        for depth, values in accuracy.items():
            reach = numbers["xi"][name]
            share = float(depth) / reach
            what = f"held-out accuracy, {name}, depth {depth}"
            if reach == _ENDLESS:
                checks.append(above(what, values, _TRAINS))
            elif share <= _WITHIN:
                checks.append(above(f"{what} ({share:.1f} xi)", values, _TRAINS))
            elif share >= _BEYOND:
                checks.append(below(f"{what} ({share:.1f} xi)", values, _TRAINS))
    what = f"held-out accuracy, edge, depth {numbers['deepest']}"
    return (*checks, above(what, numbers["at_the_edge"], _TRAINS, scope=True))


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            name: {f"depth {depth}": values for depth, values in accuracy.items()}
            for name, accuracy in numbers["accuracy"].items()
        },
        "Held-out accuracy of shallow and deep tanh networks, by phase and sigma_w^2",
        y="held-out accuracy",
        limit=_TRAINS,
    )


CLAIM = Claim(
    name="edge_of_chaos",
    part="applying",
    title="As deep as correlations reach",
    statement=(
        "A network can be trained if its depth is within a few times the depth xi to which the "
        "correlation of two inputs reaches, and not far beyond; at the edge of chaos, where xi is "
        "infinite, at any depth."
    ),
    experiment=(
        "Tanh networks of {shallow} and of {deep} layers of {width} units, $\\sigma_b^2 = 0.05$, "
        "$\\sigma_w^2$ {ordered} (ordered), {chaotic} (chaotic) and at the edge of chaos, there "
        "of {deepest} layers, too (skip connections: {skips}), learn digits, each at the better of "
        "two learning rates. Depths up to 3 xi of theory are to train, those from 6 xi on are not."
    ),
    why=(
        "Training needs the output to differ from input to input. In the ordered phase any two "
        "inputs become alike, in the chaotic phase all become equally unlike, and in both the "
        "memory of how alike they were is lost like $e^{-l/\\xi}$. The gradient fades or "
        "explodes at the same pace. On the edge the loss is slower than exponential."
    ),
    formula=(
        r"|c_l - c^*| \sim e^{-l/\xi}, \quad \xi = -\frac{1}{\ln \chi_1} \ \text{(ordered)}, \quad "
        r"\chi_1 = \sigma_w^2\, E[\varphi'(\sqrt{q^*} z)^2]"
    ),
    instead=(
        "The depth that trains goes with xi, and the factor between them is not a constant of "
        "nature: it grows with the number of steps and with what the optimizer makes of small "
        "gradients. Schoenholz et al. found about 6 for tanh on MNIST and plain SGD. On the edge "
        "correlations reach on for ever, but narrow layers and short trainings still set a limit."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"ordered": 1.5}, "nearer to the edge, xi is five times as large: the deep one trains?"
    ),
    flip={"skips": True, "ordered": 0.25},
    sources=(
        (
            "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, Deep information propagation, 2017, "
            "arXiv:1611.01232, sections 3 and 5"
        ),
    ),
)
