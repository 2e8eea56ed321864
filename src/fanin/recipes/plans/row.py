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
        source: where the rule comes from: author, title, year, equation or section.
        predicted: RMS of the signal that its operation is to put out; None where that is not
            known, or the parameter puts out no signal of its own.
        measured: the RMS that a pass with the new weights showed.
        gradient: RMS of the gradient of that signal in the same pass.
        learning_rate: factor of the learning rate under Adam that the recipe asks for.
        weight_decay: factor of the weight decay that the recipe asks for.
    """

    parameter: str
    shape: tuple[int, ...]
    scheme: Scheme
    reason: str
    layout: Layout | None = None
    padding_index: int | None = None
    source: str = ""
    predicted: float | None = None
    measured: float | None = None
    gradient: float | None = None
    learning_rate: float = 1.0
    weight_decay: float = 1.0

    @property
    def std(self) -> float:
        """The standard deviation of one element after ``init_``."""
        return self.scheme.std(self.layout) if all(self.shape) else 0.0
