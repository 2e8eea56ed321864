"""What a plan gives, measured: corrections of scales, and the rows with what passes showed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from fanin.observation.observed import Observation
from fanin.observation.readouts import Signal
from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.plans.writer import overwrite
from fanin.recipes.prescribing.correction import averaged, corrections
from fanin.recipes.prescribing.drafting import unbiased
from fanin.recipes.reading.anatomy import Anatomy
from fanin.schemes import constant, scaled


@contextmanager
def one_thread(*, wanted: bool = True) -> Iterator[None]:
    """Sums that threads share differ in their last digits, and plans would with them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def factors_of(
    anatomy: Anatomy,
    rows: tuple[Row, ...],
    inputs: object,
    wanted: Mapping[str, float],
    draws: Sequence[int],
) -> Mapping[str, float]:
    """What brings signals to their scales, in the mean over the draws."""
    # Biases of heads come last: a scale is measured without them.
    plain, found = [unbiased(anatomy, row) for row in rows], []
    for seed in draws:
        overwrite(plain, anatomy.model, seed)
        with one_thread():
            found.append(corrections(anatomy.model, inputs, wanted))
    return averaged(found)


def without_effect(
    rows: Iterable[Row], shown: Observation, wanted: Mapping[str, float]
) -> dict[str, str]:
    """Parameters whose scale is divided out on the way to their operation, and by what.

    As by spectral_norm, or where weights are standardised.
    """
    found = {}
    for row in rows:
        seen = _seen(row, shown)
        if seen is None or row.parameter not in wanted or not seen[0].through:
            continue
        if not 0.8 < seen[1].forward.rms / wanted[row.parameter] < 1.25:
            found[row.parameter] = ", ".join(seen[0].through)
    return found


def explained(row: Row, through: str | None) -> Row:
    if through is None:
        return row
    return replace(row, reason=f"{row.reason}; {through} sets the scale of its signal")


def times(row: Row, factor: float) -> Row:
    if factor == 1.0:
        return row
    scheme = row.scheme
    if isinstance(scheme, constant):
        made: Any = constant(scheme.value * factor)
    elif isinstance(scheme, scaled):
        made = scaled(scheme.base, _rounded(scheme.factor * factor))
    else:
        made = scaled(scheme, _rounded(factor))
    return replace(row, scheme=made, reason=f"{row.reason}; times {factor:.3g}, as measured")


def _rounded(factor: float) -> float:
    """To four digits: more would only look exact."""
    return float(f"{factor:.4g}")


def _seen(row: Row, shown: Observation) -> tuple[Use, Signal] | None:
    """A use of a weight with its signal; at the first step of a recurrent network it may be 0."""
    roles = {"weight", "table", "magnitude"}
    uses = [use for use in shown.uses_of(row.parameter) if use.role in roles]
    signals = {signal.name: signal for signal in shown.signals}
    seen = [(use, signals[use.signal]) for use in uses if use.signal in signals]
    return next((one for one in seen if one[1].forward.rms > 0), seen[0] if seen else None)


def measured(row: Row, shown: Observation, wanted: float | None) -> Row:
    """With what was expected and what the pass showed."""
    seen = _seen(row, shown)
    if seen is None:
        return row
    use, signal = seen
    predicted = wanted
    told = use.role == "weight" and not use.through and not use.recurrent
    if predicted is None and told and signal.entering and row.layout is not None:
        predicted = signal.entering * row.std * math.sqrt(row.layout.fan_in)
    if predicted is None and use.role == "table":
        predicted = row.std
    return replace(
        row, predicted=None if predicted is None else _rounded(predicted),
        measured=_rounded(signal.forward.rms),
        gradient=None if signal.gradient is None else _rounded(signal.gradient.rms),
    )  # fmt: skip
