"""Names and numbers of an observation as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.cells import cell_len

from fanin.observation.readouts import Objective
from fanin.observation.records import Use

_LETTERS = {"query": "q", "key": "k", "value": "v", "output": "out"}
_ELLIPSIS = ".."


def visible(text: str) -> str:
    """Text on one line, with control characters spelled out: a name may hold any."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def shortened(text: str, width: int) -> str:
    """At most ``width`` columns, with two dots for the middle; the end says more than the start."""
    text = visible(text)
    if cell_len(text) <= width:
        return text
    room = max(width - len(_ELLIPSIS), 1)
    head, tail = text[: room // 3], text[-(room - room // 3) :]
    while cell_len(head) + cell_len(tail) > room and tail:
        head, tail = head[:-1], tail[1:]
    return f"{head}{_ELLIPSIS}{tail}"


def tail(text: str, width: int) -> str:
    """At most ``width`` columns: the end of a dotted name, from a dot on where that leaves much."""
    text = visible(text)
    if cell_len(text) <= width:
        return text
    kept = text
    while kept and cell_len(kept) > width - len(_ELLIPSIS):
        kept = kept[1:]
    from_dot = kept[kept.find(".") + 1 :]
    return _ELLIPSIS + (from_dot if len(from_dot) > width // 2 else kept)


def number(value: float | None, digits: int = 3) -> str:
    """A number in few characters; "-" where there is none."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        shown = f"{value:.{digits}g}"
        return shown if "e" not in shown else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.{max(digits - 2, 0)}e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def extent(values: Iterable[float | None]) -> str:
    """The least and the greatest of some numbers; "-" where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return number(known[0])
    finite = [value for value in known if not math.isnan(value)]
    if not finite:
        return "nan"
    low, high = number(min(finite), 2), number(max(finite), 2)
    shown = low if low == high else f"{low}{_ELLIPSIS}{high}"
    return shown if len(finite) == len(known) else f"{shown}, nan"


def fan(value: float | None) -> str:
    """A fan, which is a whole number for most operations."""
    return "-" if value is None else f"{value:.10g}" if value == int(value) else f"{value:.4g}"


def follows(use: Use) -> str:
    """The functions after a use with their gain, or what it runs into."""
    parts = []
    for region in use.regions:
        if region.ops:
            parts.append(f"{' '.join(region.ops)} {number(region.gain)}")
        else:
            parts.append(region.ends)
    return visible("; ".join(dict.fromkeys(parts)) or "-")


def attention(use: Use) -> str:
    """The roles in attention by their letters: q, k, v, qkv, out."""
    if use.attention is None:
        return ""
    return "".join(_LETTERS.get(role, role) for role in use.attention.split("+"))


def branch(uses: Iterable[Use]) -> str:
    """The residual branch by its number, with a star for its last weight."""
    own = [use for use in uses if use.branch is not None]
    if not own:
        return ""
    numbers = [use.branch for use in own if use.branch is not None]
    low, high = min(numbers), max(numbers)
    star = "*" if all(use.last_of_branch for use in own) else ""
    return (f"{low}" if low == high else f"{low}{_ELLIPSIS}{high}") + star


def objective(said: Objective) -> str:
    """The loss and where it came from."""
    where = {
        "given": "as given",
        "model": "the model's own",
        "projection": "a fixed random projection of the output, as no loss was given",
    }.get(said.kind, said.kind)
    named = f"{said.op}, " if said.op and said.kind != "projection" else ""
    classes = f", {said.classes} classes" if said.classes is not None else ""
    return visible(f"loss {number(said.value, 4)} ({named}{where}{classes})")


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
