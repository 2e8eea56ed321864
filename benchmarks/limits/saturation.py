"""Values in the flat parts of activations, attention and gates: how many are too many.

``python -m benchmarks.limits.saturation [--quick]``
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.corpus.more_tasks import remembered
from benchmarks.corpus.sampled import Attend, Recurrent
from benchmarks.corpus.tasks import classify
from benchmarks.limits.nets import hidden, mlp, scaled, transformer
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import (
    BOTH_SIDES_WARNING,
    GATE_WARNING,
    ONE_HOT_WARNING,
    SATURATION_ERROR,
    SATURATION_WARNING,
)
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.rules.saturation import both_sides, stuck_share

_GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("reset", "update", "new")}


def louder(build: Callable[[], nn.Sequential]) -> Callable[[float], nn.Module]:
    """Hidden weights times the dose."""

    def made(dose: float) -> nn.Module:
        model = build()
        return scaled(model, dose, hidden(model))

    return made


def flat(measures: Measures) -> float | None:
    """Largest share in the flat parts, over the layers."""
    seen = [w.signal.units for w in measures.weights if w.signal is not None and w.signal.units]
    return max((one.flat for one in seen if one.two_sided and one.flat is not None), default=None)


def sharpened(blocks: int) -> Callable[[float], nn.Module]:
    """Queries and keys times the dose each."""

    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        model = transformer(blocks)
        for module in model.modules():
            if isinstance(module, Attend):
                width = module.out.in_features
                module.qkv.weight[: 2 * width] *= dose
        return model

    return made


class Reader(nn.Module):
    """Attention without a skip: what the last place knows of the others it knows by attention."""

    def __init__(self, *, act: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(8, 32), nn.Parameter(torch.randn(8, 32))
        self.attend, self.act, self.head = Attend(32), act(), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.head(self.act(self.attend(self.embed(x) + self.place)[:, -1]))
        return made


def reader(act: Callable[[], nn.Module]) -> Callable[[float], nn.Module]:
    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        model = Reader(act=act)
        model.attend.qkv.weight[:64] *= 2 * dose
        return model

    return made


def largest(measures: Measures) -> float | None:
    return max((one.largest for one in measures.observation.attentions), default=None)


def recurrent(
    kind: type[nn.LSTM] | type[nn.GRU], change: Callable[[nn.RNNBase, float], None]
) -> Callable[[float], nn.Module]:
    @torch.no_grad()
    def made(dose: float) -> nn.Module:
        net = kind(8, 32, batch_first=True)
        change(net, dose)
        return Recurrent(net, 32, mean=False)

    return made


def shut(gate: str, sign: float) -> Callable[[nn.RNNBase, float], None]:
    """The bias of one gate times the dose."""

    def change(net: nn.RNNBase, dose: float) -> None:
        names = _GATES[type(net).__name__]
        place = names.index(gate)
        bias = getattr(net, "bias_ih_l0")  # noqa: B009 - torch sets it by name
        bias.chunk(len(names))[place].add_(sign * dose)

    return change


def wide(net: nn.RNNBase, dose: float) -> None:
    """All weights times the dose."""
    for name, parameter in net.named_parameters():
        if name.startswith("weight"):
            parameter.mul_(dose)


rows, lines = classify(), classify(8, 8)
memory = remembered(4)
FACTORS = (1.0, 2.0, 4.0, 8.0, 15.0, 40.0, 200.0, 1e5)
SWEEPS = (
    Sweep(
        "flat", "factor on the hidden weights", "saturated values", FACTORS,
        (
            Net("mlp-tanh-4", rows, louder(lambda: mlp(4, nn.Tanh))),
            Net("mlp-sigmoid-3", rows, louder(lambda: mlp(3, nn.Sigmoid))),
            Net("mlp-hardtanh-4", rows, louder(lambda: mlp(4, nn.Hardtanh))),
            Net("mlp-relu6-4", rows, louder(lambda: mlp(4, nn.ReLU6))),
        ),
        flat,
    ),
    Sweep(
        "flat, deep", "factor on the hidden weights of deeper nets", "saturated values",
        (1.0, 2.0, 4.0, 8.0, 20.0, 200.0, 1e5),
        (
            Net("mlp-tanh-10", rows, louder(lambda: mlp(10, nn.Tanh))),
            Net("mlp-hardtanh-8", rows, louder(lambda: mlp(8, nn.Hardtanh))),
            Net("mlp-relu6-8", rows, louder(lambda: mlp(8, nn.ReLU6))),
        ),
        flat,
    ),
    Sweep(
        "one-hot", "factor on queries and on keys", "largest share of attention",
        (1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 100.0),
        (
            Net("transformer-1", lines, sharpened(1)),
            Net("transformer-2", lines, sharpened(2)),
            Net("transformer-3", lines, sharpened(3)),
        ),
        largest,
    ),
    Sweep(
        "one-hot, needed", "factor on queries and on keys where no skip passes attention by",
        "largest share of attention", (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0),
        (
            Net("reader-tanh", lines, reader(nn.Tanh)),
            Net("reader-gelu", lines, reader(nn.GELU)),
            Net("reader-linear", lines, reader(nn.Identity)),
        ),
        largest,
    ),
    Sweep(
        "stuck gates", "what is added to the bias of one gate", "values in the flat part",
        (0.0, 4.0, 6.0, 6.5, 8.0, 15.0, 30.0),
        (
            Net("lstm, input shut", lines, recurrent(nn.LSTM, shut("input", -1))),
            Net("lstm, output shut", lines, recurrent(nn.LSTM, shut("output", -1))),
            Net("gru, update open", lines, recurrent(nn.GRU, shut("update", 1))),
            Net("lstm, forget shut", memory, recurrent(nn.LSTM, shut("forget", -1))),
        ),
        lambda measures: max(map(stuck_share, measures.observation.gates), default=0.0),
    ),
    Sweep(
        "both ends", "factor on all weights of a recurrent net", "values in either flat part",
        (1.0, 6.0, 10.0, 15.0, 30.0, 100.0, 1e3),
        (
            Net("lstm", lines, recurrent(nn.LSTM, wide)),
            Net("gru", lines, recurrent(nn.GRU, wide)),
            Net("lstm, memory", memory, recurrent(nn.LSTM, wide)),
        ),
        lambda measures: max(map(both_sides, measures.observation.gates), default=0.0),
    ),
)  # fmt: skip
JUDGES = (
    Judge(SATURATION_WARNING, ("flat", "flat, deep")),
    Judge(SATURATION_ERROR, ("flat",), is_error=True),
    Judge(SATURATION_ERROR, ("flat, deep",), is_error=True),
    Judge(ONE_HOT_WARNING, ("one-hot",)),
    Judge(ONE_HOT_WARNING, ("one-hot, needed",)),
    Judge(GATE_WARNING, ("stuck gates",)),
    Judge(BOTH_SIDES_WARNING, ("both ends",)),
    Judge(BOTH_SIDES_WARNING, ("both ends",), is_error=True),
)

if __name__ == "__main__":
    run("saturation", SWEEPS, JUDGES, __doc__)
