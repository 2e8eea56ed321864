"""``outline`` and ``measure``: an observation without what it says of parameters' numbers.

They cost less than ``observe``, for those who ask for structure or for signals alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import GradientEdge

from fanin.observation import passing
from fanin.observation.coverage import coverage
from fanin.observation.demands import require_observable
from fanin.observation.graph import Call
from fanin.observation.observed import Observation
from fanin.observation.observer import Observer
from fanin.observation.passing import Pass
from fanin.observation.restoring import untouched
from fanin.observation.sampling import Probe
from fanin.observation.whereabouts import named


def outline(
    model: nn.Module,
    inputs: object,
    targets: object = None,
    *,
    loss: Callable[..., Any] | None = None,
) -> Observation:
    """What one forward pass and its loss show; no backward pass runs.

    As ``observe`` but for all gradients, the numbers of parameters, and what is judged by them:
    gradient noise, copies of modules, twins, stuck parameters, and where Inf or NaN arose.

    Args:
        model, inputs, targets, loss: as ``observe`` takes them.

    Raises:
        ModelError, InputError: as ``observe`` does.
        Exception: what model or loss raise, as it is, with a note that says where.

    Example:
        >>> import torch
        >>> seen = outline(nn.Sequential(nn.Linear(8, 32), nn.ReLU()), torch.randn(16, 8))
        >>> [use.parameter for use in seen.uses], seen.signals[0].gradient
        (['0.weight', '0.bias'], None)
    """
    with _observer_of(model, inputs, targets, loss) as observer:
        probe = Probe()
        done = observer.run(probe)
        return observer.read(done, coverage(done), probe)


def measure(
    model: nn.Module,
    inputs: object,
    targets: object = None,
    *,
    loss: Callable[..., Any] | None = None,
) -> Observation:
    """As ``outline``, with a backward pass that gives the gradients of signals.

    Those of parameters, about half of its work, are not computed.

    Args:
        model, inputs, targets, loss: as ``observe`` takes them.

    Raises:
        ModelError, InputError: as ``observe`` does.
        Exception: what model or loss raise, as it is, with a note that says where.

    Example:
        >>> import torch
        >>> seen = measure(nn.Sequential(nn.Linear(8, 32), nn.ReLU()), torch.randn(16, 8))
        >>> seen.signals[0].gradient is None, seen.parameters[0].gradient_rms
        (False, None)
    """
    with _observer_of(model, inputs, targets, loss) as observer:
        probe = Probe()
        done = observer.run(probe)
        _backward(done)
        return observer.read(done, coverage(done), probe)


@contextmanager
def _observer_of(
    model: nn.Module, inputs: object, targets: object, loss: Callable[..., Any] | None
) -> Iterator[Observer]:
    parameters = named(model) if isinstance(model, nn.Module) else ()
    require_observable(model, inputs, loss, parameters)
    others = (loss,) if isinstance(loss, nn.Module) else ()
    with untouched(model, *others), passing.ordinary_surroundings():
        yield Observer(model, inputs, targets, loss, parameters)


def _backward(done: Pass) -> None:
    """From the loss to where signals start, past every signal; the probe's hooks fire."""
    assert done.loss is not None  # noqa: S101 - it was asked for
    recorder = done.recorder
    # All nodes of a call: one that writes into a view in place goes past the node of the view.
    starts = [
        GradientEdge(node, 0) for node in recorder.ownership.nodes(filter(_starts, recorder.calls))
    ]
    if not done.loss.value.requires_grad or not starts:
        return
    with passing.explained("the model's own backward pass"):
        torch.autograd.grad(done.loss.value, starts, allow_unused=True)


def _starts(call: Call) -> bool:
    """It makes a signal with a gradient of what has none, as the first weight does."""
    return any(
        made.tracked and (made.is_data or made.pending) for made in call.outputs
    ) and not any(
        operand.tracked and (operand.is_data or operand.pending) for operand in call.operands
    )
