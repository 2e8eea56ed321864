"""Lines of a picture in the language of SVG's ``d``."""

from __future__ import annotations

Point = tuple[float, float]


def at(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def curve(start: Point, end: Point) -> str:
    if abs(start[0] - end[0]) < 0.1:
        return f"L{at(end)}"
    pull = (end[1] - start[1]) * 0.55
    return f"C{at((start[0], start[1] + pull))} {at((end[0], end[1] - pull))} {at(end)}"


def arrow(end: Point, *, sideways: bool = False) -> str:
    x, y = end
    if sideways:
        return f"M{x:.1f} {y:.1f}l-7 -4v8z"
    return f"M{x:.1f} {y:.1f}l-4 -7h8z"


def rounded(points: list[Point]) -> str:
    """Straight lines with round corners; all run along an axis."""
    path = f"M{at(points[0])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        path += f"L{at(_toward(corner, before))}Q{at(corner)} {at(_toward(corner, after))}"
    return f"{path}L{at(points[-1])}"


def _toward(corner: Point, other: Point) -> Point:
    """A point near a corner, on the way to another one."""
    x, y = other[0] - corner[0], other[1] - corner[1]
    length = abs(x) + abs(y)
    share = min(8.0, length / 2) / length if length else 0.0
    return corner[0] + x * share, corner[1] + y * share
