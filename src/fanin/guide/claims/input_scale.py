"""Must inputs be standardised?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

import fanin
from fanin.ensembles import load
from fanin.errors import UnknownNameError
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp
from fanin.picture import Picture

# Four times the loss of a guess is where fanin.check begins to warn, from trained networks.
_LOSS = 4.0
# Of runs at the learning rate that suits standardised inputs; and of the loss of a guess.
_MOST, _LEFT = 0.5, 0.95
_RATES = (0.03, 0.1, 0.3)
_PIXELS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "standardised": lambda x: x,
    "times 30": lambda x: 30 * x,
    "0..1": lambda x: (x - x.min()) / (x.max() - x.min()),
    "0..255": lambda x: 255 * (x - x.min()) / (x.max() - x.min()),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How the pixels are given; how the weights start, hidden layers and units."""

    inputs: str = "0..255"
    start: str = "he_normal"
    depth: int = 5
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    if settings.inputs not in _PIXELS:
        raise UnknownNameError("form of the inputs", settings.inputs, _PIXELS)
    given = _PIXELS[settings.inputs]
    data = load("digits")
    x, y = data.x_train[:256], data.y_train[:256]
    loss: dict[str, list[float]] = {}
    for seed in effort.seeds(10, 4):
        for name, inputs, normed, recipe in (
            ("standardised inputs", x, False, settings.start),
            (f"given {settings.inputs}", given(x), False, settings.start),
            (f"given {settings.inputs}, layer norm", given(x), True, settings.start),
            (f"given {settings.inputs}, lsuv", given(x), False, "lsuv"),
        ):
            model = fanin.init_(_net(settings, normed), recipe, inputs=inputs, seed=seed)
            report = fanin.check(model, inputs, y, loss=functional.cross_entropy)
            loss.setdefault(name, []).append(report.loss / data.uninformed_loss)
    seeds, steps = effort.pick(6, 3), effort.pick(200, 60)
    suited = fanin.compare(
        lambda: _net(settings, False), [settings.start], seeds=seeds, steps=steps,
        learning_rates=effort.pick(_RATES, _RATES[1:2]), batch_size=32, progress=False,
    )  # fmt: skip
    rate = suited.ranking[0].learning_rate
    done = fanin.compare(
        lambda: _net(settings, False), [settings.start], data=(given(data.x_train), data.y_train),
        seeds=seeds, steps=steps, learning_rates=(rate,), batch_size=32, progress=False,
    )  # fmt: skip
    # Not a number where a run diverged, and then the comparison is false.
    idle = [int(not run.train_loss < _LEFT * done.uninformed_loss) for run in done.runs]
    return {"inputs": settings.inputs, "loss": loss, "rate": rate, "idle": idle}


def _net(settings: Settings, normed: bool) -> nn.Module:
    model = mlp(settings.depth, settings.width)
    return nn.Sequential(nn.LayerNorm(64), model) if normed else model


def judge(numbers: Numbers) -> tuple[Check, ...]:
    _, raw, normed, measured = numbers["loss"].values()
    return (
        above("first loss over that of a guess", raw, _LOSS, decades=True),
        above("share that learns nothing at the rate of standardised inputs",
              [float(one) for one in numbers["idle"]], _MOST),
        above("first loss, layer norm first", normed, _LOSS, decades=True, scope=True),
        above("first loss, lsuv on the same inputs", measured, _LOSS, decades=True, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["loss"],
        "Loss before training over that of a guess, by how the inputs are given",
        y="first loss over a guess's",
        log=True,
        limit=_LOSS,
    )


CLAIM = Claim(
    name="input_scale",
    part="understanding",
    title="Inputs must be standardised",
    statement=(
        "Inputs must be standardised to mean 0 and variance 1, or no initialization can keep its "
        "promise."
    ),
    experiment=(
        "{depth} layers of {width} ReLU units from {start} read digits whose pixels are given as "
        "{inputs}: what is the first loss, over that of a guess? Does training at the rate that "
        "suits standardised inputs learn anything? And what is the first loss with a layer norm "
        "in front, and from `lsuv`, which measures the first batch?"
    ),
    why=(
        "An initialization promises to hand on the scale that it is given. A ReLU network with "
        "biases 0 even does so exactly: inputs that are $k$ times larger give outputs that are "
        "$k$ times larger, so softmax starts sure and mostly wrong, and the gradient of the first "
        "weights grows by $k$. A norm in front divides by $k$, and a recipe that measures divides "
        "the weights by it."
    ),
    formula=r"f(k\,x) = k\,f(x) \quad \text{for ReLU with biases 0}",
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"inputs": "0..1"}, "not standardised either, and near enough: the scale is what counts."
    ),
    flip={"inputs": "standardised"},
    sources=(
        "LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 4.3",
        "Mishkin, Matas, All you need is a good init, 2016, arXiv:1511.06422",
    ),
    instead=(
        "What is promised is that the scale is kept, so somebody has to set it. That may be the "
        "inputs, a norm in front of the first layer, or an initialization that measures a batch. "
        "Where there is none of these, pixels of 0 to 255 undo the best of schemes."
    ),
)
