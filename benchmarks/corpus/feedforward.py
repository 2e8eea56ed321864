"""Feed-forward cases: each architecture healthy, and with faults planted in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.corpus import feedforward_nets as nets
from benchmarks.corpus.case import Case, Task
from benchmarks.corpus.faults import (
    Build,
    Fault,
    at,
    broken,
    changed,
    dead_bias,
    duplicated,
    filled,
    gained,
    normal,
    planted,
    same,
    scaled,
    shifted,
    signed,
)
from benchmarks.corpus.tasks import classify, digits, reconstruct, regress

STEPS = 80


@dataclass(frozen=True)
class Planted:
    """A fault: its kind, the names at fault, how it is planted, and what else differs."""

    kind: str
    where: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    build: Build | None = None
    task: Task | None = None
    depth: int | None = None
    also: tuple[str, ...] = ()


def plant(
    kind: str,
    where: str | tuple[str, ...],
    *faults: Fault,
    build: Build | None = None,
    task: Task | None = None,
    depth: int | None = None,
    also: tuple[str, ...] = (),
) -> Planted:
    names = (where,) if isinstance(where, str) else where
    return Planted(kind, names, faults, build, task, depth, also)


def family(
    name: str,
    wiring: str,
    norm: str,
    depth: int,
    build: Build,
    task: Task,
    faults: dict[str, Planted] | None = None,
    **options: Any,
) -> Iterator[Case]:
    """The healthy case and one for each fault; options are of ``Case``."""
    options.setdefault("steps", STEPS)
    healthy = Case(f"{name}/healthy", wiring, norm, depth, build, task, **options)
    yield healthy
    for state, it in (faults or {}).items():
        yield replace(
            healthy,
            name=f"{name}/{state}",
            build=planted(it.build or build, *it.faults),
            task=it.task or task,
            depth=it.depth or depth,
            fault=it.kind,
            where=it.where,
            also=it.also,
            sibling=healthy.name,
        )


# Tasks


def fed(task: Task, change: Callable[[Tensor], Tensor], name: str) -> Task:
    """Other inputs."""

    def batch(seed: int, size: int) -> tuple[Tensor, Any]:
        x, y = task.batch(seed, size)
        return change(x), y

    return replace(task, name=f"{task.name} {name}", batch=batch)


def measured(
    task: Task, loss: Callable[[Any, Any], Tensor], baseline: float, name: str, level: float = 0.7
) -> Task:
    """Another loss."""
    return replace(task, name=f"{task.name} {name}", loss=loss, baseline=baseline, level=level)


def times(task: Task, factor: float) -> Task:
    inner = task.loss
    return measured(task, lambda o, t: factor * inner(o, t), factor * task.baseline, f"x {factor}")


def _bits(targets: Tensor) -> Tensor:
    return ((targets[:, None] >> torch.arange(4)) & 1).float()


def _bit_baseline() -> float:
    share = _bits(digits()[1]).mean(0).double()
    return float(-(share * share.log() + (1 - share) * (1 - share).log()).mean())


def _focal(outputs: Tensor, targets: Tensor) -> Tensor:
    each = F.binary_cross_entropy_with_logits(
        outputs, F.one_hot(targets, 10).float(), reduction="none"
    )
    return ((1 - (-each).exp()) ** 2 * each).sum(1).mean()


def _focal_baseline() -> float:
    p = torch.linspace(0.01, 0.99, 999, dtype=torch.float64)
    return 10 * float((-0.1 * (1 - p) ** 2 * p.log() - 0.9 * p**2 * (1 - p).log()).min())


_WEIGHTS = torch.tensor([1.0, 1, 1, 1, 1, 2, 2, 2, 4, 4])


def _weighted_baseline() -> float:
    share = (_WEIGHTS / _WEIGHTS.sum()).double()
    return float(-(share * share.log()).sum())


def _both(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs[0], targets) + 0.4 * F.cross_entropy(outputs[1], targets)


def _drawing() -> Task:
    """A picture as a function of the place: one digit, 64 x 64, smooth."""
    picture = F.interpolate(
        digits()[0][:1].view(1, 1, 8, 8), size=(64, 64), mode="bicubic", align_corners=True
    )[0, 0]

    def batch(seed: int, size: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        index = torch.randint(64, (size, 2), generator=generator)
        return index / 31.5 - 1, picture[index[:, 0], index[:, 1]][:, None]

    baseline = float((picture - picture.mean()).square().mean())
    return Task("picture", batch, F.mse_loss, baseline, level=0.6, size=256)


DIGITS = classify(64)
IMAGES = classify(1, 8, 8, size=32)
LINES = classify(1, 64)
SCALE = float(digits()[0].max() - digits()[0].min()) / 16
POSITIVE = fed(DIGITS, lambda x: (x - x.min()).clamp_min(0), "positive")
PIXELS = fed(DIGITS, lambda x: (x - digits()[0].min()) / SCALE, "0 to 16")
SPARSE = fed(
    DIGITS, lambda x: torch.where(x > 0.5, (x - digits()[0].min()) / SCALE / 16, 0.0), "sparse"
)
CUT = fed(DIGITS, lambda x: x[:, 16:48], "32 features")
LARGE = fed(DIGITS, lambda x: 100 * x, "x 100")

# Perceptrons

_FOUR = (64, 128, 128, 128, 128)
_HIDDEN = ("layers.*.weight", "head.weight")


def _mlp(*sizes: int, **options: Any) -> Build:
    activation = options.pop("activation", F.relu)
    weights = options.pop("weights", None)
    return partial(nets.MLP, sizes, activation, weights, **options)


def _deep(depth: int, width: int, activation: Any, weights: Any, **options: Any) -> Build:
    return _mlp(64, *[width] * depth, activation=activation, weights=weights, **options)


def _perceptrons() -> Iterator[Case]:
    yield from family("mlp-relu-2", "plain", "none", 2, _mlp(64, 32), DIGITS, {
        "constant": plant("symmetry", "*.weight", filled("*.weight", 0.05), filled("*.bias", 0.0)),
        "first-nan": plant("nonfinite", "layers.0.weight", broken("layers.0.weight", math.nan)),
        "head-x100": plant("output_scale", "head.weight", scaled("head.weight", 100)),
        "head-x1e-4": plant("output_scale", "head.weight", scaled("head.*", 1e-4)),
    })  # fmt: skip
    yield from family("mlp-relu-4", "plain", "none", 5, _mlp(*_FOUR, weights=nets.he), DIGITS, {
        "dead-bias": plant("dead", "layers.2.bias", dead_bias("layers.2.bias")),
        "dead-bias-small": plant("dead", "layers.2.bias", dead_bias("layers.2.bias", 1.0, -6.0)),
        "dead-78": plant("dead", "layers.1.bias", dead_bias("layers.1.bias", 0.78)),
        "dead-30": plant("dead", "layers.1.bias", dead_bias("layers.1.bias", 0.3)),
        "dead-all-negative": plant("dead", "layers.1.weight", signed("layers.1.weight")),
        "dead-shifted": plant("dead", "layers.3.weight", shifted("layers.3.weight", -0.5)),
        "half-duplicated": plant("symmetry", ("layers.1.weight", "layers.2.weight"), duplicated(
            "layers.1.weight", "layers.2.weight", "layers.1.bias")),
        "quarter-duplicated": plant("symmetry", ("layers.0.weight", "layers.1.weight"), duplicated(
            "layers.0.weight", "layers.1.weight", "layers.0.bias", share=0.25)),
        "constant-hidden": plant("symmetry", ("layers.1.weight", "layers.2.weight"),
            filled("layers.1.weight", 0.01), filled("layers.2.weight", 0.01)),
        "constant-incoming": plant("symmetry", "layers.1.weight", filled("layers.1.weight", 0.01)),
        "all-zero": plant("symmetry", "*.weight", filled("*", 0.0)),
        "layer-x1e-8": plant("vanishing", "layers.1.weight", scaled("layers.1.weight", 1e-8)),
        "layer-x1e-2": plant("vanishing", "layers.1.weight", scaled("layers.1.weight", 1e-2)),
        "layer-x1e4": plant("exploding", "layers.1.weight", scaled("layers.1.weight", 1e4)),
        "layer-x30": plant("exploding", "layers.1.weight", scaled("layers.1.weight", 30)),
        "head-x30": plant("output_scale", "head.weight", scaled("head.weight", 30)),
        "head-x10": plant("output_scale", "head.weight", scaled("head.weight", 10)),
        "head-bias-50": plant("output_scale", "head.bias", at("head.bias", 3, 50.0)),
        "inf-weight": plant("nonfinite", "layers.3.weight", broken("layers.3.weight")),
        "std-0.01": plant("vanishing", _HIDDEN, normal("*.weight", 0.01)),
        "std-1": plant("exploding", _HIDDEN, normal("*.weight", 1.0)),
    })  # fmt: skip
    yield from family(
        "mlp-relu-8-xavier", "plain", "none", 9, _deep(8, 64, F.relu, nets.xavier), DIGITS
    )
    yield from family(
        "mlp-relu-16-narrow", "plain", "none", 7, _deep(6, 16, F.relu, nets.he), DIGITS, {
        "dead-layer": plant("dead", "layers.4.bias", dead_bias("layers.4.bias", 1.0, -10.0)),
        "std-0.05": plant("vanishing", _HIDDEN, normal("*.weight", 0.05)),
    }, steps=100)  # fmt: skip
    yield from family("mlp-relu-wide", "plain", "none", 3, _mlp(64, 512, 512), DIGITS, {
        "std-1": plant("exploding", _HIDDEN, normal("*.weight", 1.0)),
        "std-0.02": plant("vanishing", _HIDDEN, normal("*.weight", 0.02)),
    })  # fmt: skip
    yield from family(
        "mlp-relu-6-default", "plain", "none", 7, _deep(6, 64, F.relu, None), DIGITS, steps=100
    )
    yield from family(
        "mlp-relu-12-default", "plain", "none", 13, _deep(12, 64, F.relu, None), DIGITS, steps=360
    )
    yield from family("mlp-relu-20", "plain", "none", 21, _deep(20, 64, F.relu, nets.he), DIGITS, {
        "default": plant("vanishing", _HIDDEN, build=_deep(20, 64, F.relu, None)),
        "gain-1": plant("vanishing", _HIDDEN, gained("*.weight", 1.0)),
        "gain-1.2": plant("vanishing", _HIDDEN, gained("*.weight", 1.2)),
        "gain-2": plant("exploding", _HIDDEN, gained("*.weight", 2.0)),
        "gain-3": plant("exploding", _HIDDEN, gained("*.weight", 3.0)),
        "layer-x1e-8": plant("vanishing", "layers.9.weight", scaled("layers.9.weight", 1e-8)),
        "layer-x1e4": plant("exploding", "layers.9.weight", scaled("layers.9.weight", 1e4)),
        "dead-layer": plant("dead", "layers.15.bias", dead_bias("layers.15.bias")),
    }, steps=220)  # fmt: skip
    yield from family("mlp-relu-30-orthogonal", "plain", "none", 31, _deep(
        30, 64, F.relu, nets.orthogonal(math.sqrt(2))), DIGITS, {
        "gain-1": plant("vanishing", _HIDDEN, build=_deep(30, 64, F.relu, nets.orthogonal())),
        "gain-1.7": plant("exploding", _HIDDEN, build=_deep(
            30, 64, F.relu, nets.orthogonal(1.7))),
    }, steps=160)  # fmt: skip
    yield from family("mlp-relu-40", "plain", "none", 41, _deep(
        40, 64, F.relu, nets.orthogonal(math.sqrt(2))), DIGITS, {
        "default": plant("vanishing", _HIDDEN, build=_deep(40, 64, F.relu, None)),
    }, steps=220)  # fmt: skip
    yield from family("mlp-leaky-10", "plain", "none", 11, _deep(
        10, 64, partial(F.leaky_relu, negative_slope=0.1), nets.he), DIGITS, {
        "std-0.02": plant("vanishing", _HIDDEN, normal("*.weight", 0.02)),
        "std-0.6": plant("exploding", _HIDDEN, normal("*.weight", 0.6)),
        "half-duplicated": plant("symmetry", ("layers.5.weight", "layers.6.weight"), duplicated(
            "layers.5.weight", "layers.6.weight", "layers.5.bias")),
    })  # fmt: skip
    yield from family("mlp-tanh-5", "plain", "none", 6, _deep(5, 64, F.tanh, nets.xavier), DIGITS, {
        "std-3": plant("saturation", _HIDDEN, normal("layers.*.weight", 3.0)),
        "std-1": plant("saturation", _HIDDEN, normal("layers.*.weight", 1.0)),
        "inputs-x100": plant("saturation", "layers.0.weight", task=LARGE),
        "one-layer-x50": plant("saturation", "layers.2.weight", scaled("layers.2.weight", 50)),
        "bias-20": plant("saturation", "layers.2.bias", shifted("layers.2.bias", 20)),
        "constant-hidden": plant("symmetry", ("layers.1.weight", "layers.2.weight"),
            filled("layers.1.weight", 0.02), filled("layers.2.weight", 0.02)),
        "all-zero": plant("symmetry", "*.weight", filled("*", 0.0)),
        "overflow": plant("nonfinite", "twist", build=_deep(
            5, 64, F.tanh, nets.xavier, twist=lambda x: (200 * x).exp())),
    })  # fmt: skip
    yield from family("mlp-tanh-20", "plain", "none", 21, _deep(
        20, 64, F.tanh, nets.orthogonal()), DIGITS, {
        "std-0.01": plant("vanishing", _HIDDEN, normal("*.weight", 0.01)),
        "gain-0.7": plant("vanishing", _HIDDEN, gained("*.weight", 0.7)),
        "gain-2": plant("exploding", _HIDDEN, gained("*.weight", 2.0)),
    })  # fmt: skip
    yield from family("mlp-tanh-50", "plain", "none", 51, _deep(
        50, 64, F.tanh, nets.orthogonal(1.03)), DIGITS, {
        "xavier-gain-0.8": plant("vanishing", _HIDDEN, gained("*.weight", 0.8)),
    })  # fmt: skip
    yield from family("mlp-sigmoid-2", "plain", "none", 3, _deep(
        2, 64, torch.sigmoid, nets.xavier), DIGITS, {
        "std-3": plant("saturation", _HIDDEN, normal("layers.*.weight", 3.0)),
        "inputs-x100": plant("saturation", "layers.0.weight", task=LARGE),
        "constant": plant("symmetry", "*.weight", filled("*.weight", 0.05)),
        "deep": plant("vanishing", _HIDDEN, depth=9, build=_deep(
            8, 64, torch.sigmoid, nets.xavier)),
        "deep-default": plant("vanishing", _HIDDEN, depth=9, build=_deep(
            8, 64, torch.sigmoid, None)),
    }, steps=120)  # fmt: skip
    yield from family(
        "mlp-sigmoid-3",
        "plain",
        "none",
        4,
        _deep(3, 128, torch.sigmoid, nets.fan_in(2.5)),
        DIGITS,
        steps=100,
    )
    yield from family("mlp-gelu-6", "plain", "none", 7, _deep(6, 64, F.gelu, nets.he), DIGITS, {
        "dead-78": plant("dead", "layers.3.bias", dead_bias("layers.3.bias", 0.78)),
        "half-duplicated": plant("symmetry", ("layers.2.weight", "layers.3.weight"), duplicated(
            "layers.2.weight", "layers.3.weight", "layers.2.bias")),
    })  # fmt: skip
    yield from family(
        "mlp-gelu-std-0.02", "plain", "none", 4, _deep(3, 128, F.gelu, nets.truncated(0.02)), DIGITS
    )
    yield from family("mlp-silu-8", "plain", "none", 9, _deep(8, 64, F.silu, nets.he), DIGITS, {
        "default-20": plant("vanishing", _HIDDEN, depth=21, build=_deep(
            20, 64, F.silu, None)),
    })  # fmt: skip
    yield from family("mlp-selu-12", "plain", "none", 13, _deep(
        12, 64, F.selu, nets.lecun), DIGITS, {
        "gain-3": plant("exploding", _HIDDEN, gained("*.weight", 3.0)),
        "std-0.01": plant("vanishing", _HIDDEN, normal("*.weight", 0.01)),
    })  # fmt: skip
    yield from family("mlp-elu-10", "plain", "none", 11, _deep(10, 64, F.elu, nets.he), DIGITS, {
        "saturated": plant("saturation", "layers.4.bias", filled("layers.4.bias", -20.0)),
    })  # fmt: skip
    yield from family(
        "mlp-softplus-4",
        "plain",
        "none",
        5,
        _deep(4, 64, F.softplus, nets.xavier),
        DIGITS,
        steps=120,
    )
    yield from family(
        "mlp-maxout-4", "plain", "none", 5, _deep(4, 48, nets.maxout, nets.lecun, fold=2), DIGITS
    )
    yield from family("mlp-glu-4", "plain", "none", 5, _deep(
        4, 64, F.glu, nets.fan_in(1.6), fold=2), DIGITS, {
        "gates-shut": plant("dead", "layers.2.bias", changed(
            lambda b: b[len(b) // 2 :].fill_(-30.0), "layers.2.bias"),
            also=("saturation", "vanishing")),
        "default-16": plant("vanishing", _HIDDEN, depth=17, build=_deep(
            16, 64, F.glu, None, fold=2)),
    })  # fmt: skip
    yield from family("mlp-hardtanh-4", "plain", "none", 5, _deep(
        4, 64, F.hardtanh, nets.xavier), DIGITS, {
        "std-3": plant("saturation", _HIDDEN, normal("layers.*.weight", 3.0)),
    })  # fmt: skip
    yield from family("mlp-relu6-4", "plain", "none", 5, _deep(4, 64, F.relu6, nets.he), DIGITS, {
        "std-3": plant("saturation", _HIDDEN, normal("layers.*.weight", 3.0)),
        "bias-30": plant("saturation", "layers.1.bias", filled("layers.1.bias", 30.0)),
    })  # fmt: skip
    yield from family(
        "mlp-linear-4", "plain", "none", 5, _deep(4, 64, nn.Identity(), nets.orthogonal()), DIGITS
    )
    yield from family(
        "mlp-biases", "plain", "none", 5, _mlp(*_FOUR, weights=nets.he, biases=0.1), DIGITS
    )
    yield from family("raw-3", "plain", "none", 3, partial(nets.Raw, 64, 96, 96, 10), DIGITS, {
        "half-duplicated": plant("symmetry", ("w.0", "w.1"), duplicated(
            "w.0", "w.1", "b.0", axis=1, out_axis=0)),
        "all-zero": plant("symmetry", "w.*", filled("*", 0.0)),
        "layer-x1e-8": plant("vanishing", "w.1", scaled("w.1", 1e-8)),
        "dead": plant("dead", "b.1", dead_bias("b.1")),
        "last-x100": plant("output_scale", "w.2", scaled("w.2", 100)),
    })  # fmt: skip
    sizes = (64, 96, 96, 96, 10)
    yield from family("sequential-relu-4", "plain", "none", 4, partial(
        nets.sequential, sizes, nn.ReLU, nets.he), DIGITS, {
        "dead": plant("dead", "2.bias", dead_bias("2.bias")),
        "constant": plant("symmetry", "*.weight", filled("*.weight", 0.05)),
        "negative": plant("dead", "4.weight", signed("4.weight")),
    })  # fmt: skip
    yield from family("sequential-tanh-4", "plain", "none", 4, partial(
        nets.sequential, sizes, nn.Tanh), DIGITS, {
        "last-x100": plant("output_scale", "6.weight", scaled("6.weight", 100)),
    })  # fmt: skip
    yield from family(
        "sparse-inputs", "plain", "none", 3, _mlp(64, 128, 128, weights=nets.he), SPARSE
    )
    yield from family("raw-pixels", "plain", "none", 3, _mlp(64, 128, 128), PIXELS, {
        "all-negative": plant("dead", "layers.0.weight", signed("layers.0.weight")),
        "std-1": plant("exploding", _HIDDEN, normal("*.weight", 1.0)),
    })  # fmt: skip
    yield from family("one-example", "plain", "none", 4, _mlp(
        64, 96, 96, 96, weights=nets.he), DIGITS, {
        "dead-layer": plant("dead", "layers.1.bias", dead_bias("layers.1.bias")),
    }, check_size=1)  # fmt: skip
    yield from family(
        "two-examples",
        "plain",
        "none",
        4,
        _mlp(64, 64, 64, activation=F.gelu),
        DIGITS,
        check_size=2,
    )
    yield from family("no-loss", "plain", "none", 4, _mlp(
        64, 96, 96, 96, weights=nets.he), DIGITS, {
        "layer-x1e-8": plant("vanishing", "layers.1.weight", scaled("layers.1.weight", 1e-8)),
        "dead-layer": plant("dead", "layers.1.bias", dead_bias("layers.1.bias")),
    }, loss=False)  # fmt: skip
    yield from family(
        "zero-head",
        "plain",
        "none",
        5,
        planted(_mlp(*_FOUR, weights=nets.he), filled("head.*", 0.0)),
        DIGITS,
    )
    yield from family("dropout", "plain", "none", 4, partial(_dropped, 0.3), DIGITS, {
        "dead": plant("dead", "3.bias", dead_bias("3.bias")),
    })  # fmt: skip
    yield from family("log-inputs", "plain", "none", 3, _mlp(
        64, 64, 64, first=lambda x: (x + 2).log()), DIGITS, {
        "of-negative": plant("nonfinite", "first", build=_mlp(64, 64, 64, first=torch.log)),
    })  # fmt: skip
    yield from family("divided", "plain", "none", 3, _mlp(
        64, 64, 64, twist=lambda x: x / (x.sum(-1, keepdim=True) + 1)), DIGITS, {
        "by-zero": plant("nonfinite", ("first", "layers.0.weight"), build=_mlp(
            64, 64, 64, first=lambda x: (x - x.amin(0)) / (x.amax(0) - x.amin(0)))),
        "dead-sum": plant("nonfinite", "twist", dead_bias("layers.1.bias"), build=_mlp(
            64, 64, 64, twist=lambda x: x / x.sum(-1, keepdim=True))),
    }, steps=280)  # fmt: skip
    yield from family("root", "plain", "none", 3, _mlp(
        64, 64, 64, activation=F.tanh, twist=lambda x: (x.square() + 1e-6).sqrt()), DIGITS, {
        "at-zero": plant("nonfinite", "twist", dead_bias("layers.1.bias", 0.1, 0.0),
            changed(lambda w: w[:6].zero_(), "layers.1.weight"), build=_mlp(
            64, 64, 64, activation=F.tanh, twist=lambda x: x.square().sqrt())),
    })  # fmt: skip
    yield from family("factored", "plain", "none", 4, nets.Factored, DIGITS, {
        "both-zero": plant("symmetry", ("left", "right"), filled("left", 0), filled("right", 0)),
        "one-zero": plant("dead", "left", filled("left", 0), also=("symmetry",)),
    })  # fmt: skip


def _dropped(share: float) -> nn.Module:
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Dropout(share),
        nn.Linear(128, 128), nn.ReLU(), nn.Dropout(share),
        nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return nets.initialised(model, nets.he)


# Losses


def _losses() -> Iterator[Case]:
    plain = _mlp(64, 96, 96, weights=nets.he)
    numbers = _mlp(10, 64, 64, weights=nets.he, outputs=1)
    yield from family("regression", "plain", "none", 3, numbers, regress(), {
        "raw-target": plant("output_scale", "head.bias", task=regress(standardised=False)),
        "head-x100": plant("output_scale", "head.weight", scaled("head.weight", 100)),
        "head-bias-50": plant("output_scale", "head.bias", filled("head.bias", 50.0)),
        "dead": plant("dead", "layers.1.bias", dead_bias("layers.1.bias")),
    }, steps=100)  # fmt: skip
    yield from family("regression-tanh", "plain", "none", 3, _mlp(
        10, 64, 64, activation=F.tanh, outputs=1), regress(), {
        "raw-target": plant("output_scale", "head.bias", task=regress(standardised=False)),
        "std-3": plant("saturation", _HIDDEN, normal("layers.*.weight", 3.0)),
    })  # fmt: skip
    yield from family(
        "raw-target-prior",
        "plain",
        "none",
        3,
        planted(numbers, filled("head.bias", 152.0)),
        regress(standardised=False),
    )
    bits = measured(
        DIGITS,
        lambda o, t: F.binary_cross_entropy_with_logits(o, _bits(t)),
        _bit_baseline(),
        "bits",
    )
    yield from family("multi-label", "plain", "none", 3, _mlp(
        64, 96, 96, weights=nets.he, outputs=4), bits, {
        "head-x100": plant("output_scale", "head.weight", scaled("head.weight", 100)),
        "head-bias-50": plant("output_scale", "head.bias", at("head.bias", 1, 50.0)),
        "all-zero": plant("symmetry", "*.weight", filled("*", 0.0)),
    })  # fmt: skip
    focal = measured(DIGITS, _focal, _focal_baseline(), "focal")
    yield from family(
        "focal-prior",
        "plain",
        "none",
        3,
        planted(plain, scaled("head.weight", 0.1), filled("head.bias", -math.log(9))),
        focal,
    )
    yield from family("sum-loss", "plain", "none", 3, plain, measured(
        DIGITS, lambda o, t: F.cross_entropy(o, t, reduction="sum"), 64 * math.log(10), "sum"), {
        "dead-layer": plant("dead", "layers.1.bias", dead_bias("layers.1.bias")),
        "layer-x1e-8": plant("vanishing", "layers.1.weight", scaled("layers.1.weight", 1e-8)),
    })  # fmt: skip
    yield from family("loss-x1e-6", "plain", "none", 3, plain, times(DIGITS, 1e-6), {
        "layer-x1e4": plant("exploding", "layers.1.weight", scaled("layers.1.weight", 1e4)),
    })  # fmt: skip
    yield from family("loss-x1e3", "plain", "none", 3, plain, times(DIGITS, 1e3), {
        "layer-x1e-8": plant("vanishing", "layers.0.weight", scaled("layers.0.weight", 1e-8)),
    })  # fmt: skip
    yield from family(
        "label-smoothing",
        "plain",
        "none",
        3,
        plain,
        measured(
            DIGITS, lambda o, t: F.cross_entropy(o, t, label_smoothing=0.1), math.log(10), "smooth"
        ),
    )
    yield from family("class-weights", "plain", "none", 3, plain, measured(
        DIGITS, lambda o, t: F.cross_entropy(o, t, weight=_WEIGHTS), _weighted_baseline(),
        "weighted"))  # fmt: skip
    yield from family("auxiliary-head", "branched", "none", 5, nets.Auxiliary, measured(
        DIGITS, _both, 1.4 * math.log(10), "two heads"), {
        "upper-dead": plant("dead", "upper.1.bias", dead_bias("upper.1.bias")),
        "early-x100": plant("output_scale", "early.weight", scaled("early.weight", 100)),
    })  # fmt: skip
    yield from family(
        "hinge", "plain", "none", 3, plain, measured(DIGITS, F.multi_margin_loss, 0.9, "hinge")
    )


# Convolutions


def _convolutions() -> Iterator[Case]:
    yield from family("vgg", "plain", "none", 6, nets.vgg, IMAGES, {
        "dead-conv": plant("dead", "0.1.0.bias", dead_bias("0.1.0.bias")),
        "dead-78-conv": plant("dead", "0.3.0.bias", dead_bias("0.3.0.bias", 0.78)),
        "channels-duplicated": plant("symmetry", ("0.1.0.weight", "0.3.0.weight"), duplicated(
            "0.1.0.weight", "0.3.0.weight", "0.1.0.bias")),
        "last-channels-duplicated": plant("symmetry", ("0.4.0.weight", "1.0.weight"), duplicated(
            "0.4.0.weight", "1.0.weight", "0.4.0.bias")),
        "conv-x1e-8": plant("vanishing", "0.3.0.weight", scaled("0.3.0.weight", 1e-8)),
        "conv-x1e4": plant("exploding", "0.1.0.weight", scaled("0.1.0.weight", 1e4)),
        "constant": plant("symmetry", "*.weight", filled("*.weight", 0.05)),
        "head-x100": plant("output_scale", "1.2.weight", scaled("1.2.weight", 100)),
        "nan": plant("nonfinite", "0.0.0.weight", broken("0.0.0.weight", math.nan)),
        "std-0.01": plant("vanishing", ("*.weight",), normal("*.weight", 0.01)),
    })  # fmt: skip
    yield from family("vgg-bn", "plain", "batch", 6, partial(nets.vgg, nn.BatchNorm2d), IMAGES, {
        "dead-norm": plant("dead", "0.1.1.bias", dead_bias("0.1.1.bias")),
        "channels-duplicated": plant("symmetry", ("0.1.0.weight", "0.3.0.weight"), duplicated(
            "0.1.0.weight", "0.3.0.weight", "0.1.1.weight", "0.1.1.bias")),
        "conv-x1e-8": plant("vanishing", "0.3.0.weight", scaled("0.3.0.weight", 1e-8)),
        "conv-x100": plant("exploding", "0.3.0.weight", scaled("0.3.0.weight", 100)),
        "tail-x100": plant("output_scale", "1.2.weight", scaled("1.2.weight", 100)),
    })  # fmt: skip
    yield from family("cnn-gn", "plain", "group", 4, partial(
        nets.plain_cnn, 16, 16, 16, norm=nets.group), IMAGES, {
        "dead-norm": plant("dead", "features.1.1.bias", dead_bias("features.1.1.bias")),
    }, steps=240)  # fmt: skip
    yield from family(
        "cnn-ln",
        "plain",
        "layer",
        4,
        partial(nets.plain_cnn, 16, 16, 16, norm=nets.Last, act=nn.GELU),
        IMAGES,
        steps=180,
    )
    yield from family("cnn-8", "plain", "none", 9, partial(
        nets.plain_cnn, *[16] * 8, weights=nets.he), IMAGES, {
        "std-0.02": plant("vanishing", ("*.weight",), normal("*.weight", 0.02)),
        "std-0.5": plant("exploding", ("*.weight",), normal("*.weight", 0.5)),
        "dead-conv": plant("dead", "features.5.0.bias", dead_bias("features.5.0.bias")),
    }, steps=240)  # fmt: skip
    yield from family("cnn-tanh", "plain", "none", 4, partial(
        nets.plain_cnn, 16, 16, 16, act=nn.Tanh, weights=nets.xavier), IMAGES, {
        "std-3": plant("saturation", ("features.*.weight",), normal("features.*.weight", 3.0)),
        "inputs-x100": plant("saturation", "features.0.0.weight", task=fed(
            IMAGES, lambda x: 100 * x, "x 100")),
    }, steps=160)  # fmt: skip
    yield from family(
        "cnn-default",
        "plain",
        "none",
        4,
        partial(nets.plain_cnn, 16, 32, 32, weights=None),
        IMAGES,
        steps=220,
    )
    yield from family("separable", "plain", "batch", 8, partial(
        nets.separable, 16, 16, 32, 32), IMAGES, {
        "dead-depthwise": plant("dead", "features.3.1.bias", dead_bias("features.3.1.bias")),
    }, steps=120)  # fmt: skip
    yield from family("separable-no-norm", "plain", "none", 6, partial(
        nets.separable, 16, 32, 32, norm=None), IMAGES, {
        "depthwise-x1e-8": plant("vanishing", "features.3.0.weight",
            scaled("features.3.0.weight", 1e-8)),
        "inf": plant("nonfinite", "features.1.0.weight", broken("features.1.0.weight")),
    }, steps=220)  # fmt: skip
    yield from family(
        "dilated",
        "plain",
        "none",
        5,
        partial(nets.plain_cnn, 16, 16, 16, 16, dilation=2),
        IMAGES,
        steps=120,
    )
    yield from family("strided", "plain", "none", 4, partial(
        nets.plain_cnn, 16, 32, 64, stride=2), IMAGES, {
        "dead-conv": plant("dead", "features.1.0.bias", dead_bias("features.1.0.bias")),
        "head-bias-50": plant("output_scale", "head.bias", at("head.bias", 0, 50.0)),
    })  # fmt: skip
    yield from family("conv1d", "plain", "none", 5, partial(nets.lines, 16, 32, 32, 32), LINES, {
        "channels-duplicated": plant("symmetry", ("features.2.weight", "features.4.weight"),
            duplicated("features.2.weight", "features.4.weight", "features.2.bias")),
        "constant-hidden": plant("symmetry", ("features.2.weight", "features.4.weight"),
            filled("features.2.weight", 0.02), filled("features.4.weight", 0.02)),
        "conv-x1e4": plant("exploding", "features.4.weight", scaled("features.4.weight", 1e4)),
    })  # fmt: skip
    yield from family("transposed", "plain", "none", 4, nets.mirrored, reconstruct(1, 8, 8), {
        "dead": plant("dead", "2.bias", dead_bias("2.bias")),
        "layer-x1e-8": plant("vanishing", "2.weight", scaled("2.weight", 1e-8)),
    }, steps=140)  # fmt: skip
    yield from family(
        "pixel-shuffle-icnr", "plain", "none", 4, nets.pixel_shuffled, reconstruct(1, 8, 8), {
        "shuffled-zero": plant("symmetry", ("2.weight", "5.weight"),
            filled("2.weight", 0.0), filled("5.weight", 0.0)),
    })  # fmt: skip
    yield from family("unet", "branched", "none", 6, nets.UNet, reconstruct(1, 8, 8), {
        "head-x100": plant("output_scale", "head.weight", scaled("head.weight", 100)),
        "leave-dead": plant("dead", "leave.0.bias", dead_bias("leave.0.bias")),
        "deep-dead": plant("dead", "deep.0.bias", dead_bias("deep.0.bias")),
    })  # fmt: skip
    yield from family(
        "unet-bn",
        "branched",
        "batch",
        6,
        partial(nets.UNet, 8, nn.BatchNorm2d),
        reconstruct(1, 8, 8),
    )
    yield from family("inception", "branched", "batch", 5, _inception, IMAGES, {
        "branch-dead": plant("dead", "features.0.large.1.bias",
            dead_bias("features.0.large.1.bias")),
        "constant": plant("symmetry", "*.weight", filled("*.weight", 0.05)),
    })  # fmt: skip
    yield from family("densenet", "dense", "batch", 8, partial(nets.densenet, 6), IMAGES, {
        "layer-dead": plant("dead", "features.4.norm.bias", dead_bias("features.4.norm.bias")),
    })  # fmt: skip


def _inception() -> nn.Module:
    features = nn.Sequential(nets.Inception(1, 8), nets.Inception(32, 8))
    return nets.initialised(nets.Pooled(features, 32), nets.he)


# Residual networks


def _residual() -> Iterator[Case]:
    every = "*.weight"
    yield from family("resnet-post", "residual", "batch", 14, partial(nets.resnet, 6), IMAGES, {
        "branch-dead": plant("dead", "features.2.branch.0.1.bias",
            dead_bias("features.2.branch.0.1.bias")),
        "head-x100": plant("output_scale", "head.weight", scaled("head.weight", 100)),
        "stem-nan": plant("nonfinite", "features.0.0.weight",
            broken("features.0.0.weight", math.nan)),
    })  # fmt: skip
    yield from family("resnet-pre", "residual", "batch", 14, partial(
        nets.resnet, 6, style="pre"), IMAGES, {
        "branch-dead": plant("dead", "features.3.branch.3.bias",
            dead_bias("features.3.branch.3.bias")),
        "inner-duplicated": plant("symmetry",
            ("features.2.branch.2.weight", "features.2.branch.5.weight"), duplicated(
            "features.2.branch.2.weight", "features.2.branch.5.weight",
            "features.2.branch.3.weight", "features.2.branch.3.bias")),
    })  # fmt: skip
    yield from family(
        "resnet-zero-gamma",
        "residual",
        "batch",
        14,
        partial(nets.resnet, 6, zero_gamma=True),
        IMAGES,
    )
    yield from family("resnet-se", "residual", "batch", 10, partial(
        nets.resnet, 4, squeeze=True), IMAGES, {
        "gate-shut": plant("dead", "features.1.branch.2.up.bias",
            filled("features.1.branch.2.up.bias", -30.0)),
    })  # fmt: skip
    yield from family(
        "resnet-gn", "residual", "group", 10, partial(nets.resnet, 4, norm=nets.group), IMAGES
    )
    yield from family(
        "resnet-deep-pre", "residual", "batch", 42, partial(nets.resnet, 20, 8, style="pre"), IMAGES
    )
    yield from family("fixup", "residual", "none", 17, partial(nets.fixup, 8), IMAGES, {
        "not-scaled": plant("exploding", "*.two.weight", gained("*.two.weight", 3.0),
            gained("*.one.weight", 3.0), gained("head.weight", 1.0)),
        "stem-dead": plant("dead", "features.0.0.bias", dead_bias("features.0.0.bias")),
    }, steps=300)  # fmt: skip
    yield from family("rezero-cnn", "residual", "none", 18, partial(
        nets.gated_cnn, 8, gate=0.0), IMAGES, {
        "full-gain": plant("exploding", "features.*.gate", filled("features.*.gate", 3.0)),
    }, steps=200)  # fmt: skip
    yield from family(
        "scaled-cnn",
        "residual",
        "none",
        18,
        partial(nets.gated_cnn, 8, scale=8**-0.5),
        IMAGES,
        steps=240,
    )
    yield from family("nf-net", "residual", "weight", 13, partial(nets.NormFree, 6), IMAGES, {
        "gain-x10": plant("exploding", "*.gain", filled("*.gain", 10.0)),
    })  # fmt: skip
    yield from family("convnext", "residual", "layer", 14, nets.convnext, IMAGES, {
        "norm-and-head-zero": plant("symmetry", ("features.*.norm.weight", "head.weight"),
            filled("head.weight", 0.0), filled("features.*.norm.weight", 0.0)),
        "head-x1000": plant("output_scale", "head.weight", scaled("head.weight", 1000)),
    }, steps=320)  # fmt: skip
    yield from family("mixer", "residual", "layer", 14, nets.MixerNet, IMAGES, {
        "dead-within": plant("dead", "blocks.1.within.0.bias",
            dead_bias("blocks.1.within.0.bias")),
        "duplicated-within": plant("symmetry",
            ("blocks.1.within.0.weight", "blocks.1.within.2.weight"), duplicated(
            "blocks.1.within.0.weight", "blocks.1.within.2.weight", "blocks.1.within.0.bias")),
    }, steps=100)  # fmt: skip
    yield from family("highway", "residual", "none", 12, partial(nets.Highway, 10), DIGITS, {
        "gates-shut": plant("saturation", "gates.*.bias", filled("gates.*.bias", -40.0)),
        "gates-saturated": plant("saturation", "gates.*.weight", normal("gates.*.weight", 10.0)),
    })  # fmt: skip
    yield from family("res-mlp-scaled", "residual", "none", 42, partial(
        nets.residual_mlp, 20, scale=20**-0.5), DIGITS, {
        "full-gain-40": plant("exploding", "blocks.*.weight", depth=82, build=partial(
            nets.residual_mlp, 40)),
        "full-gain-10": plant("exploding", "blocks.*.weight", depth=22, build=partial(
            nets.residual_mlp, 10)),
        "branch-x1e4": plant("exploding", "blocks.3.branch.2.weight",
            scaled("blocks.3.branch.2.weight", 1e4)),
        "branch-dead": plant("dead", "blocks.3.branch.0.bias",
            dead_bias("blocks.3.branch.0.bias")),
        "stem-x1e-8": plant("vanishing", "stem.weight", scaled("stem.weight", 1e-8)),
        "all-zero": plant("symmetry", every, filled("*", 0.0)),
    })  # fmt: skip
    yield from family(
        "res-mlp-default",
        "residual",
        "none",
        22,
        partial(nets.residual_mlp, 10, weights=None),
        DIGITS,
    )
    yield from family("skip-init", "residual", "none", 42, partial(
        nets.residual_mlp, 20, gate=0.0), DIGITS, {
        "zero-too": plant("symmetry", "blocks.*.branch.2.weight",
            filled("blocks.*.branch.2.weight", 0.0)),
    })  # fmt: skip
    yield from family(
        "zero-branches",
        "residual",
        "none",
        42,
        partial(nets.residual_mlp, 20, zero_last=True),
        DIGITS,
    )
    yield from family("res-mlp-ln-40", "residual", "layer", 82, partial(
        nets.residual_mlp, 40, 32, norm=nn.LayerNorm), DIGITS, {
        "branch-dead": plant("dead", "blocks.7.branch.1.bias",
            dead_bias("blocks.7.branch.1.bias")),
        "branch-x1e4": plant("exploding", "blocks.7.branch.3.weight",
            scaled("blocks.7.branch.3.weight", 1e4)),
    })  # fmt: skip
    yield from family("res-mlp-rms-12", "residual", "rms", 26, partial(
        nets.residual_mlp, 12, 48, norm=nn.RMSNorm, activation=nn.SiLU), DIGITS, {
        "half-duplicated": plant("symmetry",
            ("blocks.4.branch.1.weight", "blocks.4.branch.3.weight"), duplicated(
            "blocks.4.branch.1.weight", "blocks.4.branch.3.weight",
            "blocks.4.branch.1.bias")),
    })  # fmt: skip


# Norms, branches, places, factors


def _normed() -> Iterator[Case]:
    for depth, norm, name in (
        (10, nn.BatchNorm1d, "batch"), (20, nn.BatchNorm1d, "batch"),
        (20, nn.LayerNorm, "layer"), (30, nn.LayerNorm, "layer"),
    ):  # fmt: skip
        yield from family(f"mlp-{name}-{depth}", "plain", name, depth + 1, _deep(
            depth, 64, F.relu, nets.he, norm=norm), DIGITS, {
            "dead-norm": plant("dead", f"norms.{depth // 2}.bias",
                dead_bias(f"norms.{depth // 2}.bias")),
            "weights-x1e-3": plant("vanishing", _HIDDEN, scaled("layers.*.weight", 1e-3)),
        } if depth == 20 else {
            "weights-x100": plant("exploding", _HIDDEN, scaled("layers.*.weight", 100)),
            "head-x100": plant("output_scale", "head.weight", scaled("head.weight", 100)),
        }, steps=200)  # fmt: skip
    tanh = _deep(30, 64, F.tanh, nets.orthogonal(), norm=nn.LayerNorm)
    yield from family("mlp-tanh-layer-30", "plain", "layer", 31, tanh, DIGITS)
    yield from family(
        "mlp-silu-layer-40",
        "plain",
        "layer",
        41,
        _deep(40, 48, F.silu, nets.he, norm=nn.LayerNorm),
        DIGITS,
        steps=320,
    )
    yield from family("mlp-batch-deep", "plain", "batch", 11, _deep(
        10, 48, F.relu, nets.he, norm=nn.BatchNorm1d), DIGITS, {
        "40": plant("exploding", _HIDDEN, depth=41, build=_deep(
            40, 48, F.relu, nets.he, norm=nn.BatchNorm1d)),
        "60": plant("exploding", _HIDDEN, depth=61, build=_deep(
            60, 48, F.relu, nets.he, norm=nn.BatchNorm1d)),
    })  # fmt: skip
    yield from family("weight-norm", "plain", "weight", 4, partial(
        nets.weight_normed, (64, 64, 64, 64, 10)), DIGITS, {
        "gains-x1e-3": plant("vanishing", "*.original0", scaled("*.original0", 1e-3)),
        "gains-x30": plant("exploding", "*.original0", scaled("*.original0", 30)),
    })  # fmt: skip
    yield from family("spectral-norm", "plain", "weight", 4, partial(
        nets.spectral_normed, (64, 64, 64, 64, 10)), DIGITS, {
        "dead": plant("dead", "2.bias", dead_bias("2.bias")),
    }, steps=140)  # fmt: skip
    experts = nets.Experts
    yield from family("experts", "branched", "none", 4, experts, DIGITS, {
        "identical": plant("symmetry", ("experts.*", "router.weight"), same("experts.?"),
            filled("router.weight", 0.0)),
        "expert-dead": plant("dead", "experts.1.0.bias", dead_bias("experts.1.0.bias")),
        "router-nan": plant("nonfinite", "router.weight", broken("router.weight", math.nan)),
    })  # fmt: skip
    yield from family("experts-top-1", "branched", "none", 4, partial(experts, 4, top=1), DIGITS)
    yield from family("experts-top-2", "branched", "none", 4, partial(experts, 6, top=2), DIGITS, {
        "identical": plant("symmetry", ("experts.*", "router.weight"), same("experts.?")),
    })  # fmt: skip
    yield from family("branches-summed", "branched", "none", 3, nets.Branches, DIGITS, {
        "identical": plant("symmetry", "branches.*", same("branches.?")),
        "one-x1e4": plant("exploding", "branches.1.2.weight", scaled("branches.1.2.weight", 1e4)),
    })  # fmt: skip
    yield from family("branches-joined", "branched", "none", 3, partial(
        nets.Branches, joined=True), DIGITS, {
        "one-dead": plant("dead", "branches.1.0.bias", dead_bias("branches.1.0.bias")),
        "one-x1e-8": plant("vanishing", "branches.1.2.weight", scaled("branches.1.2.weight", 1e-8)),
    })  # fmt: skip
    drawing = _drawing()
    yield from family("siren", "plain", "none", 4, nets.Sines, drawing, {
        "weights-x10": plant("exploding", "layers.*.weight", scaled("layers.*.weight", 10)),
        "weights-x1e-3": plant("vanishing", "layers.*.weight", scaled("layers.*.weight", 1e-3)),
    })  # fmt: skip
    yield from family("fourier", "plain", "none", 3, nets.Fourier, drawing, {
        "dead": plant("dead", "body.layers.0.bias", dead_bias("body.layers.0.bias")),
    })  # fmt: skip
    yield from family("autoencoder", "plain", "none", 4, _mlp(
        64, 48, 16, 48, weights=nets.he, outputs=64), reconstruct(64), {
        "bottleneck-dead": plant("dead", "layers.1.bias", dead_bias("layers.1.bias")),
        "head-x30": plant("output_scale", "head.weight", scaled("head.weight", 30)),
        "bottleneck-duplicated": plant("symmetry", ("layers.1.weight", "layers.2.weight"),
            duplicated("layers.1.weight", "layers.2.weight", "layers.1.bias")),
    }, steps=240)  # fmt: skip


# The twelve of other checkers' examples


def _rivals() -> Iterator[Case]:
    """A plain network from 32 features through 128 units to 10 classes."""

    def deep(depth: int, activation: Any, weights: Any) -> Build:
        return _mlp(32, *[128] * depth, activation=activation, weights=weights)

    relu = deep(4, F.relu, nets.he)
    faults = {
        "tanh-20-std-0.01": plant("vanishing", _HIDDEN, depth=21, build=deep(
            20, F.tanh, nets.std(0.01))),
        "default-relu-50": plant("vanishing", _HIDDEN, depth=51, build=deep(50, F.relu, None)),
        "relu-20-std-0.5": plant("exploding", _HIDDEN, depth=21, build=deep(
            20, F.relu, nets.std(0.5))),
        "all-zero": plant("symmetry", "*.weight", filled("*", 0.0)),
        "constant-0.05": plant("symmetry", "*.weight", filled("*.weight", 0.05)),
        "half-duplicated": plant("symmetry", ("layers.1.weight", "layers.2.weight"), duplicated(
            "layers.1.weight", "layers.2.weight", "layers.1.bias")),
        "dead-layer": plant("dead", "layers.2.bias", dead_bias("layers.2.bias")),
        "dead-78": plant("dead", "layers.2.bias", dead_bias("layers.2.bias", 0.78)),
        "tanh-std-3": plant("saturation", _HIDDEN, normal("layers.*.weight", 3.0),
            build=deep(4, F.tanh, nets.xavier)),
        "head-x30": plant("output_scale", "head.weight", scaled("head.weight", 30)),
        "lora-both-zero": plant("symmetry", ("a.*", "b.*"), filled("a.*", 0.0), depth=3,
            build=partial(nets.LowRank, (32, 128, 128))),
    }  # fmt: skip
    siblings = {
        "rival/tanh-20-std-0.01": "mlp-tanh-20/healthy",
        "rival/default-relu-50": "mlp-relu-40/healthy",
        "rival/relu-20-std-0.5": "mlp-relu-20/healthy",
        "rival/tanh-std-3": "mlp-tanh-5/healthy",
        "rival/lora-both-zero": "lora/healthy",
    }
    for case in family("rival", "plain", "none", 5, relu, CUT, faults):
        yield replace(case, sibling=siblings.get(case.name, case.sibling))
    yield from family("lora", "plain", "none", 3, partial(
        nets.LowRank, (64, 128, 128), 8), DIGITS, {
        "both-zero": plant("symmetry", ("a.*", "b.*"), filled("a.*", 0.0)),
    })  # fmt: skip


CASES: tuple[Case, ...] = (
    *_perceptrons(),
    *_losses(),
    *_convolutions(),
    *_residual(),
    *_normed(),
    *_rivals(),
)
