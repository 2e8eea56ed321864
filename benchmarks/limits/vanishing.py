"""Signals and gradients that fade: how little may reach the weights, how little may differ.

``python -m benchmarks.limits.vanishing [--quick]``
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from benchmarks.corpus.tasks import classify
from benchmarks.limits.nets import cnn, mlp, scaled
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import (
    FIRST_REACH_ERROR,
    REACH_ERROR,
    REACH_WARNING,
    VARYING_ERROR,
    VARYING_WARNING,
)
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.trend import trend


def reach(measures: Measures) -> float:
    seen = trend(measures)
    return max(seen.reach or 0.0, seen.head_reach or 0.0)


def first_reach(measures: Measures) -> float | None:
    """Of networks whose input has faded, the reach of the weights that read it."""
    seen = trend(measures)
    has_faded = seen.varying is not None and seen.varying <= VARYING_ERROR.value
    return seen.first_reach if has_faded else None


def faded(depth: int, build: Callable[[], nn.Sequential]) -> Callable[[float], nn.Module]:
    """All weights smaller, so that the signal before the head is that of the dose."""
    return lambda dose: scaled(build(), dose ** (1 / (depth - 1)))


def as_constructed(make: Callable[[int], nn.Module]) -> Callable[[float], nn.Module]:
    """torch's own weights and biases at a depth."""

    def build(dose: float) -> nn.Module:
        model = make(int(dose))
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.reset_parameters()
        return model

    return build


rows, images = classify(), classify(1, 8, 8)
SWEEPS = (
    Sweep(
        "reach", "scale of all weights, as the signal before the head", "largest reach",
        (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10),
        (
            Net("mlp-relu-4", rows, faded(4, lambda: mlp(4))),
            Net("mlp-tanh-8", rows, faded(8, lambda: mlp(8, nn.Tanh))),
            Net("mlp-gelu-6", rows, faded(6, lambda: mlp(6, nn.GELU))),
            Net("cnn-relu-4", images, faded(4, lambda: cnn(4))),
        ),
        reach,
    ),
    Sweep(
        "varying", "depth of nets as torch constructs them", "share that differs",
        (3, 5, 7, 9, 11, 13, 15, 18),
        (
            Net("mlp-relu", rows, as_constructed(mlp)),
            Net("mlp-gelu", rows, as_constructed(lambda depth: mlp(depth, nn.GELU))),
            Net("cnn-relu", images, as_constructed(cnn)),
            Net("mlp-tanh", rows, as_constructed(lambda depth: mlp(depth, nn.Tanh))),
        ),
        lambda measures: trend(measures).varying,
    ),
)  # fmt: skip
JUDGES = (
    Judge(REACH_WARNING, ("reach",), small=True),
    Judge(REACH_ERROR, ("reach",), is_error=True, small=True),
    Judge(VARYING_WARNING, ("varying",), small=True),
    Judge(VARYING_ERROR, ("varying",), is_error=True, small=True),
    Judge(FIRST_REACH_ERROR, ("varying",), is_error=True, small=True, measure=first_reach),
)

if __name__ == "__main__":
    run("vanishing", SWEEPS, JUDGES, __doc__)
