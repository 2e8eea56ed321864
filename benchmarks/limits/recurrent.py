"""Recurrent weights so small that a state does not outlast a step.

``python -m benchmarks.limits.recurrent [--quick]``
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.corpus.more_tasks import remembered
from benchmarks.corpus.sampled import Recurrent
from benchmarks.corpus.tasks import classify
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import MEMORY_WARNING, PLAIN_MEMORY_WARNING
from fanin.diagnosis.measures import Measures

_WIDTH = 48


def remembering(
    kind: type[nn.RNN] | type[nn.LSTM] | type[nn.GRU], *, mean: bool = False, layers: int = 1
) -> Callable[[float], nn.Module]:
    """Orthogonal recurrent weights of a gate each, times the dose."""

    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        net = kind(8, _WIDTH, layers, batch_first=True)
        for name, parameter in net.named_parameters():
            if name.startswith("weight_hh"):
                for gate in parameter.view(-1, _WIDTH, _WIDTH):
                    nn.init.orthogonal_(gate, gain=dose)
        return Recurrent(net, _WIDTH, mean=mean)

    return made


def scale(measures: Measures) -> float | None:
    """Smallest RMS times sqrt(hidden size) of a recurrent weight."""
    return min(
        (w.scale for w in measures.weights if "weight_hh" in w.name and w.scale is not None),
        default=None,
    )


rows, memory = classify(8, 8), remembered(10)
SCALES = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 1e-3)
SWEEPS = (
    Sweep(
        "memory needed", "scale of recurrent weights; 10 steps of silence before the answer",
        "recurrent weights", SCALES,
        (
            Net("rnn", memory, remembering(nn.RNN)),
            Net("rnn of two layers", memory, remembering(nn.RNN, layers=2)),
            Net("lstm", memory, remembering(nn.LSTM)),
            Net("gru", memory, remembering(nn.GRU)),
        ),
        scale,
    ),
    Sweep(
        "memory not needed", "scale of recurrent weights; the mean state answers",
        "recurrent weights", SCALES[::3],
        (
            Net("rnn", rows, remembering(nn.RNN, mean=True)),
            Net("lstm", rows, remembering(nn.LSTM, mean=True)),
            Net("gru", rows, remembering(nn.GRU, mean=True)),
        ),
        scale,
    ),
)  # fmt: skip
JUDGES = (
    Judge(PLAIN_MEMORY_WARNING, ("memory needed",), small=True, only=("rnn",)),
    Judge(MEMORY_WARNING, ("memory needed",), small=True, only=("lstm", "gru")),
)

if __name__ == "__main__":
    run("recurrent", SWEEPS, JUDGES, __doc__)
