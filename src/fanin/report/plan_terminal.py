"""A plan on a terminal of 80 columns, or of more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from fanin.recipes.plans.plan import Plan
from fanin.report import plan_wording, wording
from fanin.report.plan_rows import PlanRow, names_folded, plan_rows
from fanin.report.stacks import parts

_MOST_NAMED: Final = 8
_NARROWEST, _WIDEST = 16, 30
_FACTORS: Final = (("lr", "learning_rate"), ("decay", "weight_decay"))


def terminal_view(
    plan: Plan, options: ConsoleOptions, *, every: bool = False
) -> Iterator[RenderableType]:
    """The parts of a plan, for rich.

    Args:
        plan: what is to be drawn.
        options: of the console; lines fit its width.
        every: a row for each parameter: fold no equal blocks, leave no name out.
    """
    yield Text(plan_wording.heading(plan), style="bold")
    if plan.seed is not None:
        yield Text(plan_wording.measured_for(plan))
    if plan.unmatched:
        yield Text("")
        yield _unmatched(plan, every=every)
    rows = plan_rows(plan, every=every)
    if rows:
        reasons = list(dict.fromkeys(row.reason for row in rows))
        yield Text("")
        yield _table(rows, reasons, options.max_width)
        yield Text("")
        yield _reasons(reasons)
    if plan.kept:
        yield Text("")
        yield Text.assemble(("kept as they are: ", "bold"), _listed(plan.kept, every=every))
    for note in plan.notes:
        yield Text("")
        yield Text(f"Note: {wording.visible(note)}", style="yellow")
    if plan.source:
        yield Text("")
        yield Text(f"Source: {wording.visible(plan.source)}", style="dim")


def _unmatched(plan: Plan, *, every: bool) -> Text:
    return Text.assemble(
        (f"! UNMATCHED: {_listed(plan.unmatched, every=every)}", "bold red"),
        "\n", plan_wording.UNMATCHED,
    )  # fmt: skip


def _listed(names: Sequence[str], *, every: bool) -> str:
    shown = [wording.visible(name) for name in names] if every else names_folded(names)
    if every or len(shown) <= _MOST_NAMED:
        return ", ".join(shown)
    return f"{', '.join(shown[:_MOST_NAMED])} and {len(shown) - _MOST_NAMED} more"


def _table(rows: Sequence[PlanRow], reasons: Sequence[str], width: int) -> Table:
    heads = ["shape", "scheme", "std", "RMS", *(head for head, _ in _FACTORS), "why"]
    cells = [
        [
            row.shape, row.scheme, row.std, plan_wording.signal(row),
            *(_factor(getattr(row, field)) for _, field in _FACTORS),
            str(reasons.index(row.reason) + 1),
        ]
        for row in rows
    ]  # fmt: skip
    said = [place for place in range(len(heads)) if any(row[place] for row in cells)]
    widths = [max(cell_len(text) for text in (heads[i], *(row[i] for row in cells))) for i in said]
    # Schemes with many arguments go over several lines, and leave that much to the names.
    room = width - sum(min(own, _WIDEST) + 1 for own in widths)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=False)
    table.add_column("parameter", overflow="fold", min_width=min(_NARROWEST, width // 3))
    for place in said:
        left = heads[place] in {"shape", "scheme"}
        table.add_column(heads[place], justify="left" if left else "right", overflow="fold")
    for row, own in zip(rows, cells, strict=True):
        name = "\n".join(_cut(row.name, max(room, _NARROWEST)))
        table.add_row(Text(name), *(Text(own[place]) for place in said))
    return table


def _factor(text: str) -> str:
    return "" if text == "1" else f"x {text}"


def _cut(name: str, width: int) -> Iterator[str]:
    """A dotted name in lines, cut behind dots."""
    *inner, last = parts(name)
    line = ""
    for part in (*(f"{one}." for one in inner), last):
        if line and cell_len(line + part) > width:
            yield line
            line = ""
        line += part
    yield line


def _reasons(reasons: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for number, reason in enumerate(reasons, 1):
        table.add_row(Text(str(number)), Text(reason))
    return table
