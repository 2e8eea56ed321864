"""The verb ``check``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from torch import nn

from fanin.diagnosis.finding import KINDS, Finding
from fanin.diagnosis.layers import layers
from fanin.diagnosis.limits import OVERFLOW_ERROR
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.noted import notes
from fanin.diagnosis.result import Report
from fanin.diagnosis.rules import RULES
from fanin.diagnosis.trainability import trainability
from fanin.observation import Observation, observe


def check(
    model: nn.Module,
    inputs: object,
    targets: object = None,
    *,
    loss: Callable[..., Any] | None = None,
) -> Report:
    """Say whether a network can train, from one forward and backward pass.

    The model is as before afterwards, bit for bit. Run it in the mode and on a batch that you
    train with: what a batch does not show is not judged.

    Args:
        model: any ``torch.nn.Module``.
        inputs: a tensor, a tuple (positional arguments of forward), a dict (keyword arguments)
            or one object of another kind.
        targets: for the loss.
        loss: a function ``loss(outputs, targets)`` of one number. Without it the output's own
            ``.loss`` is used; where there is none, a fixed random projection of the output
            stands in, and the scale of the output is hardly judged.

    Returns:
        The report: ``verdict``, ``findings``, ``trainability``, ``layers``, ``notes``.

    Raises:
        ModelError: the model has no parameters or lazy ones.
        InputError: inputs are not finite or on another device, the loss is no scalar.
        Exception: whatever model and loss raise, with a note that says so.

    Example:
        >>> import torch, fanin
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
        ... )
        >>> x, y = torch.randn(32, 64), torch.randint(10, (32,))
        >>> fanin.check(model, x, y, loss=torch.nn.functional.cross_entropy).verdict
        'healthy'
        >>> for parameter in model.parameters():
        ...     _ = torch.nn.init.zeros_(parameter)
        >>> report = fanin.check(model, x, y, loss=torch.nn.functional.cross_entropy)
        >>> report.verdict, report.findings[0].kind
        ('broken', 'symmetry')
        >>> model = report.remedy_plan().init_(model)
        >>> fanin.check(model, x, y, loss=torch.nn.functional.cross_entropy).verdict
        'healthy'
    """
    return report_on(observe(model, inputs, targets, loss=loss))


def report_on(observation: Observation) -> Report:
    """The report of an observation that is there already."""
    measures = Measures(observation)
    found: tuple[Finding, ...] = ()
    for judge in RULES:
        found += judge(measures, found)
    found = _with_their_causes(found)
    grew = any(one.kind == "exploding" and one.limit is OVERFLOW_ERROR for one in found)
    ordered = tuple(sorted(found, key=lambda one: _order(one, grew=grew)))
    return Report(
        observation, ordered, trainability(measures, ordered), layers(measures, ordered),
        notes(measures),
    )  # fmt: skip


def _with_their_causes(found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Signals that vanish because units are equal or dead: one finding, as severe as the worst."""
    if any(one.kind == "dead" and one.severity == "error" for one in found):
        # Zeros behind a dead layer get no gradient for that reason.
        found = tuple(one for one in found if one.kind != "symmetry" or one.value is not None)
    causes = [one for one in found if one.kind in {"symmetry", "dead"}]
    effects = [one for one in found if one.kind == "vanishing"]
    if not causes or not effects:
        return found
    severe = any(one.severity == "error" for one in effects)
    first = attrs.evolve(causes[0], severity="error") if severe else causes[0]
    kept = (one for one in found if one not in effects)
    return tuple(first if one is causes[0] else one for one in kept)


def _order(finding: Finding, *, grew: bool) -> tuple[bool, int]:
    """Errors first; of one severity causes before their effects."""
    place = KINDS.index(finding.kind)
    if grew and finding.kind == "exploding":
        place = -1  # the overflow is its effect
    return finding.severity != "error", place
