"""One model of the zoo, and how it is run: any forward, any shape of output."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Build = Callable[[], tuple[nn.Module, object]]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model to build under the seed that the caller has set.

    ``build`` gives the model in train mode and its inputs: a tensor, a tuple of positional
    arguments or a dict of keyword arguments of ``forward``.
    """

    name: str
    family: str
    build: Build
    quick: bool = True

    def __str__(self) -> str:
        return self.name


def call(model: nn.Module, inputs: object) -> Any:
    if isinstance(inputs, dict):
        return model(**inputs)
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(inputs)


def scalar(output: object) -> Tensor:
    """What backward starts from: the output's own loss, or the mean square of what it holds."""
    loss = getattr(output, "loss", None)
    if isinstance(loss, Tensor) and loss.requires_grad:
        return loss.sum()
    parts = [
        (torch.view_as_real(tensor) if tensor.is_complex() else tensor).float().square().mean()
        for tensor in tensors(output)
        if tensor.requires_grad
    ]
    if not parts:
        raise ValueError("no tensor of the output depends on a parameter")
    return torch.stack(parts).sum()


def tensors(output: object) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists, mappings and dataclasses."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from tensors(value)
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        for field in dataclasses.fields(output):
            yield from tensors(getattr(output, field.name))
