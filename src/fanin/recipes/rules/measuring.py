"""Measuring on the weights of one seed, of which nothing stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

from fanin.observation import untouched
from fanin.observation.intervening import Site
from fanin.observation.operations import LOOKUPS, MOVEMENTS, RECURRENT, WEIGHT_OPS
from fanin.recipes.plans.plan import Plan
from fanin.recipes.reading.anatomy import Anatomy, Part

_LINEAR: Final = (WEIGHT_OPS | LOOKUPS) - RECURRENT - {"linear_cross_entropy"}
SCALING: Final = frozenset({"mul", "div", "neg"})
"""What may lie between a weight and its operation that keeps it linear, if the other factor
does not follow from the weight."""


@contextmanager
def drawn(model: nn.Module, plan: Plan, seed: int) -> Iterator[None]:
    """The model with the weights that a plan draws from a seed, and as before afterwards.

    torch's generators start from the seed too, so that dropout is the same every time.
    """
    with untouched(model):
        torch.manual_seed(seed % 2**63)
        plan.init_(model, seed, unmatched="keep")
        yield


def adjustable(anatomy: Anatomy, sites: Sequence[Site]) -> tuple[str, str]:
    """The trainable parameter that the output of an operation is proportional to.

    Biases are taken to be 0.

    Args:
        anatomy: of the model.
        sites: all that the operation reads.

    Returns:
        Its name and "", or "" and why there is none, which names the weight.
    """
    weights = list(dict.fromkeys(s.parameter for s in sites if s.role in {"weight", "table"}))
    lengths = list(dict.fromkeys(s.parameter for s in sites if s.role == "magnitude"))
    op = sites[0].op
    if op not in _LINEAR:
        return "", f"the output of {op} is not proportional to its weights"
    if len(weights) > 1 or len(lengths) > 1:
        return "", f"{' and '.join(map(repr, weights))} make up one weight together"
    name = (lengths or weights or [""])[0]
    if not name or name in anatomy.frozen:
        return "", f"{name!r} is frozen"
    if anatomy.part(name) not in {Part.WEIGHT, Part.TABLE, Part.MAGNITUDE}:
        return "", f"of {name!r} it is not known how it is used"
    if not lengths:
        ways = {op for use in anatomy.uses_of(name) for op in use.through}
        odd = sorted(ways - MOVEMENTS - SCALING)
        if odd:
            return "", f"{', '.join(odd)} stands between {name!r} and the operation"
    return name, ""


def biases(anatomy: Anatomy) -> dict[str, Tensor]:
    """Those that keep their values and are not 0, by name."""
    return {
        name: anatomy.parameters[name]
        for name in anatomy.frozen
        if anatomy.part(name) is Part.BIAS and bool(anatomy.parameters[name].detach().any())
    }
