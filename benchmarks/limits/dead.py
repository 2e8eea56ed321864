"""Units that no example activates: how many a layer, or all layers, can do without.

``python -m benchmarks.limits.dead [--quick]``
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.corpus.tasks import classify
from benchmarks.limits.nets import cnn, hidden, mlp, residual, transformer
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import DEAD_ERROR, DEAD_WARNING
from fanin.diagnosis.measures import Measures

_OFF = -50.0  # a bias that no input of scale 1 overcomes


def killed(build: Callable[[], nn.Module], *places: int) -> Callable[[float], nn.Module]:
    """A share of the units, that of the dose, in these layers is never above zero."""

    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        model = build()
        own = hidden(model)
        for place in places:
            bias = own[place].bias
            assert bias is not None
            bias[: round(dose * len(bias))] = _OFF
        return model

    return made


def lowered(build: Callable[[], nn.Module], *places: int) -> Callable[[float], nn.Module]:
    """The bias of every unit is the dose below zero: first few units die, then all."""

    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        model = build()
        own = hidden(model)
        for place in places:
            bias = own[place].bias
            assert bias is not None
            bias.sub_(dose)
        return model

    return made


def share(measures: Measures) -> float:
    """Largest share of dead units beyond chance, over the layers."""
    return max(dead - always for dead, always in _shares(measures))


def _shares(measures: Measures) -> list[tuple[float, float]]:
    seen = [w.signal.units for w in measures.weights if w.signal is not None and w.signal.units]
    return [
        (one.dead / one.count, (one.always or 0) / one.count)
        for one in seen
        if one.silent and one.dead is not None
    ]


rows, images, lines = classify(), classify(1, 8, 8), classify(8, 8)
DOSES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 1.0)


def relu_transformer() -> nn.Module:
    return transformer(1, nn.ReLU)


SWEEPS = (
    Sweep(
        "one layer", "share of the units of one layer that is dead", "dead units beyond chance",
        DOSES,
        (
            Net("mlp-relu-4", rows, killed(lambda: mlp(4), 1)),
            Net("cnn-relu-4", images, killed(lambda: cnn(4, width=16), 1)),
            Net("residual-4", rows, killed(lambda: residual(4), 3)),
            Net("transformer-1", lines, killed(relu_transformer, 3)),
        ),
        share,
    ),
    Sweep(
        "all layers", "share of the units of all layers that is dead", "dead units beyond chance",
        (0.0, 0.5, 0.75, 0.9, 0.95, 1.0),
        (
            Net("mlp-relu-4", rows, killed(lambda: mlp(4), 0, 1, 2)),
            Net("cnn-relu-4", images, killed(lambda: cnn(4, width=16), 0, 1, 2)),
            Net("residual-4", rows, killed(lambda: residual(4), 1, 3, 5, 7)),
        ),
        share,
    ),
    Sweep(
        "low bias", "what is taken from the bias of all units", "dead units beyond chance",
        (0.0, 0.5, 1.0, 2.0, 3.0, 6.0),
        (
            Net("mlp-relu-4, second", rows, lowered(lambda: mlp(4), 1)),
            Net("cnn-relu-4, all", images, lowered(lambda: cnn(4, width=16), 0, 1, 2)),
            Net("residual-4, all", rows, lowered(lambda: residual(4), 1, 3, 5, 7)),
        ),
        share,
    ),
)  # fmt: skip
ALL = tuple(sweep.name for sweep in SWEEPS)
JUDGES = (
    Judge(DEAD_WARNING, ALL),
    Judge(DEAD_ERROR, ALL, is_error=True, only=("mlp", "cnn")),
    Judge(DEAD_ERROR, ALL, is_error=True, only=("residual", "transformer")),
)

if __name__ == "__main__":
    run("dead", SWEEPS, JUDGES, __doc__)
