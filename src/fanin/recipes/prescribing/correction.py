"""The leftover error of a prescription, measured in one pass and taken out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fanin.observation.intervening import Site, intervene

_TOLERANCE = math.log(1.1)
"""Of a scale: what is nearer to its target is left as it is, so that rules stay readable."""


def corrections(
    model: nn.Module, inputs: object, targets: Mapping[str, float]
) -> Mapping[str, float]:
    """Factors that bring the signal of each weight to its target, one after the other.

    As LSUV does, with one pass for all layers: what each weight puts out is brought to its
    target at once, and flows on so.

    Args:
        model: with the weights that were drawn.
        inputs: as ``fanin.observe`` takes them.
        targets: parameter -> RMS that its signal is to have.

    Returns:
        Parameter -> factor, 1 where none is needed; parameters whose signal did not show are
        left out.
    """
    factors: dict[str, float] = {}

    def change(sites: tuple[Site, ...], output: Tensor) -> None:
        weights = [site for site in sites if site.role in {"weight", "table", "magnitude"}]
        lengths = [site.parameter for site in weights if site.role == "magnitude"]
        name = (lengths or [site.parameter for site in weights])[0]
        if len({site.parameter for site in weights}) > 1 and not lengths:
            return  # two weights in one operation, as of a recurrent layer
        if name not in targets:
            return
        if name not in factors:
            factor = _factor(output, targets[name])
            if factor is None:
                return
            factors[name] = factor
        if factors[name] != 1.0:
            output.mul_(factors[name])

    intervene(model, inputs, change)
    return factors


def averaged(found: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The geometric mean of factors from several draws: what is chance in one is not taken out.

    Args:
        found: as ``corrections`` gives them, for weights of several seeds.
    """
    made = {}
    for name in found[0]:
        logs = [math.log(factors[name]) for factors in found if name in factors]
        mean = sum(logs) / len(logs)
        made[name] = 1.0 if abs(mean) <= _TOLERANCE else math.exp(mean)
    return made


def _factor(output: Tensor, target: float) -> float | None:
    """None where the output has no scale: it is 0, or not finite."""
    norm = float(torch.linalg.vector_norm(output.detach(), dtype=torch.float64))
    size = norm / math.sqrt(output.numel()) if output.numel() else math.nan
    if not (math.isfinite(size) and size > 0):
        return None
    factor = target / size
    return 1.0 if abs(math.log(factor)) <= _TOLERANCE else factor
