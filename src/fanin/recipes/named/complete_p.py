"""CompleteP: muP for width and depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.errors import InputError
from fanin.observation import observe
from fanin.recipes.named.mup import mup, width_notes, width_rows
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.depths import as_depth, deepened
from fanin.recipes.rules.widths import Base, as_base
from fanin.schemes.scheme import as_float


def _half_to_one(_: object, field: attrs.Attribute[float], value: object) -> None:
    if not isinstance(value, float) or not 0.5 <= value <= 1:
        raise InputError(f"{field.alias} must lie between 0.5 and 1, got {value!r}")


@attrs.frozen(repr=False)
class complete_p(ObservedRecipe):
    """muP, and with r = branches / ``base_depth`` each branch times r^-alpha, for Adam.

    Inside the branches, rates of weights, biases and norms are multiplied by r^(alpha - 1),
    which is 1 for alpha = 1: then one rate holds for every width and depth. The factor of a
    branch is folded into its last weight: drawn r^-alpha times as large, with a rate smaller by
    the same factor and a decay larger by it, which under Adam is the factor itself. Embedding,
    output and last norm are those of muP.

    Args:
        base: as for ``mup``; a base model has the depth of this one.
        base_depth: residual branches of the stream where the rate was tuned: two for each layer
            of a transformer.
        alpha: 1; 0.5 is depth-muP.
        head_growth, zero_readout, tied: as for ``mup``.

    Raises:
        InputError: an argument out of range.
        ModelError: from ``plan``: as ``mup``, no residual branch, or a norm behind the last
            weight of one.

    References:
        Dey et al., Don't be lazy: CompleteP enables compute-efficient deep transformers, 2025,
        arXiv:2505.01618, Table 1.
    """

    base: Base = attrs.field(default=256, converter=as_base)
    base_depth: int = attrs.field(default=4, converter=as_depth)
    alpha: float = attrs.field(default=1.0, converter=as_float, validator=_half_to_one)
    head_growth: float = 1.0
    zero_readout: bool = False
    tied: str = "error"

    name = "complete_p"
    rule = "muP; branches times r^-alpha and rates in them times r^(alpha-1), r = depth / base"
    use = "tuning a rate on a small pre-norm transformer for a wider and deeper one; under Adam"
    citation = (
        "Dey et al. Don't be lazy: CompleteP enables compute-efficient deep transformers. 2025. "
        "arXiv:2505.01618, Table 1"
    )
    argument = "base"

    def __attrs_post_init__(self) -> None:
        self._of_width()  # refuses what mup refuses

    def _of_width(self) -> mup:
        return mup(self.base, self.head_growth, self.zero_readout, self.tied)

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        self.require_inputs(inputs)
        anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        rows = self.rows(anatomy)
        eps = (
            "CompleteP divides Adam's eps too: by m and r^alpha for weights in branches, by m for "
            "embeddings; it matters where gradients come near eps"
        )
        notes = [*width_notes(self._of_width(), anatomy), eps]
        return anatomy.planned(str(self), rows, self.citation, notes)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        made = width_rows(self.name, self._of_width(), anatomy)
        return deepened(self.name, anatomy, made, self.base_depth, self.alpha)
