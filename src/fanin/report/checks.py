"""A report for people: on a terminal, as plain text, and as a page."""

from __future__ import annotations

import io
import math
from pathlib import Path

from rich.console import Console, Group

from fanin.diagnosis import Finding, Report
from fanin.report import check_layers, check_wording, wording
from fanin.report.check_formats.kinds import ABOUT
from fanin.report.check_pictures import forward_picture, gradient_picture
from fanin.report.check_tables import columns, layer_texts
from fanin.report.check_terminal import terminal_view
from fanin.report.files import replacing
from fanin.report.findings import headline
from fanin.report.page import framed, inline, rendered
from fanin.report.unit_map import cell, unit_maps

__all__ = ["framed_page", "page", "plain_view", "terminal_view", "write_page"]

_COLUMNS = 80
_MOST_NAMED = 4
_MOST_MAPS = 48


def plain_view(report: Report) -> str:
    """The report as text of 80 columns, with no colour."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=_COLUMNS, color_system=None, force_terminal=False, force_jupyter=False,
        legacy_windows=False,
    )  # fmt: skip
    console.print(Group(*terminal_view(report, console.options)))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def write_page(report: Report, path: str | Path, *, command: str | None = None) -> Path:
    """Write the page of a report, and return its path.

    Args:
        report: what was found.
        path: where to; its folder must exist.
        command: how to get the same again.

    Raises:
        OutputError: the file cannot be written.
    """
    text = page(report, command=command)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def page(report: Report, *, command: str | None = None) -> str:
    """The page as text."""
    layers = check_layers.rows(report)
    folded, every = layer_texts(report, layers), layer_texts(report, layers, every=True)
    found = sorted(unit_maps(layers), key=lambda one: not one.named)
    maps = found[:_MOST_MAPS]
    pictures = [
        inline(picture(report, layers).svg()) for picture in (forward_picture, gradient_picture)
    ]
    return rendered(
        "check.html",
        command,
        model=wording.visible(report.model),
        headline=headline(report.observation),
        outcome=report.verdict,
        sign=check_wording.SIGNS[report.verdict],
        verdict=check_wording.verdict(report),
        checked=check_wording.checked(report),
        objective=check_wording.objective(report),
        trainability=check_wording.percent(report.trainability),
        filled=round(100 * report.trainability) if math.isfinite(report.trainability) else 0,
        meaning=check_wording.MEANING,
        findings=[_card(number, one) for number, one in enumerate(report.findings, 1)],
        mend=check_wording.MEND,
        mending=check_wording.mending(report),
        pictures=pictures if len(layers) > 1 else [],
        severities={row.severity for row in every},
        columns=columns(every),
        layers=folded,
        every=every if len(every) > len(folded) else [],
        named_maps=[one for one in maps if one.named],
        maps=[one for one in maps if not one.named],
        more_maps=len(found) - len(maps),
        cells={kind: cell(kind) for kind in ("live", "dead", "duplicated")},
        notes=[wording.visible(note) for note in report.notes],
    )


def framed_page(report: Report) -> str:
    """The page in a frame of its own, so that its styles stay inside."""
    return framed(page(report))


def _card(number: int, finding: Finding) -> dict[str, object]:
    names = [check_wording.place(name) for name in finding.where]
    return {
        "number": number,
        "severity": finding.severity,
        "title": ABOUT[finding.kind].title,
        "meaning": ABOUT[finding.kind].meaning,
        "where": names[:_MOST_NAMED],
        "more": names[_MOST_NAMED:],
        "evidence": wording.visible(finding.evidence),
        "judged": check_wording.judged(finding),
        "remedy": wording.visible(finding.remedy),
        "mends": [
            (wording.visible(row.parameter), wording.visible(repr(row.scheme)))
            for row in finding.rows
        ],
    }
