"""Units that are copies of each other, weights in and weights out: how many different ones do.

``python -m benchmarks.limits.symmetry [--quick]``
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.corpus.tasks import classify, reconstruct
from benchmarks.limits.nets import cnn, hidden, mlp, residual, transformer, weights
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import TWINS_ERROR
from fanin.diagnosis.measures import Measures


def copied(build: Callable[[], nn.Sequential], *places: int) -> Callable[[float], nn.Module]:
    """In these layers a share of the units, that of the dose, is different; the rest copies them.

    The weights that read copies are equal too, and as large as keeps the signal's scale.
    """

    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        model = build()
        own = list(weights(model))
        for place in places or range(len(hidden(model))):
            weight, reader = own[place].weight, own[place + 1].weight
            count = len(weight)
            following = reader.view(len(reader), count, -1)  # all that reads one unit together
            distinct = max(1, round(dose * count))
            origin = torch.arange(count) % distinct
            weight.copy_(weight[origin])
            following.copy_(following[:, origin] * (distinct / count) ** 0.5)
        return model

    return made


def distinct(measures: Measures) -> float:
    """The fewest different units of a layer; the widest layer's where no two are equal."""
    seen = [one.distinct for one in measures.observation.twins if one.gradients]
    widest = max((s.units.count for s in measures.observation.signals if s.units), default=1)
    return float(min(seen, default=widest))


rows, images, lines = classify(), classify(1, 8, 8), classify(8, 8)
SWEEPS = (
    Sweep(
        "copies", "share of different units, as planted", "different units",
        (1.0, 0.5, 0.25, 0.125, 1 / 16, 1 / 32, 1 / 64),
        (
            Net("mlp-relu-4, all layers", rows, copied(lambda: mlp(4))),
            Net("mlp-tanh-3, all layers", rows, copied(lambda: mlp(3, nn.Tanh))),
            Net("mlp-relu-4, second layer", rows, copied(lambda: mlp(4), 1)),
            Net("cnn-relu-3, all layers", images, copied(lambda: cnn(3, width=32))),
            Net("residual-3, inside branches", rows, copied(lambda: residual(3), 1, 3, 5)),
            Net("transformer-1, inside its MLP", lines, copied(lambda: transformer(1), 3)),
            Net("autoencoder, second layer", reconstruct(), copied(lambda: mlp(4, out=64), 1)),
        ),
        distinct,
    ),
)  # fmt: skip
JUDGES = (
    Judge(TWINS_ERROR, ("copies",), is_error=True, small=True, only=("mlp-", "cnn", "autoencoder")),
    Judge(TWINS_ERROR, ("copies",), is_error=True, small=True, only=("residual", "transformer")),
    Judge(TWINS_ERROR, ("copies",), small=True),
)

if __name__ == "__main__":
    run("symmetry", SWEEPS, JUDGES, __doc__)
