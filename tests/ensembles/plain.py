"""The slow truth: one model, one loop, torch.optim."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

import fanin
from fanin.ensembles import Comparison, Dataset, load
from fanin.ensembles.datasets import DataLike
from fanin.ensembles.grid import batches
from fanin.ensembles.isolation import isolated
from fanin.ensembles.template import build_under
from fanin.recipes import RecipeLike

Build = Callable[[], nn.Module]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.01),
}


@dataclass(frozen=True)
class Plain:
    """What a plain loop made of one run."""

    model: nn.Module
    losses: NDArray[np.float32]
    train_loss: float
    metric: float


@isolated()  # two threads on a busy core take ten times as long
def train_plainly(
    build: Build,
    recipe: RecipeLike,
    *,
    seed: int,
    rate: float,
    steps: int,
    data: DataLike = "digits",
    shape: tuple[int, ...] | None = None,
    optimizer: str = "sgd",
    batch_size: int = 64,
) -> Plain:
    """Build, initialise and train one model as a user of PyTorch would.

    The recipe ``default`` is what ``build`` does under the generators of this seed.
    """
    samples = load(data) if shape is None else load(data).in_form(shape, torch.float32)
    if recipe == "default":
        model = build_under(build, seed)
    else:
        model = fanin.init_(build_under(build, 0), recipe, seed=seed)
    model.train()
    stepper = OPTIMIZERS[optimizer]([p for p in model.parameters() if p.requires_grad], lr=rate)
    stream = batches(seed, len(samples.x_train), batch_size)
    losses = []
    for chosen in itertools.islice(stream, steps):
        loss = _loss(model(samples.x_train[chosen]), samples.y_train[chosen])
        losses.append(float(loss.detach()))
        stepper.zero_grad()
        loss.backward()
        stepper.step()
    return Plain(model, np.array(losses, np.float32), *_evaluated(model.eval(), samples))


def _loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if targets.dtype is torch.int64:
        return F.cross_entropy(outputs, targets)
    return F.mse_loss(outputs, targets)


@torch.no_grad()
def _evaluated(model: nn.Module, data: Dataset) -> tuple[float, float]:
    outputs = model(data.x_test)
    if data.classes is None:
        off = (outputs - data.y_test).square().mean()
        metric = 1 - off / (data.y_test - data.y_test.mean(0)).square().mean()
    else:
        metric = (outputs.argmax(-1) == data.y_test).float().mean()
    return float(_loss(model(data.x_train), data.y_train)), float(metric)


def assert_same_curve(
    got: NDArray[np.float32], expected: NDArray[np.float32], relative: float, what: str
) -> None:
    assert got.shape == expected.shape, f"{what}: {got.shape} losses instead of {expected.shape}"
    assert np.isfinite(expected).all(), f"{what}: the expected curve is not finite"
    off = np.abs(got - expected) / np.abs(expected)
    step = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    assert off[step] <= relative, (
        f"{what}: loss at step {step} is {got[step]:.7g}, plainly {expected[step]:.7g} "
        f"(relative {off[step]:.1e}, allowed {relative:.0e})"
    )


def curve_of(result: Comparison, recipe: str, seed: int, rate: float) -> NDArray[np.float32]:
    """The loss curve of one run."""
    return result.curves.loss[index_of(result, recipe, seed, rate)]


def index_of(result: Comparison, recipe: str, seed: int, rate: float) -> int:
    found = [
        i
        for i, run in enumerate(result.runs)
        if (run.recipe, run.seed, run.learning_rate) == (recipe, seed, rate)
    ]
    assert len(found) == 1, f"{len(found)} runs of {recipe}, seed {seed}, rate {rate}"
    return found[0]


def assert_agrees_with_plain_loop(
    build: Build,
    recipe: str,
    *,
    rate: float,
    seeds: Sequence[int] = (0, 1),
    steps: int = 50,
    data: DataLike = "digits",
    shape: tuple[int, ...] | None = None,
    optimizer: str = "sgd",
    relative: float = 1e-4,
    result: Comparison | None = None,
) -> Comparison:
    """``compare`` gives the curve, the final loss and the metric of plain loops; returns it."""
    if result is None:
        result = fanin.compare(
            build,
            [recipe],
            data=data,
            seeds=seeds,
            learning_rates=[rate],
            steps=steps,
            optimizer=optimizer,
            progress=False,
        )
    for seed in seeds:
        plain = train_plainly(
            build,
            recipe,
            seed=seed,
            rate=rate,
            steps=steps,
            data=data,
            shape=shape,
            optimizer=optimizer,
        )
        what = f"{recipe}, seed {seed}, {optimizer}"
        i = index_of(result, recipe, seed, rate)
        assert_same_curve(result.curves.loss[i], plain.losses, relative, what)
        run = result.runs[i]
        assert abs(run.train_loss - plain.train_loss) <= 10 * relative * plain.train_loss, (
            f"{what}: final training loss {run.train_loss:.6g}, plainly {plain.train_loss:.6g}"
        )
        # One held-out sample of digits, which rounding may tip over.
        assert abs(run.metric - plain.metric) <= 1 / 450 + 1e-6, (
            f"{what}: metric {run.metric:.4f}, plainly {plain.metric:.4f}"
        )
    return result
