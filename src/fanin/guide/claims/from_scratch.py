"""The four techniques are a few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from scipy import stats
from torch import Tensor, nn

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, alike, below, exactly, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp, train
from fanin.guide.laboratory.from_scratch import start_
from fanin.picture import Picture

# The standard deviation of 55,000 draws strays by 0.3 percent.
_LOW, _HIGH = 0.99, 1.01
# Two samples of that size from one distribution lie further apart once in a hundred times.
_APART = 0.01
# Of accuracy: the seeds of one scheme differ by about as much.
_MARGIN = 0.02
_SHALLOW = ("Linear", "Conv2d")
_LAYERS: dict[str, Callable[[], nn.Module]] = {
    "Linear": lambda: nn.Linear(200, 300),
    "Conv2d": lambda: nn.Conv2d(64, 96, 3),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(64, 96, 3),
    "LSTM": lambda: nn.LSTM(100, 150),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What fanin is called with, for each of the four that are written by hand."""

    zero: str = "zeros"
    random: str = "normal:0.01"
    xavier: str = "xavier_normal"
    he: str = "he_normal"


def measure(settings: Settings, effort: Effort) -> Numbers:
    recipes: dict[str, str] = asdict(settings)
    ratio: dict[str, dict[str, list[float]]] = {
        layer: {rule: [] for rule in recipes if rule != "zero"} for layer in _LAYERS
    }
    apart, largest = [], []
    for seed in effort.seeds(6, 3):
        distances = []
        for rule, recipe in recipes.items():
            for layer, build in _LAYERS.items():
                ours, theirs = _first(start_(build(), rule, seed)), _fanin(build(), recipe, seed)
                if rule == "zero":
                    largest.append(float((ours - theirs).abs().max()))
                    continue
                ratio[layer][rule].append(float(ours.std() / theirs.std()))
                if layer in _SHALLOW:
                    distances.append(_distance(ours, theirs))
        apart.append(max(distances))
    return {
        "recipes": recipes,
        "largest": largest,
        "ratio": ratio,
        "apart": apart,
        "accuracy": _accuracies(recipes, effort),
    }


def _fanin(layer: nn.Module, recipe: str, seed: int) -> Tensor:
    return _first(fanin.init_(layer, recipe, seed=seed))


def _first(layer: nn.Module) -> Tensor:
    """The first weight of a layer."""
    return next(layer.parameters()).detach()


def _distance(ours: Tensor, theirs: Tensor) -> float:
    """Of Kolmogorov and Smirnov: the largest difference between two shares of values."""
    found = stats.ks_2samp(ours.flatten().numpy(), theirs.flatten().numpy(), method="asymp")
    return float(found.statistic)


def _accuracies(recipes: dict[str, str], effort: Effort) -> dict[str, dict[str, list[float]]]:
    """Held-out accuracy on digits of one network, by hand and by fanin's call."""
    data, steps = load("digits"), effort.pick(200, 60)

    def reached(model: nn.Module, seed: int) -> float:
        return train(model, data, steps=steps, learning_rate=0.1, seed=seed).accuracy

    found: dict[str, dict[str, list[float]]] = {}
    for rule in ("xavier", "he"):
        found[rule] = {"by hand": [], "fanin": []}
        for seed in effort.seeds(8, 3):
            with torch.random.fork_rng(devices=[]):
                ours, theirs = mlp(2, 64), mlp(2, 64)
            found[rule]["by hand"].append(reached(start_(ours, rule, seed), seed))
            found[rule]["fanin"].append(
                reached(fanin.init_(theirs, recipes[rule], seed=seed), seed)
            )
    return found


def judge(numbers: Numbers) -> tuple[Check, ...]:
    return (
        exactly("zero: largest difference", numbers["largest"], 0.0),
        *(_same_scale(numbers, rule, _SHALLOW) for rule in ("random", "xavier", "he")),
        below("largest distance of Kolmogorov and Smirnov", numbers["apart"], _APART),
        *(
            alike(
                f"{rule}: held-out accuracy, by hand minus {numbers['recipes'][rule]}",
                one["by hand"], one["fanin"], _MARGIN,
            )
            for rule, one in numbers["accuracy"].items()
        ),
        _same_scale(numbers, "xavier", ("LSTM",), scope=True),
        _same_scale(numbers, "he", ("ConvTranspose2d",), scope=True),
    )  # fmt: skip


def _same_scale(
    numbers: Numbers, rule: str, layers: tuple[str, ...], *, scope: bool = False
) -> Check:
    return within(
        f"{rule} on {' and '.join(layers)}: standard deviation over fanin's",
        [value for layer in layers for value in numbers["ratio"][layer][rule]],
        _LOW,
        _HIGH,
        scope=scope,
    )


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["ratio"],
        "Standard deviation of weights drawn by hand over that of fanin's, by kind of layer",
        y="by hand / fanin",
        limit=1.0,
    )


CLAIM = Claim(
    name="from_scratch",
    part="applying",
    title="Four techniques in twenty lines",
    statement=(
        "Zero, random, Xavier and He initialization are a few lines of code: fan_in and fan_out "
        "are read from the weight's shape, and a normal number is drawn for each entry."
    ),
    experiment=(
        "The four written by hand in plain PyTorch, against fanin's {zero}, {random}, {xavier} and "
        "{he}. Are the numbers of one distribution, and do networks of both reach the same "
        "accuracy on digits? Then the same lines on an LSTM and on a transposed convolution."
    ),
    why=(
        "All four are one normal draw times a scale, and the scale is a formula in fan_in and "
        "fan_out. The only thing to get wrong are the fans. For a linear layer and a convolution "
        "they stand in the shape: out, in, and the field. For a transposed convolution the first "
        "two axes are the other way round, and an LSTM keeps four matrices in one."
    ),
    formula=(
        r"\sigma_\mathrm{Xavier} = \sqrt{\frac{2}{n_\mathrm{in} + n_\mathrm{out}}}, \quad "
        r"\sigma_\mathrm{He} = \sqrt{\frac{2}{n_\mathrm{in}}}"
    ),
    instead=(
        "The draw is a few lines; the fans are not in the shape. They belong to the operation that "
        "uses the weight, so lines that read the shape are right for linear layers and "
        "convolutions, and quietly wrong for transposed convolutions, stacked gates and whatever "
        "else stores its weight in another order."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"he": "he_uniform"},
        "the same variance from another distribution: the scales agree, the distance does not.",
    ),
    flip={"he": "lecun_normal"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 12"
        ),
        "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, arXiv:1502.01852, eq. 10",
    ),
)
