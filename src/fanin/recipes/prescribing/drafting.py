"""The rows of a plan by rule, and the scale that each signal is to have."""

from __future__ import annotations

import math
from dataclasses import replace

from fanin.recipes.plans.row import Row
from fanin.recipes.prescribing.others import Others
from fanin.recipes.prescribing.outputs import Outputs
from fanin.recipes.prescribing.tables import Tables
from fanin.recipes.prescribing.weights import Weights
from fanin.recipes.reading.adapters import pairs_of
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.heads import heads_of
from fanin.schemes import Scheme, torch_default, zeros
from fanin.schemes.filling import FLOATS

_LORA = "Hu et al. LoRA. 2021. arXiv:2106.09685. Section 4.1; loralib/layers.py"


def drafted(anatomy: Anatomy, outputs: Outputs) -> tuple[tuple[Row, ...], dict[str, float]]:
    """The rows by rule, and the scale that signals are to have."""
    weights, tables = Weights(anatomy, outputs), Tables(anatomy)
    others = Others(anatomy, outputs)
    rows: list[Row] = []
    wanted: dict[str, float] = {}
    lengths: dict[str, float] = {}
    later: list[tuple[str, Part]] = []
    adapters = _adapters(anatomy)
    for name in anatomy.parameters:
        use, part = anatomy.main_use(name), anatomy.part(name)
        if name in anatomy.frozen or use is None or part is Part.UNKNOWN:
            continue
        if anatomy.parameters[name].dtype not in FLOATS:
            continue  # no scheme draws it, as complex numbers
        if part not in {Part.WEIGHT, Part.TABLE}:
            later.append((name, part))
            continue
        if name in adapters:
            rows.append(anatomy.row(name, *adapters[name], _LORA))
            continue
        what = weights.weight(use) if part is Part.WEIGHT else tables.table(use)
        rows.append(anatomy.row(name, what.scheme, what.reason, what.source))
        if use.layout is not None and use.through:
            lengths[use.module] = what.scheme.std(use.layout) * math.sqrt(use.layout.fan_in)
        if what.target is not None:
            wanted[name] = what.target
    for name, part in later:
        given = others.given(name, part, lengths)
        if given is not None:
            rows.append(anatomy.row(name, *given))
            if part is Part.MAGNITUDE:
                _hand_over(anatomy, name, wanted)
    order = {name: place for place, name in enumerate(anatomy.parameters)}
    return tuple(sorted(rows, key=lambda row: order[row.parameter])), wanted


def _adapters(anatomy: Anatomy) -> dict[str, tuple[Scheme, str]]:
    """Scheme and reason of adapters beside frozen weights, whose output is to stay as it is."""
    made: dict[str, tuple[Scheme, str]] = {}
    for pair in pairs_of(anatomy):
        if pair.beside in anatomy.frozen:
            rank = f"rank {pair.up.fan_in:g}, beside the frozen {pair.beside!r}"
            made[pair.down.parameter] = (torch_default(), f"A of an adapter of {rank}")
            made[pair.up.parameter] = (
                zeros(),
                f"B of an adapter of {rank}, whose output is unchanged at the start",
            )
    return made


def _hand_over(anatomy: Anatomy, length: str, wanted: dict[str, float]) -> None:
    """The length sets the scale of a weight that is normed: its target is the length's."""
    use = anatomy.main_use(length)
    for weight in anatomy.weights:
        if use is not None and weight.module == use.module and weight.parameter in wanted:
            wanted[length] = wanted.pop(weight.parameter)
            return


def with_biases(anatomy: Anatomy, wanted: dict[str, float]) -> dict[str, float]:
    """Scales of signals, those of heads with what the bias adds; for a model that is drawn."""
    made = dict(wanted)
    for head in heads_of(anatomy):
        name = head.weight.parameter
        if head.bias is not None and head.bias not in anatomy.frozen and name in made:
            bias = anatomy.parameters[head.bias].detach().double()
            made[name] = math.hypot(made[name], float(bias.square().mean().sqrt()))
    return made


def unbiased(anatomy: Anatomy, row: Row) -> Row:
    use = anatomy.main_use(row.parameter)
    is_bias = use is not None and use.role == "bias" and use.feeds_output
    return replace(row, scheme=zeros()) if is_bias else row
