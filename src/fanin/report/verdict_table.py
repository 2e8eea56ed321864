"""The verdicts of all claims as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fanin.guide import Chapter, Claim, Result
from fanin.report import guide_wording


def markdown_table(
    chapters: Sequence[Chapter], claims: Mapping[str, Claim[Any]], results: Mapping[str, Result]
) -> str:
    """A table for each chapter: verdict, statement, and the first number that decides it."""
    parts = []
    for chapter in chapters:
        lines = [
            f"## {chapter.number}. {chapter.title}\n",
            "| verdict | claim | as textbooks put it | first number |",
            "| --- | --- | --- | --- |",
        ]
        for name in chapter.claims:
            result = results[name]
            first = result.checks[0]
            cells = (
                f"{guide_wording.SIGNS[result.verdict]} {result.verdict}", f"`{name}`",
                claims[name].statement, f"{first.what}: {first.shown}; wanted {first.wanted}",
            )  # fmt: skip
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
