"""Gradients below the smallest number of float16: how many may be lost.

``python -m benchmarks.limits.precision [--quick]``
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.corpus.case import Task
from benchmarks.corpus.more_tasks import weighted
from benchmarks.corpus.tasks import classify
from benchmarks.limits.nets import mlp, residual, transformer
from benchmarks.limits.sweep import Judge, Net, Sweep, run
from fanin.diagnosis.limits import UNDERFLOW_ERROR
from fanin.diagnosis.measures import Measures


class Half(nn.Linear):
    """Weights in float32, the product in float16: what autocast does."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.half()
        return F.linear(x.half(), self.weight.half(), bias)


def halved(build: Callable[[], nn.Sequential]) -> Callable[[float], nn.Module]:
    """In half precision; the gradients of parameters are divided by the scale of the loss."""

    def made(dose: float) -> nn.Module:
        model = build()
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = Half
            if isinstance(module, nn.LayerNorm):
                module.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
        for parameter in model.parameters():
            parameter.register_hook(lambda g: g / dose)  # type: ignore[no-untyped-call]
        return model

    return made


def scaled_loss(dose: float) -> Task:
    return weighted(classify(), dose)


def scaled_loss_of_lines(dose: float) -> Task:
    return weighted(classify(8, 8), dose)


def lost(measures: Measures) -> float:
    """Largest share of zeros in the gradient of what a weight puts out."""
    return max(
        w.signal.gradient.zeros
        for w in measures.weights
        if w.signal is not None and w.signal.gradient is not None
    )


SWEEPS = (
    Sweep(
        "underflow", "factor on the loss, undone in the gradients of the parameters",
        "gradients lost in float16",
        (1.0, 1e-2, 1e-3, 1e-4, 3e-5, 1e-5, 5e-6, 2e-6, 1e-6),
        (
            Net("mlp-gelu-3", scaled_loss, halved(lambda: mlp(3, nn.GELU))),
            Net("mlp-relu-4", scaled_loss, halved(lambda: mlp(4))),
            Net("mlp-tanh-6", scaled_loss, halved(lambda: mlp(6, nn.Tanh))),
            Net("residual-3", scaled_loss, halved(lambda: residual(3))),
            Net("transformer-1", scaled_loss_of_lines, halved(lambda: transformer(1))),
        ),
        lost,
    ),
)  # fmt: skip
JUDGES = (
    Judge(UNDERFLOW_ERROR, ("underflow",), is_error=True),
    Judge(UNDERFLOW_ERROR, ("underflow",)),
)

if __name__ == "__main__":
    run("precision", SWEEPS, JUDGES, __doc__)
