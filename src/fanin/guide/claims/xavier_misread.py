"""Xavier's variance, and LeCun's."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

import fanin
from fanin.guide.checks import Check, alike, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies, bars, stack
from fanin.picture import Picture

# Of variance times fan_in, which the statement says is 1; a sample of 2^13 weights has it to
# within 0.02.
_LOW, _HIGH = 0.95, 1.05
# One point in a hundred is what 450 held-out digits can show.
_MARGIN = 0.01
_LECUN = "lecun_normal"


@dataclass(frozen=True, slots=True)
class Settings:
    """Recipe, units of the wide and of the narrow layers, activation of the trained networks."""

    recipe: str = "xavier_normal"
    wide: int = 256
    narrow: int = 32
    activation: str = "tanh"


def measure(settings: Settings, effort: Effort) -> Numbers:
    wide, narrow = settings.wide, settings.narrow
    product: dict[str, list[float]] = {}
    for fan_in, fan_out in ((wide, wide), (narrow, wide), (wide, narrow)):
        of_layer = []
        for seed in effort.seeds(10, 5):
            layer = fanin.init_(nn.Linear(fan_in, fan_out), settings.recipe, seed=seed)
            of_layer.append(float(layer.weight.detach().double().square().mean() * fan_in))
        product[f"{fan_in} to {fan_out}"] = of_layer
    accuracy = {}
    for depth, seeds in ((4, effort.pick(12, 3)), (12, effort.pick(6, 2))):
        widths = [wide, narrow] * (depth // 2)

        def build(widths: list[int] = widths) -> nn.Module:
            return stack(widths, settings.activation)

        result = fanin.compare(
            build, [settings.recipe, _LECUN], steps=effort.pick(150, 50), batch_size=32,
            seeds=seeds, learning_rates=effort.pick((0.03, 0.1), (0.1,)), progress=False,
        )  # fmt: skip
        accuracy[str(depth)] = accuracies(result)
    return {"recipe": settings.recipe, "product": product, "accuracy": accuracy}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours = numbers["recipe"]
    return (
        *(
            within(f"variance times fan_in, from {layer} units", values, _LOW, _HIGH)
            for layer, values in numbers["product"].items()
        ),
        *(
            alike(f"held-out accuracy at {depth} layers, {ours} minus {_LECUN}",
                  found[ours], found[_LECUN], _MARGIN, scope=True)
            for depth, found in numbers["accuracy"].items()
        ),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["product"],
        "Variance of Xavier's weights times fan_in, for three shapes of a layer",
        y="variance times fan_in",
        limit=1.0,
    )


CLAIM = Claim(
    name="xavier_misread",
    part="techniques",
    title="Xavier has variance 1 / fan_in",
    statement="Xavier initialization gives the weights the variance 1 / fan_in.",
    experiment=(
        "Layers of {wide} and {narrow} units are drawn from {recipe}: what is the variance times "
        "fan_in? Then {activation} networks whose layers have {wide} and {narrow} units in turn "
        "are trained on digits from it and from LeCun's rule, which does have 1 / fan_in."
    ),
    why=(
        "$1/n_\\mathrm{in}$ keeps the signal going forward; it is LeCun's rule of 1998. Glorot and "
        "Bengio wanted the gradient kept as well, which asks for $1/n_\\mathrm{out}$, and took the "
        "harmonic mean of the two. The two rules are the same where a layer has as many outputs "
        "as inputs, and never further apart than a factor of 2 upwards; downwards there is no "
        "bound."
    ),
    formula=(
        r"n_\mathrm{in}\,\mathrm{Var}(w) = \frac{2\,n_\mathrm{in}}{n_\mathrm{in} + n_\mathrm{out}}"
    ),
    instead=(
        "The variance is 2 / (fan_in + fan_out). It is 1 / fan_in for square layers only; a layer "
        "that widens gets less, one that narrows more, up to twice that. Some texts and programs "
        "(Caffe's xavier filler, unless told otherwise) mean LeCun's rule when they say Xavier: "
        "look at the formula, not at the name."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"narrow": 128}, "the closer the widths, the closer the two rules: what is left at 2 to 1?"
    ),
    flip={"wide": 64, "narrow": 64},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 10 to 12"
        ),
        "LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 4.6",
    ),
)
