"""He against Xavier on ReLU networks, shallow and deep."""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies, bars
from fanin.picture import Picture

# One point in a hundred is what 450 held-out digits can show.
_MARGIN = 0.01
_SHALLOW = (2, 5)
_DEEP = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Recipe, what it is held against, and the networks: units, activation."""

    recipe: str = "he_normal"
    rival: str = "xavier_normal"
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    accuracy = {}
    for depth in (*_SHALLOW, _DEEP):
        deep = depth == _DEEP
        result = fanin.compare(
            "mlp", [settings.recipe, settings.rival], depth=depth, width=settings.width,
            activation=settings.activation, steps=effort.pick(200, 70), batch_size=32,
            seeds=effort.pick(8 if deep else 10, 3), progress=False,
            learning_rates=effort.pick((0.03, 0.1) if deep else (0.03, 0.1, 0.3), (0.03,)),
        )  # fmt: skip
        accuracy[str(depth)] = accuracies(result)
    return {"recipe": settings.recipe, "rival": settings.rival, "accuracy": accuracy}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours, rival, accuracy = numbers["recipe"], numbers["rival"], numbers["accuracy"]
    return tuple(
        better(f"held-out accuracy at {depth} layers, {ours} minus {rival}",
               accuracy[str(depth)][ours], accuracy[str(depth)][rival], by=_MARGIN,
               scope=depth != _DEEP)
        for depth in (_DEEP, *_SHALLOW)
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            f"{depth} layers": {name: found[name] for name in (numbers["recipe"], numbers["rival"])}
            for depth, found in numbers["accuracy"].items()
        },
        "Held-out accuracy by number of layers, each recipe at its best learning rate",
        y="held-out accuracy",
    )


CLAIM = Claim(
    name="he_beats_xavier",
    part="techniques",
    title="He beats Xavier on ReLU networks",
    statement="On networks of ReLU units He initialization gives better results than Xavier's.",
    experiment=(
        "Networks of 2, 5 and 20 layers of {width} {activation} units are trained on digits from "
        "{recipe} and from {rival}: same seeds, same minibatches, each at the best of its learning "
        "rates. Is the difference in held-out accuracy more than a point?"
    ),
    why=(
        "The two differ by $\\sqrt{2}$ in the scale of each layer (in layers of equal widths). "
        "Through $L$ layers that is $2^{L/2}$ in the signal, and as much in the gradient: twofold "
        "at two layers, a thousandfold at twenty. A learning rate that is chosen for each makes "
        "up for the former and not for the latter."
    ),
    formula=(r"\frac{\mathrm{RMS}_\mathrm{He}(z_L)}{\mathrm{RMS}_\mathrm{Xavier}(z_L)} = 2^{L/2}"),
    instead=(
        "It does where the network is deep and plain, and there it decides between learning and "
        "not. With two or five layers, held-out accuracy hardly tells the two apart once each has "
        "its own learning rate; He may be the faster one at a given rate. For ReLU it is the "
        "better default all the same: it costs nothing, and depth breaks it later."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"activation": "gelu"}, "GELU passes less than ReLU does: is He's factor of use to it?"
    ),
    flip={"activation": "selu"},
    sources=(
        (
            "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, section "
            "2.2 and figures 2 and 3 (22 layers: both converge; 30: only He's)"
        ),
    ),
)
