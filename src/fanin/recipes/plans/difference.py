"""What differs between two plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import shorten, wrap

from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """What two plans draw differently. True where there is anything.

    Args:
        left, right: the recipes of the two, as text.
        changed: of each parameter that both draw in different ways, its two rows: another
            scheme, another layout or shape, another row that is kept zero.
        only_left, only_right: parameters that one plan draws and the other does not.

    Example:
        >>> import torch, fanin
        >>> model = torch.nn.Linear(50, 20)
        >>> he, lecun = (
        ...     fanin.recipes.as_recipe(name).plan(model) for name in ("he_normal", "lecun_normal")
        ... )
        >>> print(he.diff(lecun))
        he_normal() -> lecun_normal(): 1 parameter differs
        weight
          he_normal() -> lecun_normal()
          std 0.2 -> 0.141
        >>> bool(he.diff(he))
        False
    """

    left: str
    right: str
    changed: tuple[tuple[Row, Row], ...] = ()
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.only_left or self.only_right)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        heading = f"{self.left} -> {self.right}: "
        if not self:
            yield from wrap(heading + "no difference", _WIDTH)
            return
        number = len(self.changed) + len(self.only_left) + len(self.only_right)
        differ = "parameter differs" if number == 1 else "parameters differ"
        yield from wrap(heading + f"{number} {differ}", _WIDTH, subsequent_indent="  ")
        for old, new in self.changed:
            yield from _folded(old.parameter)
            yield from _arrow(repr(old.scheme), repr(new.scheme))
            if old.shape != new.shape:
                yield from _arrow(f"shape {old.shape}", f"{new.shape}")
            if old.padding_index != new.padding_index:
                yield from _arrow(f"zero row {old.padding_index}", f"{new.padding_index}")
            yield from _arrow(f"std {_std(old)}", _std(new))
        for names, plan in ((self.only_left, self.left), (self.only_right, self.right)):
            if names:
                yield from wrap(f"drawn by {shorten(plan, 60)} only:", _WIDTH)
                for name in names:
                    yield from _folded(name, "  ")


def _arrow(old: str, new: str) -> Iterator[str]:
    """Old -> new, on two lines where one is too short."""
    line = f"  {old} -> {new}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield from _folded(old, "  ")
    yield from _folded(f"-> {new}", "  ")


def _folded(text: str, indent: str = "") -> Iterator[str]:
    yield from wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def _std(row: Row) -> str:
    try:
        return f"{row.std:.3g}"
    except NotImplementedError:  # another package's scheme, which does not know it
        return "unknown"


def difference(left: Plan, right: Plan) -> PlanDifference:
    """What the second plan draws otherwise than the first."""
    ours = {row.parameter: row for row in left.rows}
    theirs = {row.parameter: row for row in right.rows}
    return PlanDifference(
        left.recipe,
        right.recipe,
        tuple(
            (row, theirs[name])
            for name, row in ours.items()
            if name in theirs and _drawn(row) != _drawn(theirs[name])
        ),
        tuple(name for name in ours if name not in theirs),
        tuple(name for name in theirs if name not in ours),
    )


def _drawn(row: Row) -> tuple[object, ...]:
    """What decides how a parameter is drawn."""
    return row.scheme, row.shape, row.layout, row.padding_index
