"""Outputs and targets off scale: how large a loss at init still trains.

``python -m benchmarks.limits.output_scale [--quick]``
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.corpus.case import Task
from benchmarks.corpus.tasks import classify, reconstruct, regress
from benchmarks.limits.nets import cnn, head, mlp, residual, scaled, transformer
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import (
    LOSS_ERROR,
    LOSS_WARNING,
    OUTPUT_WARNING,
    SQUARES_WARNING,
    TARGET_MEAN_WARNING,
    TARGETS_WARNING,
)
from fanin.diagnosis.measures import Measures


def labels() -> Task:
    """Digits, each label asked for by itself: binary cross entropy over ten outputs."""
    plain = classify()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, F.one_hot(targets, 10).float())

    best = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    return Task("digit labels", plain.batch, loss, best)


def moved(plain: Task, mean: float, spread: float) -> Task:
    """The same targets with another mean and spread."""

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, y = plain.batch(seed, count)
        return x, mean + spread * y

    return Task(plain.name, batch, plain.loss, plain.baseline * spread**2, plain.level)


def loud(build: Callable[[], nn.Sequential]) -> Callable[[float], nn.Module]:
    """The last weight times the dose."""

    def made(dose: float) -> nn.Module:
        model = build()
        return scaled(model, dose, [head(model)])

    return made


def biased(build: Callable[[], nn.Sequential]) -> Callable[[float], nn.Module]:
    """The bias of one class is the dose."""

    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        model = build()
        head(model).bias[3] = dose
        return model

    return made


def ratio(measures: Measures) -> float | None:
    return measures.loss_ratio


def far(measures: Measures) -> float | None:
    """Scale of the targets over that of the outputs, or of 1."""
    for one in measures.observation.losses:
        if one.target_spread is not None:
            return math.hypot(one.target_mean or 0.0, one.target_spread) / max(one.scores, 1.0)
    return None


def constant(model: Callable[[], nn.Module]) -> Callable[[float], nn.Module]:
    return lambda dose: model()  # noqa: ARG005 - the dose is in the task


rows, images, lines = classify(), classify(1, 8, 8), classify(8, 8)
picture, illness = reconstruct(), regress()
FACTORS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3)
OFF = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3)


def wide() -> nn.Sequential:
    return mlp(4, out=64)


def tanh() -> nn.Sequential:
    return mlp(3, nn.Tanh, out=64)


def small() -> nn.Sequential:
    return mlp(3, width=32, out=1, into=10)


SWEEPS = (
    Sweep(
        "scores", "factor on the last weight, cross entropies", "loss over an uninformed guess",
        FACTORS,
        (
            Net("mlp-relu-4", rows, loud(lambda: mlp(4))),
            Net("cnn-relu-3", images, loud(lambda: cnn(3))),
            Net("residual-4", rows, loud(lambda: residual(4))),
            Net("transformer-1", lines, loud(lambda: transformer(1))),
            Net("mlp-relu-4, binary", labels(), loud(lambda: mlp(4))),
        ),
        ratio,
    ),
    Sweep(
        "class bias", "bias of one class", "loss over an uninformed guess",
        (0.0, 3.0, 10.0, 30.0, 100.0, 1e3, 3e3),
        (
            Net("mlp-relu-4", rows, biased(lambda: mlp(4))),
            Net("cnn-relu-3", images, biased(lambda: cnn(3))),
            Net("mlp-tanh-3", rows, biased(lambda: mlp(3, nn.Tanh))),
        ),
        ratio,
    ),
    Sweep(
        "output", "factor on the last weight", "RMS of the output", FACTORS,
        (
            Net("mlp-tanh-3", rows, loud(lambda: mlp(3, nn.Tanh))),
            Net("mlp-gelu-5", rows, loud(lambda: mlp(5, nn.GELU))),
            Net("mlp-relu-4, squares", picture, loud(wide)),
        ),
        lambda measures: measures.observation.output.rms,
    ),
    Sweep(
        "squares", "factor on the last weight, squared error", "loss over an uninformed guess",
        FACTORS[:-2],
        (
            Net("mlp-relu-4", picture, loud(wide)),
            Net("mlp-tanh-3", picture, loud(tanh)),
            Net("mlp-relu-3, diabetes", illness, loud(small)),
        ),
        ratio,
    ),
    Sweep(
        "mean of targets", "mean of targets of spread 1", "targets over outputs", OFF,
        (
            Net("mlp-relu-4", lambda dose: moved(picture, dose - 1, 1.0), constant(wide)),
            Net("mlp-tanh-3", lambda dose: moved(picture, dose - 1, 1.0), constant(tanh)),
            Net("mlp-relu-3, diabetes", lambda dose: moved(illness, dose - 1, 1), constant(small)),
        ),
        far,
    ),
    Sweep(
        "spread of targets", "spread of targets of mean 0", "targets over outputs", OFF,
        (
            Net("mlp-relu-4", lambda dose: moved(picture, 0.0, dose), constant(wide)),
            Net("mlp-tanh-3", lambda dose: moved(picture, 0.0, dose), constant(tanh)),
            Net("mlp-relu-3, diabetes", lambda dose: moved(illness, 0.0, dose), constant(small)),
        ),
        far,
    ),
)  # fmt: skip
JUDGES = (
    Judge(LOSS_WARNING, ("scores", "class bias")),
    Judge(LOSS_ERROR, ("scores", "class bias"), is_error=True),
    Judge(LOSS_ERROR, ("squares",), is_error=True),
    Judge(OUTPUT_WARNING, ("output",), only=("tanh", "gelu")),
    Judge(OUTPUT_WARNING, ("output",), only=("squares",)),
    Judge(SQUARES_WARNING, ("squares",)),
    Judge(TARGET_MEAN_WARNING, ("mean of targets",)),
    Judge(TARGETS_WARNING, ("spread of targets",)),
)

if __name__ == "__main__":
    run("output_scale", SWEEPS, JUDGES, __doc__)
