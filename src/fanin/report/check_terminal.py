"""A report on a terminal of 80 columns, or of fewer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from rich.console import ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fanin.diagnosis import Finding, Report
from fanin.report import check_layers, check_wording, wording
from fanin.report.check_tables import layer_texts
from fanin.report.findings import headline
from fanin.report.terminal import sparkline

_STYLES: Final = {
    "broken": "bold red", "error": "bold red", "warning": "bold yellow", "healthy": "bold green",
}  # fmt: skip
_ASCII_SIGNS: Final = {"broken": "x", "warning": "!", "healthy": "+"}
_MOST_NAMED = 3
_BAR = 20
_LABEL = 10
_MOST_BARS, _LEAST_BARS = 48, 8


def terminal_view(
    report: Report, options: ConsoleOptions, *, every: bool = False
) -> Iterator[RenderableType]:
    """The parts of a report, for rich.

    Args:
        report: what was found.
        options: of the console; lines fit its width.
        every: a table with a row for each use of a weight, too.
    """
    signs = _ASCII_SIGNS if options.ascii_only else check_wording.SIGNS
    yield Text(
        f"{signs[report.verdict]} {check_wording.verdict(report)}", style=_STYLES[report.verdict]
    )
    yield Text(headline(report.observation))
    yield Text(check_wording.objective(report))
    yield _trainability(report, ascii_only=options.ascii_only)
    yield Text(check_wording.checked(report))
    for number, finding in enumerate(report.findings, 1):
        yield Text("")
        yield from _finding(number, finding)
    mending = check_wording.mending(report)
    if mending:
        yield Text("")
        yield Text.assemble("To mend it (", mending, "):")
        yield Padding(Text(check_wording.MEND, style="bold cyan"), (0, 0, 0, 4))
    yield from _along_depth(report, options)
    if every and report.layers:
        yield Text("")
        yield _table(report)
        yield Text(
            "step: RMS of the output over that of what it reads, and the factor that keeps the "
            "scale. Shares are over a sample.",
            style="dim italic",
        )
    for note in report.notes:
        yield Text(f"Note: {wording.visible(note)}", style="dim")


def _trainability(report: Report, *, ascii_only: bool) -> Text:
    share = report.trainability
    full, empty = ("#", ".") if ascii_only else ("█", "░")
    length = round(_BAR * share) if math.isfinite(share) else 0
    return Text.assemble(
        "trainability ",
        (f"{full * length}{empty * (_BAR - length)} ", _STYLES[report.verdict]),
        (check_wording.percent(share), "bold"),
        (f"\n{check_wording.MEANING}", "dim italic"),
    )


def _finding(number: int, finding: Finding) -> Iterator[RenderableType]:
    where = check_wording.listed(finding.where, _MOST_NAMED)
    yield Text.assemble(
        f"{number}. ",
        (f"{finding.severity.upper()} {check_wording.kind(finding)}", _STYLES[finding.severity]),
        f" in {where}" if where else "",
    )
    yield _indented(Text(wording.visible(finding.evidence)))
    judged = check_wording.judged(finding)
    if judged:
        yield _indented(Text(judged, style="dim"))
    yield _indented(Text.assemble(("Fix: ", "bold"), wording.visible(finding.remedy)))


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 3))


def _along_depth(report: Report, options: ConsoleOptions) -> Iterator[Text]:
    if len(report.layers) < 2:
        return
    yield Text("")
    room = min(max(options.max_width - _LABEL, _LEAST_BARS), _MOST_BARS)
    parts = np.array_split(np.arange(len(report.layers)), min(room, len(report.layers)))
    bins: list[list[int]] = [part.tolist() for part in parts]
    for label, values in (
        ("forward", [layer.forward for layer in report.layers]),
        ("gradient", [layer.gradient for layer in report.layers]),
    ):
        bars = "".join(_bar([values[i] for i in own], options) for own in bins)
        known = [value for value in values if value is not None]
        text = Text(f"{label:<{_LABEL}}{bars}")
        if known:
            first, last = (wording.number(value, 2) for value in (known[0], known[-1]))
            ends = f"  {first} to {last}"
            text.append(ends if len(text) + len(ends) <= options.max_width else f"\n  {ends}")
        yield text
    named = "".join(_mark(report, own) for own in bins)
    if named.strip():
        yield Text(f"{'finding':<{_LABEL}}{named.rstrip()}", style="yellow")
    several = "" if len(bins) == len(report.layers) else "\nof several, the one furthest from 1"
    yield Text(
        f"RMS of {len(report.layers)} uses of weights in order; a bar is 2.3 decades of 18"
        + several,
        style="dim italic",
    )


def _bar(values: Sequence[float | None], options: ConsoleOptions) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return " "
    furthest = max(known, key=_distance)
    return sparkline(np.array([furthest]), ascii_only=options.ascii_only)


def _distance(value: float) -> float:
    """From 1, in powers; what has no place on the scale is furthest."""
    return abs(math.log(value)) if math.isfinite(value) and value > 0 else math.inf


def _mark(report: Report, own: Sequence[int]) -> str:
    numbers = [index + 1 for i in own for index in report.layers[i].findings]
    return " " if not numbers else str(min(numbers)) if min(numbers) < 10 else "+"


def _table(report: Report) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=False)
    table.add_column("layer", overflow="fold", min_width=10)
    table.add_column("op", overflow="fold")
    table.add_column("fans", overflow="fold")
    for head in ("forward", "gradient", "step", "dead", "dupl.", "sat."):
        table.add_column(head, justify="right", overflow="fold")
    for texts in layer_texts(report, check_layers.rows(report), every=True):
        step = texts.step if texts.expected == "-" else f"{texts.step} of {texts.expected}"
        cells = (
            texts.name, texts.op, texts.fans, texts.forward, texts.gradient, step, texts.dead,
            texts.duplicated, texts.saturated,
        )  # fmt: skip
        style = _STYLES[texts.severity] if texts.severity else ""
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table
