"""Pieces of a page: tables, fences, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell stays text."""
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """What is what, one below the other."""
    return "\n\n".join(f"{name}\n: {text}" for name, text in rows)


def fence(language: str, text: str) -> str:
    """A block of code that may hold fences itself."""
    marks = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def rst(text: str) -> str:
    """A part in reStructuredText, as docstrings are."""
    return fence("{eval-rst}", text)


def figure(svg: str, caption: str, kind: str = "") -> str:
    """A picture of ours inside the page."""
    classes = f"picture {kind}".strip()
    return fence(
        "{raw} html",
        f'<figure class="{classes}">\n{svg}\n<figcaption>{escape(caption)}</figcaption>\n</figure>',
    )


def formulas(lines: Iterable[str]) -> str:
    """Formulas, one below the other."""
    return "\n\n".join(f"$$\n{line}\n$$" for line in lines)


def toctree(names: Iterable[str], *, hidden: bool = True) -> str:
    """The pages below this one."""
    options = ":hidden:\n" if hidden else ""
    return fence("{toctree}", options + ":maxdepth: 1\n\n" + "\n".join(names))


def plain(text: str) -> str:
    """A sentence of the library as text: nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>$|^~#])", r"\\\1", text)
