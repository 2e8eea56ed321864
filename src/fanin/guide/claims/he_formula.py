"""Which formulas are He's, and which are Xavier's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

import fanin
from fanin.guide.checks import Check, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars
from fanin.picture import Picture

# Of a measured std, or bound, over a formula's: a sample of 2^16 weights has it to within 0.005.
_LOW, _HIGH = 0.98, 1.02


@dataclass(frozen=True, slots=True)
class Settings:
    """What is held against the formulas: a normal recipe and a uniform one, and a layer."""

    normal: str = "he_normal"
    uniform: str = "he_uniform"
    fan_in: int = 256
    fan_out: int = 256


def measure(settings: Settings, effort: Effort) -> Numbers:
    n, m = settings.fan_in, settings.fan_out
    drawn = {}
    for what, recipe in (
        ("normal", settings.normal), ("uniform", settings.uniform), ("xavier", "xavier_normal"),
    ):  # fmt: skip
        drawn[what] = [
            fanin.init_(nn.Linear(n, m), recipe, seed=seed).weight.detach().double()
            for seed in effort.seeds(10, 4)
        ]
    return {
        "recipes": [settings.normal, settings.uniform],
        "std": {what: [float(w.square().mean().sqrt()) for w in drawn[what]] for what in drawn},
        "bound": [float(w.abs().max()) for w in drawn["uniform"]],
        "first": math.sqrt(2 / n),
        "second": math.sqrt(2 / (n + m)),
        "widest": math.sqrt(6 / n),
    }


def judge(numbers: Numbers) -> tuple[Check, ...]:
    normal, uniform = numbers["recipes"]
    std = numbers["std"]
    return (
        _ratio(f"std of {normal} over sqrt(2 / fan_in)", std["normal"], numbers["first"]),
        _ratio(f"std of {normal} over sqrt(2 / (fan_in + fan_out))",
               std["normal"], numbers["second"]),
        _ratio(f"largest weight of {uniform} over sqrt(6 / fan_in)",
               numbers["bound"], numbers["widest"]),
        _ratio("std of xavier_normal over sqrt(2 / (fan_in + fan_out))",
               std["xavier"], numbers["second"]),
    )  # fmt: skip


def _ratio(what: str, values: list[float], formula: float) -> Check:
    return within(what, [value / formula for value in values], _LOW, _HIGH)


def draw(numbers: Numbers) -> Picture:
    normal, uniform = numbers["recipes"]
    std = numbers["std"]
    return bars(
        {
            normal: std["normal"],
            uniform: std["uniform"],
            "sqrt(2 / fan_in)": [numbers["first"]],
            "xavier_normal": std["xavier"],
            "sqrt(2 / (fan_in + fan_out))": [numbers["second"]],
        },
        "Standard deviations that were drawn, beside the two formulas",
        y="standard deviation",
        size=(7.2, 3.8),
    )


CLAIM = Claim(
    name="he_formula",
    part="techniques",
    title="The formula of He initialization",
    statement=(
        "He initialization has the standard deviation sqrt(2 / fan_in), or equally "
        "sqrt(2 / (fan_in + fan_out)); its uniform form has the bound sqrt(6 / fan_in)."
    ),
    experiment=(
        "Layers of {fan_in} inputs and {fan_out} outputs are drawn from {normal}, {uniform} and "
        "xavier_normal. What is their standard deviation, and the largest weight of the uniform "
        "one, over what each formula says?"
    ),
    why=(
        "The 2 of the two formulas has two reasons. In He's rule it makes up for ReLU, which "
        "passes half of the second moment. In Xavier's it comes from a mean: "
        "$(n_\\mathrm{in} + n_\\mathrm{out})/2$ stands for the fan. With as many inputs as "
        "outputs Xavier's variance is $1/n$ and He's $2/n$."
    ),
    formula=(
        r"\mathrm{He}: \sqrt{\frac{2}{n_\mathrm{in}}}, \quad "
        r"\mathrm{Xavier}: \sqrt{\frac{2}{n_\mathrm{in} + n_\mathrm{out}}}"
    ),
    instead=(
        "sqrt(2 / fan_in) is He's, and sqrt(6 / fan_in) the bound of its uniform form. "
        "sqrt(2 / (fan_in + fan_out)) is Xavier's: with as many inputs as outputs it is smaller by "
        "sqrt(2), which halves the second moment in each ReLU layer. He's paper allows fan_out in "
        "place of fan_in, never their sum."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"fan_out": 2304},
        "a layer that widens ninefold: the two formulas are now a factor sqrt(10) apart.",
    ),
    flip={"fan_in": 8192, "fan_out": 8},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 10 "
            "and 14"
        ),
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 12"
        ),
    ),
)
