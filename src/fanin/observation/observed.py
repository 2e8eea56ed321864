"""The result of an observation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from fanin.observation.readouts import (
    Attention,
    Gate,
    LossCall,
    NonFinite,
    Objective,
    Signal,
    Statistics,
    Twins,
)
from fanin.observation.records import Branch, Edge, Parameter, Step, Unmatched, Use
from fanin.observation.values import plain, plain_dict

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

SCHEMA = "fanin.observation/1"


@attrs.frozen(repr=False)
class Observation:
    """What one forward and backward pass of a model showed.

    Args:
        model: the class of the model.
        training: the mode that the model was in.
        uses: every use of every parameter, in the order of execution.
        signals: what weights, tables, norms and joins put out, in the order of execution.
        parameters: every parameter of the model, in its order.
        branches: the residual branches, in the order of their joins.
        steps: the dataflow without its elementwise functions, in the order of execution.
        edges: of the dataflow.
        objective: the loss that ran.
        output: the statistics of the model's output, all its tensors together; the largest exact.
        gradient_noise: trace of the covariance of the gradients of single examples over the
            squared norm of their mean, at the last weight where that is cheap; else None.
        unmatched: parameters with a use that was not understood.
        unused: parameters that no output depends on.
        identical: groups of modules that are bit-identical copies of each other.
        nonfinite: where the first Inf or NaN arose; None where all is finite.
        notes: what could not be judged, and why; one sentence each.
        losses: the losses of torch that ran, each with its reference.
        attentions: how sharp softmaxes are.
        gates: of recurrent layers.
        twins: parameters with units that are equal and get equal gradients.
        stuck: trainable parameters whose gradient is exactly zero, and stays so when those that
            have a gradient move.
        examples_differ: two examples of the inputs differ; False for a batch of one.
    """

    model: str
    training: bool
    uses: tuple[Use, ...]
    signals: tuple[Signal, ...]
    parameters: tuple[Parameter, ...]
    branches: tuple[Branch, ...]
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    objective: Objective
    output: Statistics
    gradient_noise: float | None
    unmatched: tuple[Unmatched, ...]
    unused: tuple[str, ...]
    identical: tuple[tuple[str, ...], ...]
    nonfinite: NonFinite | None
    notes: tuple[str, ...]
    losses: tuple[LossCall, ...] = ()
    attentions: tuple[Attention, ...] = ()
    gates: tuple[Gate, ...] = ()
    twins: tuple[Twins, ...] = ()
    stuck: tuple[str, ...] = ()
    examples_differ: bool = True

    @property
    def loss(self) -> float:
        """The loss at initialization."""
        return self.objective.value

    def uses_of(self, parameter: str) -> tuple[Use, ...]:
        """The uses of one parameter, by any of its names."""
        return tuple(use for use in self.uses if parameter in use.names)

    def signal(self, name: str) -> Signal:
        """The signal of that name.

        Raises:
            UnknownNameError: there is none.
        """
        for signal in self.signals:
            if signal.name == name:
                return signal
        from fanin.errors import UnknownNameError

        raise UnknownNameError("signal", name, (signal.name for signal in self.signals))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; numbers that are not finite become strings."""
        return (
            {"schema": SCHEMA, "loss": plain(self.loss)}
            | plain_dict(self)
            | {"uses": [use.to_dict() for use in self.uses]}
        )

    def to_html(self, path: str | Path, *, command: str | None = None) -> Path:
        """Write a page with the dataflow as a picture, and return its path.

        Raises:
            OutputError: the file cannot be written.
        """
        from fanin.report.observations import write_page

        return write_page(self, path, command=command)

    def __repr__(self) -> str:
        return (
            f"<Observation of {self.model}: {len(self.uses)} uses of {len(self.parameters)} "
            f"parameters, {len(self.unmatched)} unmatched, {len(self.unused)} unused>"
        )

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from fanin.report.observations import terminal_view

        yield from terminal_view(self, options)

    def _repr_html_(self) -> str:
        from fanin.report.observations import framed_page

        return framed_page(self)
