"""What mends a parameter: a row of a plan, from the way that it is used."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fanin.diagnosis.measures import Measures, Weight
from fanin.observation.records import Use
from fanin.recipes.row import Row
from fanin.schemes import Scheme, normal, ones, orthogonal, scaled, variance_scaling, zeros


def rows_for(names: Iterable[str], measures: Measures, *, factor: float = 1.0) -> tuple[Row, ...]:
    """One for each parameter whose use is understood: weights keep the second moment.

    Args:
        names: of parameters; unknown ones and those that require no gradient are left out.
        measures: of the model.
        factor: of the scale of weights.
    """
    made = []
    for name in dict.fromkeys(names):
        parameter = measures.parameters.get(name)
        uses = measures.observation.uses_of(name)
        if parameter is None or not parameter.trainable or not uses:
            continue
        row = _row(parameter.shape, uses, factor)
        if row is not None:
            made.append(row)
    return tuple(made)


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


def _row(shape: tuple[int, ...], uses: tuple[Use, ...], factor: float) -> Row | None:
    use = next((one for one in uses if one.role == "weight"), uses[0])
    if use.role == "weight" and use.layout is not None and use.layout.shape == shape:
        return Row(use.parameter, shape, _scheme(use, factor), _reason(use, factor), use.layout)
    if use.role == "table":
        scale = factor / math.sqrt(shape[-1]) if use.feeds_output else factor
        reason = "an embedding is a signal: its scale is that of the stream"
        return Row(use.parameter, shape, normal(std=scale), reason)
    if use.role in {"bias", "shift"}:
        return Row(use.parameter, shape, zeros(), "the weights tell the units apart")
    if use.role == "scale":
        return Row(use.parameter, shape, ones(), "a norm starts as plain normalisation")
    return None


def _scheme(use: Use, factor: float) -> Scheme:
    layout = use.layout
    assert layout is not None  # noqa: S101 - chosen so
    if use.recurrent and "hh" in use.parameter and len(layout.shape) == 2:
        return orthogonal()
    gain = use.source.gain if use.source is not None and use.source.gain else 1.0
    base = variance_scaling(gain * gain, "fan_in", "normal")
    return base if factor == 1.0 else scaled(base, factor)


def _reason(use: Use, factor: float) -> str:
    before = use.source.ops if use.source is not None else ()
    said = f"after {', '.join(before)}" if before else "of an input that is no activation"
    less = "" if factor == 1.0 else f", times {factor:.3g}"
    return f"keeps the second moment {said}{less}"
