"""The graph that a recording leaves: values, and the calls that made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import torch
from torch import Tensor


class Kind(Enum):
    """What a value hangs on."""

    DATA = "the inputs of the model, or a learned input"
    WEIGHT = "parameters alone"
    CONSTANT = "neither"


class Value:
    """A tensor at one moment: in-place operations make a new value of the same tensor.

    Args:
        kind: what it hangs on.
        producer: the call that made it; None for parameters, inputs and constants.
        tensor: strong for parameters and small constants, so that they can be replayed.
        name: of a parameter or an input.
        tracked: autograd had a node for it when it was made.
        pending: weight-side, but with an operation on the way that a weight belongs to.
    """

    __slots__ = (
        "kind",
        "name",
        "pending",
        "producer",
        "root",
        "shape",
        "tensor",
        "tracked",
        "uses",
    )

    def __init__(
        self,
        kind: Kind,
        producer: Call | None,
        shape: tuple[int, ...],
        *,
        tensor: Tensor | None = None,
        name: str | None = None,
        pending: bool = False,
        tracked: bool = False,
    ) -> None:
        self.kind = kind
        self.producer = producer
        self.shape = shape
        self.tensor = tensor
        self.name = name
        self.pending = pending
        self.tracked = tracked
        self.uses: list[Call] = []
        self.root = -1
        """Index of the last call before it that is not elementwise; -1 for none."""

    @property
    def is_parameter(self) -> bool:
        return self.producer is None and self.kind is Kind.WEIGHT

    @property
    def is_data(self) -> bool:
        return self.kind is Kind.DATA

    @property
    def is_weight(self) -> bool:
        return self.kind is Kind.WEIGHT


class Call:
    """One call of a function of torch.

    Args:
        index: in the order of execution.
        op: its name in the table of operations.
        function: what was called.
        args: with values in the place of tensors.
        kwargs: likewise.
        module: the path of the module that ran it.
        owner: that module.
    """

    __slots__ = (
        "args", "function", "in_place", "index", "inside", "kwargs", "module", "op", "operands",
        "outputs", "owner",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        op: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        module: str,
        owner: torch.nn.Module | None,
    ) -> None:
        self.index = index
        self.op = op
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.module = module
        self.owner = owner
        self.operands: tuple[Value, ...] = tuple(values_in((args, kwargs)))
        self.outputs: list[Value] = []
        self.in_place = False
        self.inside: str | None = None
        """The torch.autograd.Function whose forward made the call."""

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """An argument given by position or by name."""
        if len(self.args) > place:
            return self.args[place]
        return self.kwargs.get(name, default)

    def __repr__(self) -> str:
        return f"<{self.index} {self.op} in {self.module or 'the model'}>"


def values_in(container: object) -> Iterator[Value]:
    """The values in nested arguments, in order."""
    if isinstance(container, Value):
        yield container
    elif isinstance(container, tuple | list):
        for item in container:
            yield from values_in(item)
    elif isinstance(container, dict):
        for item in container.values():
            yield from values_in(item)


def tensors_in(container: object, depth: int = 6) -> Iterator[Tensor]:
    """The tensors in nested containers, dataclasses and outputs of transformers, in order."""
    if isinstance(container, Tensor):
        yield container
    elif depth == 0 or isinstance(container, str | bytes | int | float | type(None)):
        return
    elif isinstance(container, tuple | list):
        for item in container:
            yield from tensors_in(item, depth - 1)
    elif isinstance(container, dict):
        for item in container.values():
            yield from tensors_in(item, depth - 1)
    elif hasattr(container, "__dict__") and not isinstance(container, type | torch.nn.Module):
        for item in vars(container).values():
            yield from tensors_in(item, depth - 1)


def mapped(container: Any, change: Callable[[Any], Any]) -> Any:
    """Nested arguments with ``change`` applied to every leaf."""
    if isinstance(container, tuple):
        items = [mapped(item, change) for item in container]
        return type(container)(*items) if hasattr(container, "_fields") else tuple(items)
    if isinstance(container, list):
        return [mapped(item, change) for item in container]
    if isinstance(container, dict):
        return {key: mapped(item, change) for key, item in container.items()}
    return change(container)
