"""Does each activation need a gain of its own?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, below, better, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies_of, bars, factor_a_layer, mlp, of_gain
from fanin.picture import Picture

# Of the factor of the second moment a layer, at the gain: as for He's scale, 5 percent.
_LOW, _HIGH = 0.95, 1.05
# Of the second moment of the last layer over the first's, at gain 1: a tenth is a loss.
_LOST = 0.1
_CLASSICAL = ("relu", "leaky_relu", "elu", "tanh")
_OWN_IS_ONE = ("selu",)
_SMOOTH = ("gelu", "silu", "mish")
_TRAINED = ("relu", "tanh")


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the networks: whose gain (own, or an activation's), layers, units, and trained layers."""

    gain: str = "own"
    depth: int = 50
    width: int = 256
    trained_depth: int = 12


def measure(settings: Settings, effort: Effort) -> Numbers:
    samples = load("digits").x_train[:64]
    own: dict[str, list[float]] = {}
    kept: dict[str, list[float]] = {}
    for activation in (*_CLASSICAL, *_OWN_IS_ONE, *_SMOOTH):
        gain = fanin.gain(activation if settings.gain == "own" else settings.gain)
        own[activation], kept[activation] = [], []
        for seed in effort.seeds(8, 2):
            model = mlp(settings.depth, settings.width, activation)
            rms = _forward(fanin.init_(model, of_gain(gain), seed=seed), samples)
            # From the tenth layer on: the first ones still forget the data's own scale.
            own[activation].append(factor_a_layer(rms[min(10, settings.depth // 2) :]))
            rms = _forward(fanin.init_(model, of_gain(1.0), seed=seed), samples)
            kept[activation].append((rms[-1] / rms[0]) ** 2)
    return {"own": own, "one": kept, "accuracy": _trained(settings, effort)}


def _forward(model: nn.Sequential, x: torch.Tensor) -> list[float]:
    """RMS of each hidden layer's pre-activation."""
    rms = []
    with torch.no_grad():
        for layer in list(model)[:-1]:
            x = layer(x)
            if isinstance(layer, nn.Linear):
                rms.append(x.square().mean().sqrt().item())
    return rms


def _trained(settings: Settings, effort: Effort) -> dict[str, dict[str, list[float]]]:
    """Held-out accuracy by activation and gain, one a seed, at the better of two rates."""
    reached: dict[str, dict[str, list[float]]] = {}
    for activation in _TRAINED:
        gains = {"own gain": fanin.gain(activation), "gain 1": 1.0}
        recipes = {name: of_gain(gain) for name, gain in gains.items()}
        comparison = fanin.compare(
            partial(mlp, settings.trained_depth, 64, activation),
            list(recipes.values()),
            seeds=effort.pick(5, 2),
            learning_rates=effort.pick((0.03, 0.1), (0.1,)),
            steps=effort.pick(100, 20),
            batch_size=32,
            progress=False,
        )
        reached[activation] = accuracies_of(comparison, recipes)
    return reached


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        *(
            within(f"factor a layer at the gain: {name}", values, _LOW, _HIGH,
                   scope=name in _SMOOTH)
            for name, values in numbers["own"].items()
        ),
        *(
            below(f"second moment at gain 1, last layer over first: {name}", numbers["one"][name],
                  _LOST, decades=True, scope=name in _SMOOTH)
            for name in (*_CLASSICAL, *_SMOOTH)
        ),
        *(
            better(f"held-out accuracy, own gain minus gain 1: {name}",
                   values["own gain"], values["gain 1"], scope=name != "relu")
            for name, values in numbers["accuracy"].items()
        ),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["own"],
        "Factor by which a layer changes the second moment, each activation at its gain",
        y="factor a layer",
        limit=1.0,
        size=(7.2, 3.4),
    )


CLAIM = Claim(
    name="gain_of_activation",
    part="techniques",
    title="Each activation needs its own gain",
    statement=(
        "The weights' scale must be multiplied by a gain that belongs to the activation: with it "
        "the signal keeps its scale through a deep network, without it the network does not train."
    ),
    experiment=(
        "{depth} layers of {width} units of eight activations, once at the gain ({gain}), once at "
        "gain 1, the first layer always at 1 as its input is data: what becomes of the signal's "
        "second moment? And with {trained_depth} layers trained on digits: is the gain better?"
    ),
    why=(
        "An activation changes the second moment of a signal by $E[\\varphi(z)^2]$, and the gain "
        "is what makes up for it. But it does so at $E[z^2] = 1$ only. If the factor rises with "
        "the scale, a signal a little too large becomes larger still: for GELU, SiLU and Mish the "
        "point is unstable. If it falls, as for tanh, ELU and SELU, the signal comes back."
    ),
    formula=r"g = \frac{1}{\sqrt{E[\varphi(z)^2]}}, \quad z \sim N(0, 1)",
    instead=(
        "For ReLU and its kin the gain decides. For tanh gain 1 is no mistake: its signal "
        "shrinks slowly, as a power of depth, its gradient is kept, and it trains about as well "
        "as at its gain, where the signal is kept and the gradient grows. And for GELU, SiLU and "
        "Mish no gain holds a deep plain network: those are used with norms and residual "
        "branches, which do."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 15}, "at 15 layers GELU and Mish still hold, and SiLU drifts already."),
    flip={"gain": "sigmoid"},
    sources=(
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 10 and 15",
        (
            "Klambauer, Unterthiner, Mayr, Hochreiter, Self-normalizing neural networks, 2017, "
            "arXiv:1706.02515"
        ),
        (
            "Hayou, Doucet, Rousseau, On the impact of the activation function on deep neural "
            "networks training, 2019, arXiv:1902.06853"
        ),
    ),
)
