"""Signals that grow, and losses that hang on them ever more: how much is too much.

``python -m benchmarks.limits.exploding [--quick]``
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from torch import Tensor, nn

from benchmarks.corpus.tasks import classify
from benchmarks.limits.nets import (
    Residual,
    centred,
    cnn,
    head,
    hidden,
    mlp,
    residual,
    scaled,
)
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import (
    CHAOS_ERROR,
    CHAOS_WARNING,
    GROWTH_ERROR,
    GROWTH_SHARE,
    GROWTH_WARNING,
    PLAIN_CHAOS_WARNING,
)
from fanin.diagnosis.trend import trend

_LOSS = 60.0  # how many times too large the outputs are where a large loss has two causes


def grown(depth: int, build: Callable[[], nn.Sequential]) -> Callable[[float], nn.Module]:
    """Hidden weights larger, so that the signal before the head is that of the dose."""

    def made(dose: float) -> nn.Module:
        model = build()
        return scaled(model, dose ** (1 / (depth - 1)), hidden(model))

    return made


def branches(blocks: int) -> Callable[[float], nn.Module]:
    """Branches without norm, each so large that the sum grows to the dose."""

    def made(dose: float) -> nn.Module:
        model = residual(blocks)
        factor = math.sqrt(blocks * max(dose ** (2 / blocks) - 1, 1 / blocks))
        return scaled(model, factor, [m.second for m in model if isinstance(m, Residual)])

    return made


def quiet(depth: int) -> Callable[[float], nn.Module]:
    """As ``grown``, with a head that gives outputs of scale 1 all the same."""

    def made(dose: float) -> nn.Module:
        model = grown(depth, lambda: mlp(depth))(dose)
        assert isinstance(model, nn.Sequential)
        return scaled(model, 1 / dose, [head(model)])

    return made


def normed(act: Callable[[], nn.Module], width: int = 32) -> Callable[[float], nn.Module]:
    """BatchNorm at every layer and no skip; the dose is the depth."""

    def made(dose: float) -> nn.Module:
        sizes = [64, *[width] * (int(dose) - 1)]
        layers = [
            m
            for a, b in itertools.pairwise(sizes)
            for m in (nn.Linear(a, b), nn.BatchNorm1d(b), act())
        ]
        return centred(nn.Sequential(*layers, nn.Linear(width, 10)), act)

    return made


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sin()


def chaotic(depth: int, act: Callable[[], nn.Module]) -> Callable[[float], nn.Module]:
    """Weights so large that nearby inputs part; the activation keeps the signal bounded."""

    def made(dose: float) -> nn.Module:
        model = mlp(depth, act)
        return scaled(model, dose, hidden(model))

    return made


def two_causes(
    mended: str, depth: int, build: Callable[[], nn.Sequential]
) -> Callable[[float], nn.Module]:
    """Growth before the head and a large head: together 60 times; then one of them is mended."""

    def made(dose: float) -> nn.Module:
        model = build()
        if mended != "hidden":
            scaled(model, dose ** (1 / (depth - 1)), hidden(model))
        if mended != "head":
            scaled(model, _LOSS / dose, [head(model)])
        return model

    return made


def mended(which: str) -> tuple[Net, ...]:
    return (
        Net("mlp-relu-4", rows, two_causes(which, 4, lambda: mlp(4))),
        Net("mlp-relu-8", rows, two_causes(which, 8, lambda: mlp(8))),
        Net("cnn-relu-4", images, two_causes(which, 4, lambda: cnn(4))),
    )


rows, images = classify(), classify(1, 8, 8)
GROWN = (1.0, 3.0, 5.0, 8.0, 14.0, 25.0, 60.0)
SWEEPS = (
    Sweep(
        "growth", "scale of hidden weights, as the signal before the head", "growth of the signal",
        (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4),
        (
            Net("mlp-relu-4", rows, grown(4, lambda: mlp(4))),
            Net("cnn-relu-4", images, grown(4, lambda: cnn(4))),
            Net("residual-8", rows, branches(8)),
            Net("mlp-relu-6, small head", rows, quiet(6)),
        ),
        lambda measures: trend(measures).growth,
    ),
    Sweep(
        "norms in depth", "depth of nets with BatchNorm and no skip", "growth of the sensitivity",
        (4, 10, 16, 22, 28),
        (
            Net("batchnorm-relu", rows, normed(nn.ReLU)),
            Net("batchnorm-tanh", rows, normed(nn.Tanh)),
        ),
        lambda measures: trend(measures).sensitivity,
    ),
    Sweep(
        "chaos", "factor on the hidden weights of bounded activations",
        "growth of the sensitivity",
        (1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0),
        (
            Net("mlp-tanh-6", rows, chaotic(6, nn.Tanh)),
            Net("mlp-sine-6", rows, chaotic(6, Sine)),
            Net("mlp-hardtanh-8", rows, chaotic(8, nn.Hardtanh)),
        ),
        lambda measures: trend(measures).sensitivity,
    ),
    Sweep(
        "head mended", "growth before the head, which was too large too and is mended",
        "growth of the signal",
        GROWN, mended("head"), lambda measures: trend(measures).growth,
    ),
    Sweep(
        "growth mended", "growth that was mended; the head is too large by 60 over it",
        "growth of the signal",
        GROWN[::-1], mended("hidden"), lambda measures: trend(measures).growth,
    ),
)  # fmt: skip
JUDGES = (
    Judge(GROWTH_WARNING, ("growth",)),
    Judge(GROWTH_ERROR, ("growth",), is_error=True, only=("relu-4", "residual")),
    Judge(GROWTH_ERROR, ("growth",), is_error=True, only=("small head",)),
    Judge(CHAOS_WARNING, ("norms in depth",)),
    Judge(PLAIN_CHAOS_WARNING, ("chaos",)),
    Judge(CHAOS_ERROR, ("norms in depth", "chaos"), is_error=True),
    Judge(GROWTH_SHARE, ("head mended",), rival="growth mended"),
)

if __name__ == "__main__":
    run("exploding", SWEEPS, JUDGES, __doc__)
