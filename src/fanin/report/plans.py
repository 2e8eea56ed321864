"""A plan for people: on a terminal, as plain text, and as a page."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console, Group

from fanin.errors import FaninError
from fanin.recipes.plans.plan import Plan
from fanin.report import plan_wording, wording
from fanin.report.files import replacing
from fanin.report.page import framed, inline, rendered
from fanin.report.plan_pictures import forward_picture, gradient_picture, signal_rows
from fanin.report.plan_rows import PlanRow, names_folded, plan_rows, sources
from fanin.report.plan_terminal import terminal_view

__all__ = ["framed_page", "page", "plain_view", "terminal_view", "write_page"]

_COLUMNS = 80
_HEADS = {
    "name": "parameter",
    "shape": "shape",
    "scheme": "scheme",
    "std": "std",
    "predicted": "predicted",
    "measured": "measured",
    "gradient": "gradient",
    "learning_rate": "lr factor",
    "weight_decay": "decay factor",
}
_EMPTY = dict.fromkeys(("predicted", "measured", "gradient"), "-")
_EMPTY |= {"learning_rate": "1", "weight_decay": "1"}


def plain_view(plan: Plan) -> str:
    """The plan as text of 80 columns, with no colour."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=_COLUMNS, color_system=None, force_terminal=False, force_jupyter=False,
        legacy_windows=False,
    )  # fmt: skip
    console.print(Group(*terminal_view(plan, console.options)))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def write_page(plan: Plan, path: str | Path, *, command: str | None = None) -> Path:
    """Write the page of a plan, and return its path.

    Args:
        plan: what is to be drawn.
        path: where to; its folder must exist.
        command: how to get the same again.

    Raises:
        OutputError: the file cannot be written.
    """
    text = page(plan, command=command)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def page(plan: Plan, *, command: str | None = None) -> str:
    """The page as text."""
    folded, every = plan_rows(plan), plan_rows(plan, every=True)
    signals = signal_rows(plan)
    return rendered(
        "plan.html",
        command,
        recipe=wording.visible(plan.recipe),
        heading=plan_wording.heading(plan),
        seed=plan_wording.measured_for(plan),
        unmatched=[wording.visible(name) for name in plan.unmatched],
        about_unmatched=plan_wording.UNMATCHED,
        kept=names_folded(plan.kept),
        notes=[wording.visible(note) for note in plan.notes],
        pictures=_pictures(plan),
        predicted=any(row.predicted is not None for row in signals),
        measured=any(row.measured is not None for row in signals),
        columns=_columns(every),
        rows=folded,
        every=every if len(every) > len(folded) else [],
        sources=sources(plan),
        code=_code(plan),
    )


def framed_page(plan: Plan) -> str:
    """The page in a frame of its own, so that its styles stay inside."""
    return framed(page(plan))


def _pictures(plan: Plan) -> list[object]:
    """Those that have something to show."""
    rows = signal_rows(plan)
    pictures = []
    if len(rows) > 1 and any(row.predicted is not None or row.measured is not None for row in rows):
        pictures.append(forward_picture(rows))
    if len(rows) > 1 and any(row.gradient is not None for row in rows):
        pictures.append(gradient_picture(rows))
    return [inline(picture.svg()) for picture in pictures]


def _columns(rows: list[PlanRow]) -> dict[str, str]:
    """Fields and heads of the table; those that would say nothing are left out."""
    return {
        field: head
        for field, head in _HEADS.items()
        if field not in _EMPTY or any(getattr(row, field) != _EMPTY[field] for row in rows)
    }


def _code(plan: Plan) -> str:
    """Plain torch code that draws alike, or why there is none."""
    if not plan.rows:
        return ""
    try:
        code = plan.to_python()
    except FaninError as error:
        code = f"# {wording.visible(str(error))}"
    return "\n".join(map(wording.visible, code.split("\n")))
