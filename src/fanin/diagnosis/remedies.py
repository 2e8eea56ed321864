"""What mends a parameter: a row of a plan, from the way that it is used."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fanin.diagnosis.measures import Measures, Weight
from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.schemes import (
    Scheme,
    constant,
    normal,
    ones,
    orthogonal,
    scaled,
    variance_scaling,
    zeros,
)


def rows_for(
    names: Iterable[str], measures: Measures, *, factor: float = 1.0, gain: float | None = None
) -> tuple[Row, ...]:
    """One for each parameter whose use is understood: weights keep the second moment.

    Args:
        names: of parameters; unknown ones and those that require no gradient are left out.
        measures: of the model.
        factor: of the scale of weights.
        gain: instead of that of what precedes.
    """
    made = []
    for name in dict.fromkeys(names):
        parameter = measures.parameters.get(name)
        uses = measures.observation.uses_of(name)
        if parameter is None or not parameter.trainable or not uses:
            continue
        if uses[0].role == "magnitude":
            row: Row | None = _magnitude(parameter.shape, uses[0], measures)
        else:
            row = _row(parameter.shape, uses, factor, gain)
        if row is not None:
            made.append(row)
    return tuple(made)


def at_fault(weight: Weight, measures: Measures) -> tuple[str, ...]:
    """The parameter that sets a weight's scale: of weight_norm the lengths, not the directions."""
    lengths = [
        use.parameter
        for use in measures.observation.uses
        if use.role == "magnitude" and use.module == weight.use.module and weight.use.through
    ]
    return tuple(dict.fromkeys(lengths)) or (weight.name,)


def beside(weight: Weight, measures: Measures) -> tuple[str, ...]:
    """The biases of the same operation."""
    return tuple(
        dict.fromkeys(
            use.parameter
            for use in measures.observation.uses
            if use.role == "bias" and use.module == weight.use.module and use.op == weight.use.op
            and (use.signal == weight.use.signal or use.signal is None)
        )
    )  # fmt: skip


def _magnitude(shape: tuple[int, ...], use: Use, measures: Measures) -> Row:
    """Of weight_norm: each unit's weights have this length."""
    weights = [w for w in measures.weights if w.use.module == use.module and w.use.source]
    gain = (weights[0].use.source.gain or 1.0) if weights and weights[0].use.source else 1.0
    return Row(use.parameter, shape, constant(gain), "the length of a unit's weights is its gain")


def _row(
    shape: tuple[int, ...], uses: tuple[Use, ...], factor: float, gain: float | None
) -> Row | None:
    use = next((one for one in uses if one.role == "weight"), uses[0])
    if use.role == "weight" and use.layout is not None and use.layout.shape == shape:
        return Row(
            use.parameter, shape, _scheme(use, factor, gain), _reason(use, factor), use.layout
        )
    if use.role == "table":
        scale = factor / math.sqrt(shape[-1]) if use.feeds_output else factor
        reason = "an embedding is a signal: its scale is that of the stream"
        return Row(use.parameter, shape, normal(std=scale), reason)
    if use.role in {"bias", "shift"}:
        return Row(use.parameter, shape, zeros(), "the weights tell the units apart")
    if use.role == "scale":
        return Row(use.parameter, shape, ones(), "a norm starts as plain normalisation")
    return None


def _scheme(use: Use, factor: float, gain: float | None) -> Scheme:
    layout = use.layout
    assert layout is not None  # noqa: S101 - chosen so
    if use.recurrent and "hh" in use.parameter and len(layout.shape) == 2:
        return orthogonal()
    if gain is None:
        gain = use.source.gain if use.source is not None and use.source.gain else 1.0
    base = variance_scaling(gain * gain, "fan_in", "normal")
    return base if factor == 1.0 else scaled(base, factor)


def _reason(use: Use, factor: float) -> str:
    before = use.source.ops if use.source is not None else ()
    said = f"after {', '.join(before)}" if before else "of an input that is no activation"
    less = "" if factor == 1.0 else f", times {factor:.3g}"
    return f"keeps the second moment {said}{less}"
