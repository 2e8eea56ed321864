"""How a verb shows a plan, and writes what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanin.recipes import Plan


def show(plan: Plan, *, every: bool) -> None:
    """Print a plan.

    Args:
        plan: what is to be drawn.
        every: fold no equal blocks.
    """
    from rich.console import Console, Group

    from fanin.report.plans import terminal_view

    console = Console()
    console.print(Group(*terminal_view(plan, console.options, every=every)))


def write_text(text: str, path: str) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    from fanin.report.files import replacing

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
