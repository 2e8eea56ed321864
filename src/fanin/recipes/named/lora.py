"""LoRA: the adapters of a frozen network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation.records import Step, Use
from fanin.recipes.assembling import with_rest_kept
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import torch_default, zeros


@attrs.frozen
class Pair:
    """Two weights in series beside another.

    Args:
        down: the use of A, which reads what the other weight reads.
        up: the use of B, whose output is added to that of the other weight.
        beside: the name of the other weight.
    """

    down: Use
    up: Use
    beside: str


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


def pairs_of(anatomy: Anatomy) -> Iterator[Pair]:
    """The pairs, in the order of execution."""
    seen = anatomy.observation
    steps = {step.name: step for step in seen.steps}
    before: dict[str, list[str]] = {}
    for edge in seen.edges:
        before.setdefault(edge.target, []).append(edge.source)
    weights = [use for use in seen.uses if use.role == "weight"]
    uses = {use.signal: use for use in weights if use.signal is not None}
    for join in seen.steps:
        sources = before.get(join.name, [])
        if join.kind != "join" or len(sources) != 2:
            continue
        for up, beside in (sources, reversed(sources)):
            pair = _pair(up, beside, steps, before, uses)
            if pair is not None:
                yield pair


def _pair(
    up: str,
    beside: str,
    steps: Mapping[str, Step],
    before: Mapping[str, list[str]],
    uses: Mapping[str, Use],
) -> Pair | None:
    b, other = uses.get(up), uses.get(beside)
    sources = before.get(up, [])
    a = uses.get(sources[0]) if len(sources) == 1 else None
    if a is None or b is None or other is None or steps[beside].kind != "weight":
        return None
    if None in (a.layout, b.layout) or a.parameter == b.parameter:
        return None
    assert a.layout is not None and b.layout is not None  # noqa: S101, PT018 - just asked
    plain = b.source is not None and b.source.gain == 1 and not b.source.ops
    narrow = b.layout.fan_in < min(a.layout.fan_in, b.layout.fan_out)
    same = before.get(sources[0], []) == before.get(beside, [])
    return Pair(a, b, other.parameter) if plain and narrow and same else None
