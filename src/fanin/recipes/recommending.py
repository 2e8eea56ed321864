"""The verb ``recommend``."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from fanin.observation import observe, untouched
from fanin.observation.observed import Observation
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.plans.writer import write
from fanin.recipes.prescribing.correction import averaged, corrections
from fanin.recipes.prescribing.others import Others
from fanin.recipes.prescribing.outputs import Outputs
from fanin.recipes.prescribing.weights import Weights
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.heads import heads_of
from fanin.schemes import constant, scaled, zeros
from fanin.schemes.filling import FLOATS

_SEED = 0
"""Of the weights that are measured: a plan is the same whatever seed draws from it."""

_DRAWS = (0, 1, 2)
"""Seeds whose mean correction counts: that of one draw would be fitted to its chance, which deep
and narrow networks add up (20 convolutions of 16 channels: a factor 3.3 off, then 1.9)."""

_LARGE = 10_000_000
"""Parameters from which on one draw is enough, as wide layers have less chance in them."""


def recommend(
    model: nn.Module,
    inputs: object,
    targets: object = None,
    *,
    loss: Callable[..., Any] | None = None,
) -> Plan:
    """Prescribe an init for every parameter of a model, each with its reason.

    One pass says which operation uses each parameter, what precedes and follows it, and where
    residual branches, norms, attention and heads are; rules with sources choose the schemes.
    Three more (one for a model of 10 million parameters and more) run with weights drawn so (the
    model is as before afterwards, bit for bit) and tell what is left in the mean between the
    scale of each signal and the one that was meant, which is taken out. A last one measures what
    the plan gives.

    Args:
        model: any ``torch.nn.Module``.
        inputs: a batch: a tensor, a tuple (positional arguments of forward) or a dict (keyword
            arguments).
        targets: for the loss.
        loss: ``loss(outputs, targets)`` of one number. It sets the scale of the output; without
            targets and loss (or an output with a ``.loss``) the output gets RMS 1.

    Returns:
        The plan. ``plan.init_(model, seed)`` is ``fanin.init_(model, "auto", inputs=...)``.

    Raises:
        ModelError: the model has no parameters or lazy ones.
        InputError: inputs are not finite or on another device, the loss is no scalar.
        Exception: whatever model and loss raise, with a note that says so.

    Example:
        >>> import torch, fanin
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
        >>> plan = fanin.recommend(model, torch.randn(32, 64))
        >>> plan.row("2.weight").reason
        'the loss is not known: an output of RMS 1'
        >>> _ = plan.init_(model, seed=0)
    """
    is_large = isinstance(model, nn.Module) and _size(model) >= _LARGE
    with untouched(model), _one_thread(wanted=not is_large):
        _seed_generators()
        anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        outputs = Outputs(anatomy, targets)
        rows, wanted = _drafted(anatomy, outputs)
        made = {row.parameter for row in rows}
        kept = tuple(name for name in anatomy.parameters if name not in made)
        # Biases of heads come last: a scale is measured without them.
        plain, found = [_unbiased(anatomy, row) for row in rows], []
        for seed in _DRAWS[: 1 if is_large else None]:
            write(plain, model, seed, kept=kept)
            with _one_thread():
                found.append(corrections(model, inputs, wanted))
        factors = averaged(found)
        corrected = [_times(row, factors.get(row.parameter, 1.0)) for row in rows]
        write(corrected, model, _SEED, kept=kept)
        shown = observe(model, inputs, targets, loss=loss)
        met = _with_biases(anatomy, {name: wanted[name] for name in factors})
    rows = tuple(
        _measured(row, plain, shown, met.get(row.parameter))
        for row, plain in zip(corrected, rows, strict=True)
    )
    return anatomy.planned("auto", rows, notes=_notes(shown, rows))


def _size(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters() if not is_lazy(one))


@contextmanager
def _one_thread(*, wanted: bool = True) -> Iterator[None]:
    """Sums that threads share differ in their last digits, and plans would with them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _seed_generators() -> None:
    """So that dropout and what else is drawn in a forward pass is the same in every call."""
    torch.manual_seed(_SEED)
    np.random.seed(_SEED)  # noqa: NPY002 - the global one, which models draw from
    random.seed(_SEED)


def _drafted(anatomy: Anatomy, outputs: Outputs) -> tuple[tuple[Row, ...], dict[str, float]]:
    """The rows by rule, and the scale that signals are to have."""
    weights, others = Weights(anatomy, outputs), Others(anatomy, outputs)
    rows: list[Row] = []
    wanted: dict[str, float] = {}
    lengths: dict[str, float] = {}
    later: list[tuple[str, Part]] = []
    for name in anatomy.parameters:
        use, part = anatomy.main_use(name), anatomy.part(name)
        if name in anatomy.frozen or use is None or part is Part.UNKNOWN:
            continue
        if anatomy.parameters[name].dtype not in FLOATS:
            continue  # no scheme draws it, as complex numbers
        if part not in {Part.WEIGHT, Part.TABLE}:
            later.append((name, part))
            continue
        what = weights.weight(use) if part is Part.WEIGHT else weights.table(use)
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


def _hand_over(anatomy: Anatomy, length: str, wanted: dict[str, float]) -> None:
    """The length sets the scale of a weight that is normed: its target is the length's."""
    use = anatomy.main_use(length)
    for weight in anatomy.weights:
        if use is not None and weight.module == use.module and weight.parameter in wanted:
            wanted[length] = wanted.pop(weight.parameter)
            return


def _with_biases(anatomy: Anatomy, wanted: dict[str, float]) -> dict[str, float]:
    """Scales of signals, those of heads with what the bias adds; for a model that is drawn."""
    made = dict(wanted)
    for head in heads_of(anatomy):
        name = head.weight.parameter
        if head.bias is not None and head.bias not in anatomy.frozen and name in made:
            bias = anatomy.parameters[head.bias].detach().double()
            made[name] = math.hypot(made[name], float(bias.square().mean().sqrt()))
    return made


def _unbiased(anatomy: Anatomy, row: Row) -> Row:
    use = anatomy.main_use(row.parameter)
    is_bias = use is not None and use.role == "bias" and use.feeds_output
    return replace(row, scheme=zeros()) if is_bias else row


def _times(row: Row, factor: float) -> Row:
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


def _measured(row: Row, plain: Row, shown: Observation, wanted: float | None) -> Row:
    """With what the pass showed; the plain row where a correction had no effect.

    The scale of a weight that is divided by its own norm on the way, as by spectral_norm, is
    not that of its parameter.
    """
    roles = {"weight", "table", "magnitude"}
    uses = [use for use in shown.uses_of(row.parameter) if use.role in roles]
    signals = {signal.name: signal for signal in shown.signals}
    seen = [(use, signals[use.signal]) for use in uses if use.signal in signals]
    if not seen:
        return row
    # At the first step of a recurrent network the state may be 0.
    use, signal = next((one for one in seen if one[1].forward.rms > 0), seen[0])
    if use.through and wanted is not None and not 0.8 < signal.forward.rms / wanted < 1.25:
        said = f"{plain.reason}; {', '.join(use.through)} sets the scale of its signal"
        row, wanted = replace(plain, reason=said), None
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


def _notes(shown: Observation, rows: Iterable[Row]) -> tuple[str, ...]:
    named: Mapping[str, Row] = {row.parameter: row for row in rows}
    notes = [f"{one.parameter}: {one.reason}" for one in shown.unmatched]
    silent = [row.parameter for row in named.values() if row.measured == 0 and row.std]
    if silent:
        notes.append(
            f"signals of {', '.join(silent[:5])}{', ...' if len(silent) > 5 else ''} are 0 on this "
            "batch, so that their scale could not be measured"
        )
    gradients = [row.gradient for row in named.values() if row.gradient]
    if len(gradients) > 1:
        spread = max(gradients) / min(gradients)
        notes.append(f"gradients of signals span a factor of {spread:.3g} over the weights")
    return tuple(notes)
