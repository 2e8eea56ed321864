"""Does He's scale keep ReLU units from dying?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, below, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp, train
from fanin.picture import Picture

# A network that lost a fifth of its units has a problem worth a name.
_SHARE = 0.2
_CAREFUL = 0.03
_START, _TRAINED, _HIGH = "at the start", "after a careful rate", "after a high rate"


@dataclass(frozen=True, slots=True)
class Settings:
    """Recipe, what it is held against, the high learning rate, and the networks."""

    recipe: str = "he_normal"
    rival: str = "lecun_normal"
    high: float = 0.5
    depth: int = 10
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    recipes = (settings.recipe, settings.rival)
    dead: dict[str, dict[str, list[float]]] = {}
    for when, rate in ((_START, 0.0), (_TRAINED, _CAREFUL), (_HIGH, settings.high)):
        dead[when] = {}
        # Before training any other scale may be looked at, too.
        for recipe in dict.fromkeys(recipes if rate else (*recipes, "normal:0.01")):
            dead[when][recipe] = []
            for seed in effort.seeds(8, 3):
                model = fanin.init_(
                    mlp(settings.depth, settings.width, settings.activation), recipe, seed=seed
                )
                if rate:
                    train(model, data, steps=effort.pick(150, 50), learning_rate=rate, seed=seed,
                          batch=32)  # fmt: skip
                dead[when][recipe].append(_dead_share(model, data.x_train))
    return {"recipe": settings.recipe, "rival": settings.rival, "dead": dead}


def _dead_share(model: nn.Sequential, x: Tensor) -> float:
    """Of all hidden units, those that put out 0 for every sample."""
    dead = []
    with torch.no_grad():
        # Layer and activation in turn; the output layer's units are no ReLUs.
        for place, module in enumerate(list(model)[:-1]):
            x = module(x)
            if place % 2:
                dead.append((x == 0).all(0).float().mean())
    return float(torch.stack(dead).mean())


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours, rival, dead = numbers["recipe"], numbers["rival"], numbers["dead"]

    def fewer(when: str, *, scope: bool = False) -> Check:
        what = f"share of dead units {when}, {rival} minus {ours}"
        return better(what, dead[when][rival], dead[when][ours], scope=scope)

    return (
        fewer(_START),
        fewer(_HIGH),
        fewer(_TRAINED, scope=True),
        below(f"share of dead units {_HIGH} from {ours}", dead[_HIGH][ours], _SHARE, scope=True),
    )


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["dead"],
        "Share of units that are off for every sample, before training and after it at two rates",
        y="share of dead units",
        limit=_SHARE,
    )


CLAIM = Claim(
    name="he_dying",
    part="techniques",
    title="He prevents dying ReLU units",
    statement=(
        "He initialization prevents the dying ReLU problem: fewer units are off for every input, "
        "at the start and in training."
    ),
    experiment=(
        "Networks of {depth} layers of {width} {activation} units start from {recipe} and from "
        "{rival}, with the same noise. What share of the units is off for all 1,347 training "
        "digits, at the start, after training at a rate of 0.03, and at {high}?"
    ),
    why=(
        "A ReLU unit is on where its weighted sum is positive, and with zero biases a positive "
        "factor on all weights changes no sign. So the units that are dead at the start are the "
        "same for every scale; their share grows with depth, as inputs come to look alike. In "
        "training, units die when a step throws their weights or bias far to the negative side: "
        "that is a matter of the step, the rate times the gradient."
    ),
    formula=(
        r"\mathrm{relu}(c\,z) = c\,\mathrm{relu}(z) \quad (c > 0) \;\Rightarrow\; "
        r"z_i(x) > 0 \;\mathrm{for\;the\;same}\; x"
    ),
    instead=(
        "At the start the scale has no influence at all: He, LeCun and a hundredth of either have "
        "the same dead units. In training the learning rate decides. At a careful one the network "
        "from He does end with fewer, since it learns and the other hardly does; at a high one it "
        "loses many, as the other does. Against dying use a smaller rate, warmup, clipping, or "
        "leaky units."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"rival": "default"},
        "torch's own init has biases that outweigh its small weights after a few layers: now the "
        "scale does matter at the start.",
    ),
    flip={"rival": "default", "high": 0.03},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section "
            "2.2 (which is about variances)"
        ),
        (
            "Lu, Shin, Su, Karniadakis, Dying ReLU and initialization: theory and numerical "
            "examples, 2019, arXiv:1903.06733"
        ),
    ),
)
