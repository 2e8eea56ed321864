"""Depth-muP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.observation import observe
from fanin.recipes.named.mup import mup, width_notes, width_rows
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.depths import as_depth, deepened
from fanin.recipes.rules.widths import Base, as_base


@attrs.frozen(repr=False)
class depth_mup(ObservedRecipe):
    """muP, and with r = branches / ``base_depth`` branches and rates in them over sqrt(r).

    The factor of a branch is folded into its last weight: drawn 1/sqrt(r) times as large, its
    rate smaller by that factor once more and its decay larger by it, which under Adam is the
    factor itself. Embedding, output and last norm are those of muP.

    Args:
        base: as for ``mup``; a base model has the depth of this one.
        base_depth: residual branches of the stream where the rate was tuned: two for each layer
            of a transformer.
        head_growth, zero_readout, tied: as for ``mup``.

    Raises:
        InputError: an argument out of range.
        ModelError: from ``plan``: as ``mup``, no residual branch, or a norm behind the last
            weight of one.

    References:
        Yang, Yu, Zhu, Hayou, Tensor Programs VI: feature learning in infinite-depth neural
        networks, 2023, arXiv:2310.02244, Table 1.
    """

    base: Base = attrs.field(default=256, converter=as_base)
    base_depth: int = attrs.field(default=4, converter=as_depth)
    head_growth: float = 1.0
    zero_readout: bool = False
    tied: str = "error"

    name = "depth_mup"
    rule = "muP; branches and the rates in them times 1/sqrt(depth / base depth)"
    use = "tuning a rate on a small residual network for a wider and deeper one; under Adam"
    citation = (
        "Yang, Yu, Zhu, Hayou. Tensor Programs VI: feature learning in infinite-depth neural "
        "networks. 2023. arXiv:2310.02244, Table 1"
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
        return anatomy.planned(
            str(self), rows, self.citation, width_notes(self._of_width(), anatomy)
        )

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        made = width_rows(self.name, self._of_width(), anatomy)
        return deepened(self.name, anatomy, made, self.base_depth, 0.5)
