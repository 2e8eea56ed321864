"""Is a network from a better start more robust to changes of its input?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import fanin
from fanin.ensembles import load
from fanin.guide.checks import Check, better
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracy, bars, mlp, train
from fanin.guide.laboratory.runs import best_runs
from fanin.picture import Picture

# Two of a hundred digits, as for generalization.
_POINTS = 0.02
_RATES = (0.003, 0.01, 0.03)


@dataclass(frozen=True, slots=True)
class Settings:
    """The better start, the worse one, two that are usual; the noise's std; layers and units."""

    better: str = "he_normal"
    worse: str = "normal:0.3"
    xavier: str = "xavier_normal"
    usual: str = "default"
    noise: float = 0.5
    depth: int = 5
    width: int = 64


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    recipes = [settings.better, settings.worse, settings.xavier, settings.usual]
    steps = effort.pick(400, 80)
    # The rates are chosen on seeds of their own, by training loss.
    tried = fanin.compare(
        "mlp", list(dict.fromkeys(recipes)), seeds=effort.pick((100, 101), (100,)), steps=steps,
        learning_rates=effort.pick(_RATES, _RATES[1:2]), optimizer="momentum",
        depth=settings.depth, width=settings.width, batch_size=32, progress=False,
    )  # fmt: skip
    rates = {name: best_runs(tried, name)[0].learning_rate for name in recipes}
    right: dict[str, dict[str, list[float]]] = {}
    for seed in effort.seeds(6, 3):
        changes = {
            "as it is": lambda x: x,
            f"noise {settings.noise:g}": _noise(data.x_test, settings.noise, seed),
            "moved by a pixel": moved,
        }
        for name, rate in rates.items():
            model = fanin.init_(mlp(settings.depth, settings.width), name, seed=seed)
            train(model, data, steps=steps, learning_rate=rate, seed=seed, batch=32,
                  optimizer="momentum")  # fmt: skip
            for what, change in changes.items():
                seeds = right.setdefault(what, {}).setdefault(name, [])
                seeds.append(accuracy(model, data, change=change))
    return {"recipes": recipes, "rates": rates, "accuracy": right}


def _noise(like: Tensor, std: float, seed: int) -> Callable[[Tensor], Tensor]:
    """Adds the same noise for every network of a seed."""
    generator = torch.Generator().manual_seed(seed)
    noise = std * torch.randn(like.shape, generator=generator)
    return lambda x: x + noise


def moved(x: Tensor) -> Tensor:
    """Images moved to the right by a pixel; what comes in is background, as at the left edge."""
    images = x.reshape(-1, 8, 8).roll(1, -1)
    images[:, :, 0] = x.min()
    return images.reshape(x.shape)


def judge(numbers: Numbers) -> tuple[Check, ...]:
    ours, worse, *usual = numbers["recipes"]
    clean, noisy, off = numbers["accuracy"].values()
    lost = {name: _minus(clean[name], noisy[name]) for name in clean}
    return (
        better(f"accuracy under noise, {ours} minus {worse}", noisy[ours], noisy[worse],
               by=_POINTS),
        better(f"accuracy lost by noise, {worse} minus {ours}", lost[worse], lost[ours],
               by=_POINTS),
        better(f"accuracy on moved images, {ours} minus {worse}", off[ours], off[worse],
               by=_POINTS, scope=True),
        *(
            better(f"accuracy under noise, {ours} minus {other}", noisy[ours], noisy[other],
                   scope=True)
            for other in usual
        ),
    )  # fmt: skip


def _minus(ours: list[float], theirs: list[float]) -> list[float]:
    return [one - other for one, other in zip(ours, theirs, strict=True)]


def draw(numbers: Numbers) -> Picture:
    return bars(
        numbers["accuracy"],
        "Held-out accuracy on images as they are, with noise, and moved by a pixel, by start",
        y="held-out accuracy",
    )


CLAIM = Claim(
    name="robustness",
    part="understanding",
    title="A better start makes networks robust",
    statement=(
        "A better initialization makes the trained network more robust to changes of its input."
    ),
    experiment=(
        "{depth} layers of {width} ReLU units learn digits from {better}, from weights that are "
        "too large ({worse}), from {xavier} and from the framework's own start ({usual}), each at "
        "its best learning rate. How many held-out digits are named rightly when noise of std "
        "{noise} is added to each pixel, and when the image is moved by a pixel?"
    ),
    why=(
        "A change of the input passes through the same layers as the signal. Where the weights "
        "are large, each layer makes it larger; training moves such weights little, so the "
        "trained network keeps the sensitivity that it was born with. Small changes then cross "
        "the borders between classes. Which direction of change matters is a different question, "
        "on which the scale of the weights has no say."
    ),
    formula=r"y(x + \epsilon) - y(x) \approx J(x)\,\epsilon",
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"noise": 0.1}, "little noise: the differences shrink with it."),
    flip={"better": "normal:0.3", "worse": "he_normal"},
    sources=(
        (
            "Novak, Bahri, Abolafia, Pennington, Sohl-Dickstein, Sensitivity and generalization in "
            "neural networks, 2018, arXiv:1802.08760"
        ),
    ),
    instead=(
        "A network from weights that are too large is fragile. Among starts that keep the signal "
        "at a sane scale none is seen to be more robust than another. And a change that the "
        "training data do not contain, such as an image moved by a pixel, hits all of them hard: "
        "train on the changes that you expect. No initialization replaces that."
    ),
)
