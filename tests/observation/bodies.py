"""A module with any forward: its parameters and parts by name, its forward as a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fanin.observation import Observation, Use


class Body(nn.Module):
    """``forward`` is a function of the module and the inputs; tensors become parameters."""

    def __init__(self, body: Callable[..., Any], **parts: Tensor | nn.Module) -> None:
        super().__init__()
        self.body = body
        for name, part in parts.items():
            setattr(self, name, part if isinstance(part, nn.Module) else nn.Parameter(part))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.body(self, *args, **kwargs)


def between(function: Callable[[Any, Tensor], Tensor], **parts: Tensor | nn.Module) -> Body:
    """Two linear layers, ``a`` and ``b``, with a function of 16 units between."""
    return Body(
        lambda m, x: m.b(function(m, m.a(x))), a=nn.Linear(8, 16), b=nn.Linear(16, 4), **parts
    )


def weight(*shape: int) -> Tensor:
    return torch.randn(shape)


def one(seen: Observation, parameter: str, role: str = "weight") -> Use:
    """The only use of a parameter in a role."""
    (use,) = [use for use in seen.uses_of(parameter) if use.role == role]
    return use


def accounted(seen: Observation) -> set[str]:
    """The parameters that an observation says anything of."""
    used = {name for use in seen.uses for name in use.names}
    return used | {miss.parameter for miss in seen.unmatched} | set(seen.unused)
