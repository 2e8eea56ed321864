"""The ten chapters: text in Markdown, in which ``{{claim NAME}}`` on a line stands for a claim."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_CLAIM = re.compile(r"^\{\{claim ([a-z0-9_]+)\}\}$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Chapter:
    """One chapter.

    Args:
        number: from 1.
        slug: for file names.
        title: its heading.
        parts: texts in Markdown and, between them, names of claims, as (kind, content) with
            kind ``"text"`` or ``"claim"``.
    """

    number: int
    slug: str
    title: str
    parts: tuple[tuple[str, str], ...]

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of its claims in order."""
        return tuple(content for kind, content in self.parts if kind == "claim")


@cache
def all_chapters() -> tuple[Chapter, ...]:
    """All chapters in order."""
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".md")),
        key=lambda file: file.name,
    )
    return tuple(_read(file.name, file.read_text(encoding="utf-8")) for file in files)


def _read(name: str, text: str) -> Chapter:
    number, slug = name.removesuffix(".md").split("_", 1)
    heading, _, body = text.partition("\n")
    parts = []
    for place, piece in enumerate(_CLAIM.split(body)):
        if piece.strip():
            parts.append(("claim" if place % 2 else "text", piece.strip()))
    return Chapter(int(number), slug.replace("_", "-"), heading.removeprefix("# "), tuple(parts))
