"""He's factor 2 where a part of the negative side passes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import nn

import fanin
from fanin.guide.checks import Check, alike, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies, lines, mlp, signals
from fanin.picture import Picture

# Of the factor by which the wrong constant changes a second moment over all layers.
_LOW, _HIGH = 0.5, 2.0
# Two points in a hundred: deep plain networks scatter more over seeds than shallow ones.
_MARGIN = 0.02
# The slope of nn.LeakyReLU.
_USUAL = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """The negative slope, layers of the first pass and of the training, units trained."""

    slope: float = 0.25
    depth: int = 50
    trained: int = 10
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    excess: dict[str, list[float]] = {}
    forward: dict[str, list[list[float]]] = {}
    for slope in dict.fromkeys((_USUAL, settings.slope)):
        plain, exact = "he_normal", f"he_normal:{slope:g}"
        excess[f"{slope:g}"] = []
        for seed in effort.seeds(8, 3):
            # The same noise for both, so that nothing but the constant differs.
            rms = []
            for recipe in (plain, exact):
                model = mlp(settings.depth, 128, partial(nn.LeakyReLU, slope))
                rms.append(signals(fanin.init_(model, recipe, seed=seed)).forward[:-1])
            ratio = [(a / b) ** 2 for a, b in zip(*rms, strict=True)]
            excess[f"{slope:g}"].append(ratio[-1] / ratio[0])
            if slope == settings.slope:
                forward.setdefault("sqrt(2)", []).append(list(rms[0][::3]))
                forward.setdefault("sqrt(2 / (1 + a^2))", []).append(list(rms[1][::3]))
    plain, exact = "he_normal", f"he_normal:{settings.slope:g}"

    def build() -> nn.Module:
        return mlp(settings.trained, settings.width, partial(nn.PReLU, init=settings.slope))

    result = fanin.compare(
        build, [plain, exact], steps=effort.pick(200, 60), batch_size=32,
        seeds=effort.pick(10, 2), learning_rates=effort.pick((0.03, 0.1), (0.03,)), progress=False,
    )  # fmt: skip
    accuracy = accuracies(result)
    return {
        "slope": settings.slope, "excess": excess, "forward": forward,
        "layers": list(range(1, settings.depth + 1, 3)),
        "accuracy": {"plain": accuracy[plain], "exact": accuracy[exact]},
    }  # fmt: skip


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        *(
            within(f"second moment of the last layer over that of the exact rule, slope {slope}",
                   values, _LOW, _HIGH, decades=True, scope=float(slope) != _USUAL)
            for slope, values in numbers["excess"].items()
        ),
        alike("held-out accuracy of PReLU networks, sqrt(2) minus the exact rule",
              numbers["accuracy"]["plain"], numbers["accuracy"]["exact"], _MARGIN),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["forward"],
        f"RMS of signals before training by layer, leaky ReLU of slope {numbers['slope']:g}",
        x="layer",
        y="RMS",
        at=numbers["layers"],
        log=True,
    )


CLAIM = Claim(
    name="he_leaky",
    part="techniques",
    title="He suits leaky ReLU and PReLU",
    statement=(
        "He initialization, variance 2 / fan_in, suits leaky ReLU and PReLU as it suits ReLU."
    ),
    experiment=(
        "{depth} layers of 128 leaky ReLU units of slope 0.01 (torch's) and {slope} (where PReLU "
        "starts): how much larger is the last layer's second moment than with the exact rule, "
        "2 / ((1 + a^2) fan_in), drawn from the same noise? Then PReLU networks of {trained} "
        "layers of {width} units are trained on digits from both."
    ),
    why=(
        "Leaky ReLU of slope $a$ keeps $(1 + a^2)/2$ of the second moment where ReLU keeps half. "
        "With a factor 2 in the variance each layer then multiplies by $1 + a^2$. For $a = 0.01$ "
        "that is one in ten thousand, for $a = 0.25$ six in a hundred, which depth compounds."
    ),
    formula=r"\mathrm{Var}(w) = \frac{2}{(1 + a^2)\, n_\mathrm{in}}",
    instead=(
        "For the usual slope of 0.01 the two rules are the same for any depth in use. From 0.2 on "
        "the plain one makes a deep network grow, exponentially in depth though slowly: a few "
        "layers do not feel it, fifty do. The exact rule costs nothing: he_normal:0.25 here, "
        "a=0.25 in torch.nn.init.kaiming_normal_."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"slope": 0.5}, "each layer now adds a quarter: what do fifty layers make of it?"
    ),
    flip={"slope": 0.0},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 15 "
            "(and section 2.1 on PReLU's start at 0.25)"
        ),
    ),
)
