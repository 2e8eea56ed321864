"""Statements of Python: what a scheme becomes in plain torch code, and how they are set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100
_STEP = "    "


@dataclass(frozen=True, slots=True)
class Line:
    """One statement that is short enough for a line.

    Args:
        text: of it.
        depth: how far it is indented.
    """

    text: str
    depth: int = 0

    def lines(self, depth: int) -> list[str]:
        return [f"{_STEP * (depth + self.depth)}{self.text}"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call, or an assignment of one, whose arguments may need more lines.

    Args:
        head: what stands before the bracket.
        arguments: as text.
        depth: how far it is indented.
    """

    head: str
    arguments: tuple[str, ...]
    depth: int = 0

    def lines(self, depth: int) -> list[str]:
        outer = _STEP * (depth + self.depth)
        inner = outer + _STEP
        joined = ", ".join(self.arguments)
        if len(whole := f"{outer}{self.head}({joined})") <= WIDTH:
            return [whole]
        if len(inner + joined) <= WIDTH:
            return [f"{outer}{self.head}(", f"{inner}{joined}", f"{outer})"]
        listed = [f"{inner}{argument}," for argument in self.arguments]
        return [f"{outer}{self.head}(", *listed, f"{outer})"]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A name for a tuple of numbers.

    Args:
        name: the name.
        values: the numbers.
        depth: how far it is indented.
    """

    name: str
    values: tuple[float, ...]
    depth: int = 0

    def lines(self, depth: int) -> list[str]:
        outer = _STEP * (depth + self.depth)
        inner = outer + _STEP
        numbers = [literal(value) for value in self.values]
        comma = "," if len(numbers) == 1 else ""
        if len(whole := f"{outer}{self.name} = ({', '.join(numbers)}{comma})") <= WIDTH:
            return [whole]
        rows = [inner]
        for number in numbers:
            if len(rows[-1]) + len(number) + 2 > WIDTH:
                rows.append(inner)
            rows[-1] += f"{number}, "
        # One number a line, as a formatter would have it, is hard to read.
        return [f"{outer}{self.name} = (", *map(str.rstrip, rows), f"{outer})  # fmt: skip"]


Statement = Line | Call | Numbers


def literal(value: float) -> str:
    """A number as Python reads it; infinity has no literal."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def quoted(text: str) -> str:
    """A text in the quotes that formatters of Python choose."""
    return repr(text) if '"' in text or "\\" in text or not text.isprintable() else f'"{text}"'


def tuple_of(values: Sequence[int]) -> str:
    return f"({', '.join(map(str, values))}{',' if len(values) == 1 else ''})"
