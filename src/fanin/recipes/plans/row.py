"""One line of a plan: what one parameter gets, and why."""

from __future__ import annotations

from dataclasses import dataclass

from fanin.fans import Layout
from fanin.schemes import Scheme


@dataclass(frozen=True, slots=True)
class Row:
    """What one parameter gets.

    Args:
        parameter: its name, as ``named_parameters`` gives it.
        shape: its shape.
        scheme: draws it.
        reason: one sentence.
        layout: how the parameter is used, where it is a weight.
        padding_index: a row of it that is zero afterwards.
    """

    parameter: str
    shape: tuple[int, ...]
    scheme: Scheme
    reason: str
    layout: Layout | None = None
    padding_index: int | None = None

    @property
    def std(self) -> float:
        """The standard deviation of one element after ``init_``."""
        return self.scheme.std(self.layout) if all(self.shape) else 0.0
