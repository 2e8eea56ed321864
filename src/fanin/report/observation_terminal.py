"""An observation on a terminal of 80 columns, or of fewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import ConsoleOptions, RenderableType
from rich.text import Text

from fanin.observation.observed import Observation
from fanin.report import wording
from fanin.report.depth import profile
from fanin.report.findings import findings, headline, outcome
from fanin.report.terminal import sparkline
from fanin.report.use_rows import UseRow, use_rows

_HEADS = ("op", "fan_in", "fan_out", "then", "branch", "forward", "gradient")
_LEFT = frozenset({"op", "then", "branch"})
_LEAST_NAME = 22
_LEAST_THEN, _MOST_THEN = 8, 24
_PLURALS = {
    "bias": "biases", "scale": "scales", "shift": "shifts", "slope": "slopes",
    "magnitude": "magnitudes", "input": "learned inputs", "elementwise": "elementwise factors",
}  # fmt: skip


def terminal_view(
    observation: Observation, options: ConsoleOptions, *, every: bool = False
) -> Iterator[RenderableType]:
    """The parts of an observation, for rich.

    Args:
        observation: what was seen.
        options: of the console; lines fit its width.
        every: a row for each use; else equal blocks of a stack share one.
    """
    yield Text(headline(observation), style="bold")
    yield Text(wording.objective(observation.objective))
    yield Text(outcome(observation))
    yield Text("")
    rows = use_rows(observation, every=every)
    if rows:
        yield from _table(rows, options.max_width)
        yield Text(_legend(rows), style="dim italic")
    others = _others(observation)
    if others:
        yield Text(others)
    yield from _along_depth(observation, ascii_only=options.ascii_only)
    yield from _findings(observation)


def _table(rows: Sequence[UseRow], width: int) -> Iterator[Text]:
    names = [row.name + (f" {row.count}" if row.count else "") for row in rows]
    body = [
        (
            row.op, wording.fan(row.first.fan_in), wording.fan(row.first.fan_out),
            wording.follows(row.first), wording.branch(row.uses), row.forward, row.gradient,
        )
        for row in rows
    ]  # fmt: skip
    shown = [i for i in range(len(_HEADS)) if any(cells[i] for cells in body)]
    heads = [_HEADS[i] for i in shown]
    cells = [[row[i] for i in shown] for row in body]
    form = _form(heads, cells, max(map(cell_len, names)), width)
    yield Text(form.row("parameter", heads, width), style="dim")
    for name, own in zip(names, cells, strict=True):
        yield Text(form.row(name, own, width))


@dataclass(frozen=True, slots=True)
class _Form:
    """Where the parts of a row stand.

    Args:
        heads: of the cells.
        sizes: their widths.
        room: columns for the name beside the cells; 0 where it stands above them.
        parts: the cells, as the lines that they fill.
    """

    heads: Sequence[str]
    sizes: Sequence[int]
    room: int
    parts: tuple[slice, ...]

    def row(self, name: str, cells: Sequence[str], width: int) -> str:
        shown = []
        for cell, head, size in zip(cells, self.heads, self.sizes, strict=True):
            text = wording.shortened(cell, size)
            space = " " * (size - cell_len(text))
            shown.append(text + space if head in _LEFT else space + text)
        lines = [" ".join(shown[part]).rstrip() for part in self.parts]
        names = _broken(name, self.room or width)
        if not self.room:
            return "\n".join(names + [f"  {line}" for line in lines])
        return "\n".join([*names[:-1], f"{set_cell_size(names[-1], self.room)} {lines[0]}"])


def _form(heads: Sequence[str], cells: Sequence[Sequence[str]], longest: int, width: int) -> _Form:
    sizes = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
    then = heads.index("then")
    natural = sizes[then] = min(sizes[then], _MOST_THEN)
    # A long function gives way first, then the name gets lines of its own, then the RMS.
    wanted = max(min(longest, _LEAST_NAME), len("parameter"))
    missing = wanted + sum(sizes) + len(sizes) - width
    sizes[then] = min(sizes[then], max(_LEAST_THEN, sizes[then] - max(missing, 0)))
    room = width - sum(sizes) - len(sizes)
    if room >= wanted:
        return _Form(heads, sizes, min(room, max(longest, wanted)), (slice(None),))
    sizes[then] = natural
    needed = 2 + sum(sizes) + len(sizes) - 1 - natural + min(natural, _LEAST_THEN)
    whole = needed <= width
    parts = (slice(None),) if whole else (slice(0, -2), slice(-2, None))
    for index in (then, 0):
        over = 2 + max(sum(sizes[part]) + len(sizes[part]) - 1 for part in parts) - width
        sizes[index] = max(4, sizes[index] - max(over, 0))
    return _Form(heads, sizes, 0, parts)


def _broken(name: str, width: int) -> list[str]:
    """A name in lines of at most a width, broken before dots where it can be."""
    lines = [""]
    for part in name.replace(".", "\0.").split("\0"):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append(f"  {part}")
        else:
            lines[-1] += part
        while cell_len(lines[-1]) > width:
            cut = width
            while cell_len(lines[-1][:cut]) > width:
                cut -= 1
            lines[-1:] = [lines[-1][:cut], f"  {lines[-1][cut:]}"]
    return lines


def _legend(rows: Sequence[UseRow]) -> str:
    said = "forward, gradient: RMS of what the operation puts out"
    if any(row.first.branch is not None for row in rows):
        said += "\nbranch: the residual branch, * the last weight in it"
    if any(len(row.uses) > 1 for row in rows):
        said += "\nx: so many alike, as one row with the range of their RMS"
    return said


def _others(observation: Observation) -> str:
    counts = Counter(use.role for use in observation.uses if use.role not in {"weight", "table"})
    parts = [wording.counted(count, role, _PLURALS.get(role, "")) for role, count in counts.items()]
    return f"beside them {', '.join(parts)}" if parts else ""


def _along_depth(observation: Observation, *, ascii_only: bool) -> Iterator[Text]:
    signals = profile(observation)
    if len(signals) < 2:
        return
    yield Text("")
    gradients = [s.gradient.rms for s in signals if s.gradient is not None]
    for label, values in (
        ("forward ", [signal.forward.rms for signal in signals]),
        ("gradient", gradients),
    ):
        if values:
            bars = sparkline(np.array(values), ascii_only=ascii_only)
            first, last = wording.number(values[0], 2), wording.number(values[-1], 2)
            least = wording.extent(values)
            yield Text(f"{label}  {bars}  first {first}, last {last}, all {least}")
    yield Text(
        f"RMS of {len(signals)} weights and joins in order; a bar is 2.3 decades of 18",
        style="dim italic",
    )


def _findings(observation: Observation) -> Iterator[Text]:
    for group in findings(observation):
        yield Text("")
        for title, text in group:
            shown = Text(wording.visible(f"{title}: {text}"))
            shown.stylize("dim" if title == "Note" else "yellow", 0, len(title) + 1)
            yield shown
