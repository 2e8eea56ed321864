"""Rows of weights: equal blocks of a stack as one row."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from fanin.observation.observed import Observation
from fanin.observation.readouts import Signal
from fanin.observation.records import Use
from fanin.report import wording
from fanin.report.stacks import folded, pattern, runs

_LONG = 40


@dataclass(frozen=True, slots=True)
class UseRow:
    """One use of a weight or table, or the same one in every block of a stack."""

    uses: tuple[Use, ...]
    signals: tuple[Signal, ...]

    @property
    def first(self) -> Use:
        return self.uses[0]

    @property
    def name(self) -> str:
        names = [_name(use) for use in self.uses]
        return wording.visible(folded(names) if len(names) > 1 else names[0])

    @property
    def op(self) -> str:
        return wording.visible(f"{self.first.op} {wording.attention(self.first)}".rstrip())

    @property
    def count(self) -> str:
        return f"x{len(self.uses)}" if len(self.uses) > 1 else ""

    @property
    def forward(self) -> str:
        return wording.extent(signal.forward.rms for signal in self.signals)

    @property
    def gradient(self) -> str:
        return wording.extent(
            None if signal.gradient is None else signal.gradient.rms for signal in self.signals
        )


def use_rows(observation: Observation, *, every: bool = False) -> list[UseRow]:
    """A row for each use of a weight or table; those of equal blocks are folded.

    Args:
        observation: what was seen.
        every: fold none.
    """
    uses = [use for use in observation.uses if use.role in {"weight", "table"}]
    signals = {signal.name: signal for signal in observation.signals}

    def row(*own: Use) -> UseRow:
        known = [signals[use.signal] for use in own if use.signal in signals]
        return UseRow(own, tuple(known))

    if every:
        return [row(use) for use in uses]
    least = 3 if len(uses) <= _LONG else 2
    rows: list[UseRow] = []
    at = 0
    for run in runs([_shape(use) for use in uses], [_name(use) for use in uses], least=least):
        rows += [row(use) for use in uses[at : run.start]]
        rows += [row(*(uses[i] for i in run.copies_of(place))) for place in range(run.period)]
        at = run.stop
    return rows + [row(use) for use in uses[at:]]


def _name(use: Use) -> str:
    call = f"#{use.call}" if use.calls > 1 else ""
    return f"{use.parameter}{call}"


def _shape(use: Use) -> Hashable:
    """Equal for uses that can share a row."""
    followed = {(region.ops, _rounded(region.gain), region.ends) for region in use.regions}
    return (
        pattern(_name(use)), use.op, use.role, use.fan_in, use.fan_out, frozenset(followed),
        use.branch is None, use.last_of_branch, use.attention,
    )  # fmt: skip


def _rounded(gain: float | None) -> float | None:
    return None if gain is None else round(gain, 6)
