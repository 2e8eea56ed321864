"""Which units of a layer are dead or equal to another, one small cell a unit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fanin.report import wording
from fanin.report.check_layers import Row

_ACROSS = 32
_CELL = 9
_MOST_CELLS = 1024
_MOST_NUMBERED = 200


@dataclass(frozen=True, slots=True)
class UnitMap:
    """The units of one layer.

    Args:
        name: of the layer.
        summary: the counts in words.
        picture: an ``<svg>`` element.
        indices: the units by number, in words.
        named: a finding names the layer.
    """

    name: str
    summary: str
    picture: Markup
    indices: tuple[str, ...]
    named: bool


def unit_maps(layers: Sequence[Row]) -> list[UnitMap]:
    """Of each layer whose dead or duplicated units are known by number."""
    return [_map(row) for row in layers if row.dead or row.duplicated]


def _map(row: Row) -> UnitMap:
    kinds = (("dead", row.dead), ("duplicated", row.duplicated))
    count = max(_count(row), *(max(units, default=-1) + 1 for _, units in kinds))
    per_cell = -(-count // _MOST_CELLS)
    said = ", ".join(f"{len(units)} {kind}" for kind, units in kinds if units)
    summary = f"{said} of {wording.counted(count, 'unit')}"
    if per_cell > 1:
        summary += f"; a cell is {per_cell} units"
    name = wording.visible(row.layer.name)
    dead = {unit // per_cell for unit in row.dead}
    duplicated = {unit // per_cell for unit in row.duplicated} - dead
    return UnitMap(
        name,
        summary,
        _drawn(f"{name}: {summary}", -(-count // per_cell), dead, duplicated),
        tuple(f"{kind}: {_numbers(units)}" for kind, units in kinds if units),
        bool(row.layer.findings),
    )


def _count(row: Row) -> int:
    units = None if row.signal is None else row.signal.units
    return row.layer.units or (0 if units is None else units.count)


def _numbers(units: Sequence[int]) -> str:
    shown = ", ".join(map(str, units[:_MOST_NUMBERED]))
    more = len(units) - _MOST_NUMBERED
    return shown if more <= 0 else f"{shown} and {more:,} more"


def _drawn(label: str, count: int, dead: Collection[int], duplicated: Collection[int]) -> Markup:
    live = [cell for cell in range(count) if cell not in dead and cell not in duplicated]
    width = _CELL * min(count, _ACROSS)
    height = _CELL * -(-count // _ACROSS)
    paths = [
        _path("live", live, "h7v7h-7z"),
        _path("dead", sorted(dead), "h7v7h-7z"),
        # Half a cell, so that colour is not all that tells them apart.
        _path("duplicated", sorted(duplicated), "h7l-7 7z"),
    ]
    return Markup(
        '<svg role="img" aria-label="{0}" width="{1}" height="{2}" viewBox="0 0 {1} {2}">{3}</svg>'
    ).format(label, width, height, Markup().join(paths))


def _path(kind: str, cells: Iterable[int], outline: str) -> Markup:
    drawn = "".join(
        f"M{_CELL * (cell % _ACROSS) + 1} {_CELL * (cell // _ACROSS) + 1}{outline}"
        for cell in cells
    )
    return Markup('<path class="{}" d="{}"/>').format(kind, drawn) if drawn else Markup()


def cell(kind: str) -> Markup:
    """One cell for the legend."""
    outline = "h7l-7 7z" if kind == "duplicated" else "h7v7h-7z"
    return Markup('<svg class="cell" width="9" height="9" aria-hidden="true">{}</svg>').format(
        _path(kind, [0], outline)
    )
