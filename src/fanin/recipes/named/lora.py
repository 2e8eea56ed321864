"""LoRA: the adapters of a frozen network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.recipes.assembling import with_rest_kept
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.adapters import pairs_of
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import torch_default, zeros


@attrs.frozen(repr=False)
class lora(ObservedRecipe):
    """Adapters that change nothing at the start: A uniform, B 0; everything else is kept.

    A has the bound 1/sqrt(fan_in), Kaiming uniform with a = sqrt(5). The pairs are found in the
    dataflow: A reads what another weight reads, B reads A's output and nothing else, their inner
    rank is smaller than what A reads and B puts out, and B's output, times a number, is added to
    that of the other weight.

    Raises:
        ModelError: from ``plan``: there is no such pair.

    References:
        Hu et al., LoRA: low-rank adaptation of large language models, 2021, arXiv:2106.09685,
        section 4.1, and its code, ``loralib/layers.py``.
    """

    name = "lora"
    rule = "A ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)), B = 0; everything else is kept"
    use = "low-rank adapters beside the weights of a trained network"
    citation = "Hu et al. LoRA. 2021. arXiv:2106.09685. Section 4.1; loralib/layers.py"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        made = super().plan(model, inputs, targets, loss=loss, seed=seed)
        return with_rest_kept(made, model)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        pairs = list(pairs_of(anatomy))
        if not pairs:
            raise ModelError(
                "recipe 'lora' is for pairs of weights in series, of a small rank between them, "
                "whose output is added to that of another weight with the same input, and the pass "
                f"of {type(anatomy.model).__name__} showed none (adapters that are merged into "
                "the weight do not run). Add them first, or take 'transfer' for a new head"
            )
        rows = {}
        for pair in pairs:
            a, b = pair.down.parameter, pair.up.parameter
            for name in sorted({a, b} & {*anatomy.frozen}):
                raise ModelError(
                    f"recipe 'lora' draws the adapter {name!r}, and it requires no gradient. Let "
                    "it require one, or draw it yourself"
                )
            rank = f"rank {pair.up.fan_in:g}, beside {pair.beside!r}"
            rows[a] = anatomy.row(a, torch_default(), f"A of {rank}", self.citation)
            reason = f"B of {rank}: the output is unchanged at the start"
            rows[b] = anatomy.row(b, zeros(), reason, self.citation)
        return rows.values()
