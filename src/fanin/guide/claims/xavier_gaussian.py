"""Which distribution Xavier initialization draws from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

import fanin
from fanin.fans import linear
from fanin.guide.checks import Check, alike, within
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracies, lines
from fanin.picture import Picture

# Of E[w^4] / E[w^2]^2, which is 3 for a Gaussian and 1.8 for a uniform. A sample of 2^17 weights
# has it to within 0.02.
_LOW, _HIGH = 2.9, 3.1
# One point in a hundred is what 450 held-out digits can show.
_MARGIN = 0.01
_SHAPE = (256, 512)
_BINS = 60


@dataclass(frozen=True, slots=True)
class Settings:
    """The form that the paper prints, the Gaussian of the same variance, and hidden layers."""

    printed: str = "xavier_uniform"
    gaussian: str = "xavier_normal"
    depth: int = 5


def measure(settings: Settings, effort: Effort) -> Numbers:
    kurtosis: dict[str, list[float]] = {}
    histogram: dict[str, list[float]] = {}
    std = fanin.schemes.by_name(settings.gaussian).std(linear(_SHAPE))
    for name in dict.fromkeys((settings.printed, settings.gaussian)):
        scheme = fanin.schemes.by_name(name)
        kurtosis[name] = []
        for seed in effort.seeds(10, 4):
            drawn = scheme.init_(torch.empty(_SHAPE), seed=seed, name="weight")
            w = drawn.numpy().astype(np.float64).ravel() / std
            kurtosis[name].append(float((w**4).mean() / (w**2).mean() ** 2))
        histogram[name] = np.histogram(w, _BINS, (-4.0, 4.0), density=True)[0].tolist()
    result = fanin.compare(
        "mlp", list(kurtosis), depth=settings.depth, activation="tanh",
        steps=effort.pick(200, 60), batch_size=32, seeds=effort.pick(16, 3),
        learning_rates=effort.pick((0.03, 0.1, 0.3), (0.1,)), progress=False,
    )  # fmt: skip
    return {
        "printed": settings.printed, "gaussian": settings.gaussian, "kurtosis": kurtosis,
        "histogram": histogram, "accuracy": accuracies(result),
    }  # fmt: skip


def judge(numbers: Numbers) -> tuple[Check, ...]:
    printed, gaussian = numbers["printed"], numbers["gaussian"]
    return (
        within("kurtosis of weights drawn by equation 16 of the paper",
               numbers["kurtosis"][printed], _LOW, _HIGH),
        alike("held-out accuracy, Gaussian minus the paper's form",
              numbers["accuracy"][gaussian], numbers["accuracy"][printed], _MARGIN, scope=True),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    edges = np.linspace(-4.0, 4.0, _BINS + 1)
    return lines(
        numbers["histogram"],
        "Density of weights from the paper's rule and from a Gaussian of the same variance",
        x="weight, in standard deviations",
        y="density",
        at=((edges[1:] + edges[:-1]) / 2).tolist(),
    )


CLAIM = Claim(
    name="xavier_gaussian",
    part="techniques",
    title="Xavier is a Gaussian",
    statement=(
        "Xavier initialization draws the weights from a Gaussian, of mean 0 and variance "
        "2 / (fan_in + fan_out)."
    ),
    experiment=(
        "Weights are drawn by the rule as the paper prints it, equation 16 ({printed}). Are their "
        "tails a Gaussian's? And does it matter: networks of {depth} tanh layers are trained on "
        "digits from both forms, on the same seeds."
    ),
    why=(
        "Equation 16, which the paper calls normalized initialization, is a uniform distribution. "
        "A uniform on $[-b, b]$ has variance $b^2/3$, so that $b = \\sqrt{6/(n+m)}$ gives "
        "$2/(n+m)$. The derivation speaks of variances alone, and sums over many inputs are "
        "nearly Gaussian whatever the weights are, so the other form does the same."
    ),
    formula=(
        r"W \sim U\left[-\frac{\sqrt{6}}{\sqrt{n_j + n_{j+1}}},\; "
        r"\frac{\sqrt{6}}{\sqrt{n_j + n_{j+1}}}\right]"
    ),
    instead=(
        "The paper's form is uniform. Its theory fixes the variance and leaves the shape open; "
        "libraries offer both, and Keras and PyTorch's attention use the uniform one. Say which "
        "you mean where somebody has to reproduce your numbers; training does not care."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"depth": 1}, "few layers, little averaging: is the shape felt now?"),
    flip={"printed": "xavier_normal"},
    sources=(
        (
            "Glorot, Bengio, Understanding the difficulty of training deep feedforward neural "
            "networks, AISTATS 2010, eq. 12 (variance) and 16 (distribution)"
        ),
    ),
)
