"""Do weights that are too small leave units stuck?"""

from __future__ import annotations

from dataclasses import dataclass

import fanin
from fanin.guide.checks import Check, above
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import lines
from fanin.guide.laboratory.runs import best_runs, curve, curve_steps
from fanin.picture import Picture

# Of the loss of a guess that ignores the input: above this share, nothing was learned.
_LEFT = 0.95
_SGD, _ADAM = (0.03, 0.1, 0.3), (0.001, 0.003, 0.01)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the weights start, what is drawn beside it; layers, units and activation."""

    start: str = "normal:0.01"
    beside: str = "he_normal"
    depth: int = 5
    width: int = 64
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    left: dict[str, list[float]] = {}
    curves: dict[str, list[float]] = {}
    for name, recipe, depth, optimizer, rates in (
        ("SGD", settings.start, settings.depth, "sgd", _SGD),
        ("Adam", settings.start, settings.depth, "adam", _ADAM),
        ("SGD, one hidden layer", settings.start, 1, "sgd", _SGD),
        (f"SGD, {settings.beside}", settings.beside, settings.depth, "sgd", _SGD),
    ):
        done = fanin.compare(
            "mlp", [recipe], seeds=effort.pick(5, 3), steps=effort.pick(300, 80),
            learning_rates=effort.pick(rates, rates[1:2]), optimizer=optimizer, depth=depth,
            width=settings.width, activation=settings.activation, batch_size=32, progress=False,
        )  # fmt: skip
        runs = best_runs(done, recipe)
        left[name] = [run.train_loss / done.uninformed_loss for run in runs]
        curves[name] = curve(done, runs)
    return {"left": left, "curves": curves, "at": curve_steps(done), "guess": done.uninformed_loss}


def judge(numbers: Numbers) -> tuple[Check, ...]:
    sgd, adam, shallow, _ = numbers["left"].values()
    return (
        above("loss after SGD over that of a guess", sgd, _LEFT),
        above("loss after Adam over that of a guess", adam, _LEFT, scope=True),
        above("the same with one hidden layer, SGD", shallow, _LEFT, scope=True),
    )


def draw(numbers: Numbers) -> Picture:
    return lines(
        numbers["curves"],
        "Loss along training, each at its best learning rate; dotted, the loss of a guess",
        x="step",
        y="training loss",
        at=numbers["at"],
        log=True,
        limit=numbers["guess"],
    )


CLAIM = Claim(
    name="stuck_units",
    part="understanding",
    title="Small weights leave units stuck",
    statement=(
        "If the weights start too small, units are stuck: they hardly move from where they "
        "started, and the network does not get beyond its first guess."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units from {start} learn digits, by SGD and by "
        "Adam, each at the best of several learning rates; and so does a network of one hidden "
        "layer. What part of an uninformed guess's loss is left at the end?"
    ),
    why=(
        "Zero is a saddle of the loss: with every weight near it, the gradient of a weight is a "
        "product of all the other layers' weights, and so as small as their product. Steps of SGD "
        "are proportional to it. The exit is exponentially slow in the number of layers. Adam "
        "divides each gradient by its own size, so its first steps are as long as the learning "
        "rate, however small the gradient is, and it walks off the saddle."
    ),
    formula=(
        r"y = w_L \cdots w_2\, w_1\, x \;\Rightarrow\; "
        r"\frac{\partial y}{\partial w_l} = x \prod_{k \neq l} w_k"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 3}, "fewer factors in the product: SGD leaves the plateau."),
    flip={"start": "he_normal", "beside": "normal:0.01"},
    sources=(
        (
            "Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in "
            "deep linear neural networks, 2014, arXiv:1312.6120"
        ),
        "Kingma, Ba, Adam, 2015, arXiv:1412.6980, section 2.1",
    ),
    instead=(
        "Small weights are a plateau, and how long it lasts depends on depth and optimizer. SGD "
        "does not leave it in a deep network; in one of a single hidden layer it does soon. "
        "Adam leaves it anyway, later than from a good start. What is small is said by the "
        "weights times the root of the fan_in, over all layers, and not by their std alone."
    ),
)
