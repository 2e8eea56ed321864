"""Does half precision need another initialization?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

import fanin
from fanin import recipes
from fanin.ensembles import Dataset, load
from fanin.guide.checks import Check, above, unlike
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars, mlp
from fanin.picture import Picture

_HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
_FACTORS = (0.125, 0.25, 0.5, 1.0)
_BATCH = 32
# Of accuracy: two points are what one knows of a network that was tested on 450 images.
_MARGIN = 0.02
# Of a gradient's entries, lost to 0: a network hardly misses one in twenty.
_LOST = 0.05
_RATE = 0.003


@dataclass(frozen=True, slots=True)
class Settings:
    """The start, times a scale; hidden layers, units, activation."""

    recipe: str = "he_normal"
    scale: float = 1.0
    depth: int = 10
    width: int = 32
    activation: str = "relu"


def measure(settings: Settings, effort: Effort) -> Numbers:
    data = load("digits")
    scales = sorted({*_FACTORS, settings.scale})
    lost: dict[str, list[list[float]]] = {name: [] for name in _HALVES}
    accuracy: dict[str, list[float]] = {name: [] for name in ("float32", *_HALVES)}
    for seed in effort.seeds(6, 3):
        for name, dtype in _HALVES.items():
            row = [_lost(_started(settings, scale, seed), data, dtype) for scale in scales]
            lost[name].append(row)
        for name in accuracy:
            model = _started(settings, settings.scale, seed)
            dtype = getattr(torch, name)
            accuracy[name].append(_trained(model, data, dtype, effort.pick(200, 60), seed))
    return {
        "scales": scales,
        "scale": settings.scale,
        "recipe": settings.recipe,
        "lost": lost,
        "accuracy": accuracy,
    }


def _started(settings: Settings, scale: float, seed: int) -> nn.Module:
    model = mlp(settings.depth, settings.width, settings.activation)
    return fanin.init_(model, recipes.scale(settings.recipe, scale), seed=seed)


def _scores(model: nn.Module, x: Tensor, dtype: torch.dtype) -> Tensor:
    """A pass in another precision, with weights kept in float32, as mixed precision has it."""
    cast: Mapping[str, Tensor] = {name: p.to(dtype) for name, p in model.named_parameters()}
    scores: Tensor = functional_call(model, dict(cast), (x.to(dtype),))
    return scores.float()


def _gradients(model: nn.Module, x: Tensor, y: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
    loss = functional.cross_entropy(_scores(model, x, dtype), y)
    return torch.autograd.grad(loss, list(model.parameters()))


def _lost(model: nn.Module, data: Dataset, dtype: torch.dtype) -> float:
    """Share of the weights' gradients that are 0 in half precision and not in float32."""
    x, y = data.x_train[:_BATCH], data.y_train[:_BATCH]
    there = lost = 0
    for full, half in zip(
        _gradients(model, x, y, torch.float32), _gradients(model, x, y, dtype), strict=True
    ):
        if full.ndim > 1:
            there += int((full != 0).sum())
            lost += int(((full != 0) & (half == 0)).sum())
    return lost / max(there, 1)


def _trained(model: nn.Module, data: Dataset, dtype: torch.dtype, steps: int, seed: int) -> float:
    """Held-out accuracy after training by Adam; steps whose gradient is not finite are left out."""
    generator = torch.Generator().manual_seed(seed)
    parameters = list(model.parameters())
    descent = torch.optim.Adam(parameters, _RATE)
    for _ in range(steps):
        chosen = torch.randint(len(data.x_train), (_BATCH,), generator=generator)
        gradients = _gradients(model, data.x_train[chosen], data.y_train[chosen], dtype)
        if not all(bool(one.isfinite().all()) for one in gradients):
            continue
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        descent.step()
    with torch.no_grad():
        found = _scores(model, data.x_test, dtype).argmax(1)
    return float((found == data.y_test).float().mean())


def judge(numbers: Numbers) -> tuple[Check, ...]:
    accuracy = numbers["accuracy"]
    return (
        unlike(
            "held-out accuracy, float16 minus float32",
            accuracy["float16"], accuracy["float32"], _MARGIN,
        ),
        above("share of gradients lost in float16", _at(numbers, "float16"), _LOST),
        unlike(
            "held-out accuracy, bfloat16 minus float32",
            accuracy["bfloat16"], accuracy["float32"], _MARGIN, scope=True,
        ),
        above("share of gradients lost in bfloat16", _at(numbers, "bfloat16"), _LOST, scope=True),
    )  # fmt: skip


def _at(numbers: Numbers, name: str) -> list[float]:
    """The share lost at the scale in question, one a seed."""
    place = numbers["scales"].index(numbers["scale"])
    return [row[place] for row in numbers["lost"][name]]


def draw(numbers: Numbers) -> Picture:
    return bars(
        {
            f"scale {scale:g}": {
                name: [row[place] for row in rows] for name, rows in numbers["lost"].items()
            }
            for place, scale in enumerate(numbers["scales"])
        },
        f"Share of gradients lost in half precision, by the scale over that of {numbers['recipe']}",
        y="share of gradients lost",
        limit=_LOST,
    )


CLAIM = Claim(
    name="by_precision",
    part="applying",
    title="Half precision needs another start",
    statement=(
        "Training in half precision needs another initialization than training in single "
        "precision, as small numbers are lost."
    ),
    experiment=(
        "{depth} layers of {width} {activation} units learn digits by Adam from {recipe}, times "
        "{scale}, with passes in float32, float16 and bfloat16 and weights kept in float32. Do "
        "they reach another accuracy? And what share of the gradient at the start is 0 in half "
        "precision alone, over the scale of the weights?"
    ),
    why=(
        "float16 has 10 bits of a mantissa and nothing below $2^{-24}$ or above 65504; bfloat16 "
        "has 7 bits and the range of float32. A start that keeps signals and gradients near one "
        "scale stays away from both ends. One that lets them shrink by a factor a layer runs into "
        "the lower end of float16 with depth, and one that lets them grow into the upper."
    ),
    formula=r"6 \cdot 10^{-8} \approx 2^{-24} \le |x| \le 65504 \approx 2^{16}",
    instead=(
        "The start that keeps signals is the right one in every precision, and half precision is "
        "a further reason to have it. What suffers is a start that was poor already: in float16 "
        "small gradients of shrinking networks become 0 (scaling the loss brings a part of them "
        "back), and growing ones infinite. bfloat16 has neither problem."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"scale": 0.25}, "float16 loses most of the gradient and falls behind; bfloat16 does not."
    ),
    flip={"scale": 0.25},
    sources=(
        "Micikevicius et al., Mixed precision training, ICLR 2018, arXiv:1710.03740, section 3",
        "Kalamkar et al., A study of bfloat16 for deep learning training, 2019, arXiv:1905.12322",
    ),
)
