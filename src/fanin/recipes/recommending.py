"""The verb ``recommend``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from fanin.observation import untouched
from fanin.observation.copies import give_fresh_memory
from fanin.observation.observed import Observation
from fanin.observation.outlining import measure, outline
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.plans.writer import overwrite
from fanin.recipes.prescribing.drafting import drafted, unbiased, with_biases
from fanin.recipes.prescribing.measuring import (
    explained,
    factors_of,
    measured,
    one_thread,
    times,
    without_effect,
)
from fanin.recipes.prescribing.outputs import Outputs
from fanin.recipes.reading.anatomy import Anatomy

_SEED = 0
"""Of the weights that are measured: a plan is the same whatever seed draws from it."""

_DRAWS = (0, 1, 2)
"""Seeds whose mean correction counts: that of one draw would be fitted to its chance, which deep
and narrow networks add up (20 convolutions of 16 channels: a factor 3.3 off, then 1.9)."""

_WIDE = 100.0
"""Factor between gradients that is worth a sentence."""

_LARGE = 200_000
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
    Three more (one for a model of 200,000 parameters and more) run with weights drawn so (the
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
    with _seeded(), one_thread(wanted=not is_large):
        anatomy = Anatomy(model, outline(model, inputs, targets, loss=loss))
        return _corrected(anatomy, inputs, targets, loss, _DRAWS[: 1 if is_large else None])


def _corrected(
    anatomy: Anatomy,
    inputs: object,
    targets: object,
    loss: Callable[..., Any] | None,
    draws: Sequence[int],
) -> Plan:
    """The plan by rule, with what measurement takes out."""
    model = anatomy.model
    with untouched(model):
        outputs = Outputs(anatomy, targets)
        rows, wanted = drafted(anatomy, outputs)
        for row in rows:
            give_fresh_memory(anatomy.parameters[row.parameter])

        def shown_with(rows: tuple[Row, ...]) -> tuple[list[Row], set[str], Observation]:
            """The rows corrected, which of them could be, and a pass with their weights."""
            factors = factors_of(anatomy, rows, inputs, wanted, draws)
            corrected = [times(row, factors.get(row.parameter, 1.0)) for row in rows]
            drawn = {row.parameter: unbiased(anatomy, row) for row in rows}
            there = len(draws) == 1
            changed = [row for row in corrected if not there or row != drawn[row.parameter]]
            overwrite(changed, model, _SEED)
            return corrected, set(factors), measure(model, inputs, targets, loss=loss)

        corrected, met, shown = shown_with(rows)
        stubborn = without_effect(corrected, shown, {name: wanted[name] for name in met})
        if stubborn:
            wanted = {name: scale for name, scale in wanted.items() if name not in stubborn}
            rows = tuple(explained(row, stubborn.get(row.parameter)) for row in rows)
            corrected, met, shown = shown_with(rows)
        expected = with_biases(anatomy, {name: wanted[name] for name in met})
    rows = tuple(measured(row, shown, expected.get(row.parameter)) for row in corrected)
    return anatomy.planned("auto", rows, notes=_notes(shown, rows))


def _size(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters() if not is_lazy(one))


@contextmanager
def _seeded() -> Iterator[None]:
    """So that dropout and what else is drawn in a forward pass is the same in every call."""
    with untouched(nn.Module()):  # the generators alone; each pass sees to the model
        torch.manual_seed(_SEED)
        np.random.seed(_SEED)  # noqa: NPY002 - the global one, which models draw from
        random.seed(_SEED)
        yield


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
    spread = max(gradients, default=1.0) / min(gradients, default=1.0)
    if spread > _WIDE:
        notes.append(f"gradients of signals differ by a factor of {spread:.3g} over the weights")
    return tuple(notes)
