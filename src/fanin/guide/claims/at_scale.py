"""What the same seed gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import fanin
from fanin import noise
from fanin.errors import UnknownNameError
from fanin.guide.checks import Check, exactly
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import bars
from fanin.picture import Picture

_SOURCES = ("torch", "fanin")
_AGAIN = "the same code again"


@dataclass(frozen=True, slots=True)
class Settings:
    """Whose noise: ``torch`` (its generator) or ``fanin`` (by name); units of the layers."""

    source: str = "torch"
    width: int = 48


Weights = dict[str, Tensor]


def measure(settings: Settings, effort: Effort) -> Numbers:
    if settings.source not in _SOURCES:
        raise UnknownNameError("source of noise", settings.source, _SOURCES)
    equal: dict[str, dict[str, list[float]]] = {}
    for source in dict.fromkeys((settings.source, *_SOURCES)):
        draw, window = (_by_torch, _torch_rows) if source == "torch" else (_by_name, _named_rows)
        equal[source] = _shares(draw, window, settings.width, effort.seeds(8, 3))
    return {"source": settings.source, "equal": equal}


def _shares(
    draw: Callable[[nn.Module, int], Weights],
    window: Callable[[nn.Linear, int], Tensor],
    width: int,
    seeds: range,
) -> dict[str, list[float]]:
    """Of the weights of a network: the share that is bit for bit the same after a change."""
    shares: dict[str, list[float]] = {}
    for seed in seeds:
        before = draw(_network(width), seed)
        rows = window(nn.Linear(width, width), seed)
        half = before["middle.weight"][width // 2 :]
        changes = {
            _AGAIN: _share(before, draw(_network(width), seed)),
            "other number of threads": _share(before, _with_threads(draw, width, seed)),
            "a layer added in front": _share(before, draw(_network(width, added=True), seed)),
            "layers in another order": _share(before, draw(_network(width, turned=True), seed)),
            "half of a tensor drawn alone": float((half == rows).float().mean()),
        }
        for name, value in changes.items():
            shares.setdefault(name, []).append(value)
    return shares


def _network(width: int, *, added: bool = False, turned: bool = False) -> nn.Module:
    layers = {"first": nn.Linear(width, width), "middle": nn.Linear(width, width),
              "last": nn.Linear(width, width)}  # fmt: skip
    names = list(reversed(layers)) if turned else list(layers)
    model = nn.Module()
    for name in (["added"] if added else []) + names:
        model.add_module(name, layers.get(name, nn.Linear(width, width)))
    return model


def _by_torch(model: nn.Module, seed: int) -> Weights:
    """One generator for all weights, in the order of the model's parameters, as is usual."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.children():
        assert isinstance(layer, nn.Linear)  # noqa: S101 - for the type checker
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    return _weights(model)


def _by_name(model: nn.Module, seed: int) -> Weights:
    return _weights(fanin.init_(model, "he_normal", seed=seed))


def _torch_rows(layer: nn.Linear, seed: int) -> Tensor:
    """The lower half alone: what a machine would draw that holds no other part of the model."""
    rows = layer.weight[len(layer.weight) // 2 :].detach().clone()
    generator = torch.Generator().manual_seed(seed)
    return rows.normal_(0, (2 / layer.in_features) ** 0.5, generator=generator)


def _named_rows(layer: nn.Linear, seed: int) -> Tensor:
    start = layer.weight.numel() // 2
    drawn = torch.from_numpy(noise.normal(seed, "middle.weight", start, start))
    std = fanin.schemes.he_normal().std(fanin.fans.Layout.of(layer))
    return (drawn * std).reshape(-1, layer.in_features)


def _with_threads(draw: Callable[[nn.Module, int], Weights], width: int, seed: int) -> Weights:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        return draw(_network(width), seed)
    finally:
        torch.set_num_threads(threads)


def _weights(model: nn.Module) -> Weights:
    return {name: one.detach().clone() for name, one in model.named_parameters() if one.ndim > 1}


def _share(before: Weights, after: Weights) -> float:
    same = [(weight == after[name]).float().mean() for name, weight in before.items()]
    return float(torch.stack(same).mean())


def judge(numbers: Numbers) -> tuple[Check, ...]:
    source = numbers["source"]
    return tuple(
        exactly(f"share of equal weights, {source}: {change}", shares, 1.0, scope=change != _AGAIN)
        for change, shares in numbers["equal"][source].items()
    )


def draw(numbers: Numbers) -> Picture:
    changes = list(numbers["equal"]["torch"])
    return bars(
        {
            change: {source: numbers["equal"][source][change] for source in _SOURCES}
            for change in changes
        },
        "Share of the weights that are the same after a change, from one generator and by name",
        y="share of equal weights",
        size=(8.0, 4.2),
    )


CLAIM = Claim(
    name="at_scale",
    part="applying",
    title="The same seed, the same weights",
    statement="With the same seed a model starts from the same weights.",
    experiment=(
        "Three layers of {width} units are drawn with one seed from {source}'s noise. Then again: "
        "by the same code, with another number of threads, with a layer added in front, with the "
        "layers in another order, and only one half of one tensor, as a machine does that "
        "holds a shard. What share of the weights is the same, bit for bit?"
    ),
    why=(
        "A generator is one long stream, and what a weight gets is a matter of how many numbers "
        "were drawn before it. So each weight depends on all that were drawn earlier, their order "
        "and their shapes, and in torch also on the device and on how its loops are vectorised. A "
        "number that is a function of the seed, the parameter's name and its place in the tensor "
        "depends on nothing else, and any part of it can be drawn anywhere."
    ),
    formula=r"w_{k} = F(\mathrm{seed},\ \mathrm{name},\ k)",
    instead=(
        "The same seed gives the same weights to the same code, on the same device and version. "
        "A comparison of two architectures on one seed is one of two different draws even "
        "in the layers that they share; and a model too large for one machine starts from "
        "other weights when it is sharded otherwise. Noise by name has neither trouble."
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change({"source": "fanin"}, "noise by name: nothing but the seed and the name counts."),
    flip={"source": "fanin"},
    sources=(
        "Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011",
        "PyTorch documentation, Reproducibility",
    ),
)
