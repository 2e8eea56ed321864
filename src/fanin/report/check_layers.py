"""The layers of a report beside what was observed of them; equal blocks of a stack as one."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from fanin.diagnosis import Layer, Report
from fanin.observation.readouts import Signal
from fanin.observation.records import Use
from fanin.report import wording
from fanin.report.stacks import folded, pattern, runs

_LEAST_COPIES = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A layer at its place along depth.

    Args:
        place: from 1.
        layer: what was measured there.
        use: the use of the weight that it stands for, where the observation has it.
        signal: what the operation puts out.
    """

    place: int
    layer: Layer
    use: Use | None
    signal: Signal | None

    @property
    def dead(self) -> tuple[int, ...]:
        """Indices of the units that no example activates, where they are known."""
        units = None if self.signal is None else self.signal.units
        return () if units is None else units.dead_units

    @property
    def duplicated(self) -> tuple[int, ...]:
        """Indices of the units that equal another one, where they are known."""
        units = None if self.signal is None else self.signal.units
        return () if units is None else units.duplicated_units


def rows(report: Report) -> list[Row]:
    """A row for each layer, in the order of execution."""
    signals = {signal.name: signal for signal in report.observation.signals}
    uses: dict[str, deque[Use]] = defaultdict(deque)
    for one in report.observation.uses:
        if one.role in {"weight", "table"}:
            uses[one.parameter].append(one)
    made = []
    for place, layer in enumerate(report.layers, 1):
        own = uses[layer.name]
        use = own.popleft() if own else None
        signal = None if use is None or use.signal is None else signals.get(use.signal)
        made.append(Row(place, layer, use, signal))
    return made


def blocks(layers: Sequence[Row]) -> list[tuple[Row, ...]]:
    """Layers that are alike, block after block of a stack, share an entry."""
    tokens = [
        (
            pattern(row.layer.name), row.layer.op, row.layer.fan_in, row.layer.fan_out,
            row.layer.findings,
        )
        for row in layers
    ]  # fmt: skip
    made: list[tuple[Row, ...]] = []
    at = 0
    for run in runs(tokens, [row.layer.name for row in layers], least=_LEAST_COPIES):
        made += [(row,) for row in layers[at : run.start]]
        made += [tuple(layers[i] for i in run.copies_of(place)) for place in range(run.period)]
        at = run.stop
    return made + [(row,) for row in layers[at:]]


def name(block: Sequence[Row]) -> str:
    """The parameter, or the parameters of a block as one: "h.{0..11}.fc.weight"."""
    names = [row.layer.name for row in block]
    return wording.visible(folded(names) if len(names) > 1 else names[0])
