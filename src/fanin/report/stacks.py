"""Repeats in a sequence: layers of one shape, one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass

_COUNTER = re.compile(r"(?<![^.#])\d+(?![^.:#])")
_BLOCK = re.compile(r"(?<![^.])\d+(?![^.:#])")
_DOT = re.compile(r"\.(?![^{]*\})")
_LONGEST_PERIOD = 400


@dataclass(frozen=True, slots=True)
class Run:
    """``count`` copies of ``period`` items each, one after the other.

    Args:
        start: index of the first item.
        period: items of one copy.
        count: copies.
    """

    start: int
    period: int
    count: int

    @property
    def stop(self) -> int:
        return self.start + self.period * self.count

    def copies_of(self, offset: int) -> range:
        """The indices of one item of the period, in each copy."""
        return range(self.start + offset, self.stop, self.period)


Fits = Callable[[Run], int]


@dataclass(frozen=True, slots=True)
class _Item:
    """One item: what it is like, its counters, those of them in its path, whether it closes."""

    token: Hashable
    counters: list[str]
    blocks: list[str]
    closes: bool


def pattern(name: str) -> str:
    """A dotted name without its counters: "h.3.fc1.weight" becomes "h.*.fc1.weight"."""
    return _COUNTER.sub("*", name)


def folded(names: Sequence[str]) -> str:
    """One name for names of one pattern: "h.{0..11}.fc.weight"."""
    first = names[0]
    found = [[int(counter) for counter in _COUNTER.findall(name)] for name in names]
    if len({len(counters) for counters in found}) > 1:
        return first
    columns = iter(list(zip(*found, strict=True)))

    def one(match: re.Match[str]) -> str:
        column = next(columns)
        low, high = min(column), max(column)
        return match.group() if low == high else f"{{{low}..{high}}}"

    return _COUNTER.sub(one, first)


def parts(name: str) -> list[str]:
    """The parts of a dotted name, where it may be a folded one."""
    return _DOT.split(name)


def runs(
    tokens: Sequence[Hashable],
    names: Sequence[str],
    *,
    least: int,
    fits: Fits | None = None,
    closing: Collection[int] = (),
) -> list[Run]:
    """The repeats of a sequence, from the one that saves most on; they do not overlap.

    Args:
        tokens: equal for items that are alike.
        names: of the items; from copy to copy one counter of a name may change.
        least: copies that make a run.
        fits: how many copies of a run are alike in other ways, counted from the first.
        closing: indices of items that close a block; none begins with one if it can be helped.
    """
    items = [
        _Item(token, _COUNTER.findall(name), _BLOCK.findall(name), place in closing)
        for place, (token, name) in enumerate(zip(tokens, names, strict=True))
    ]
    found: list[Run] = []
    open_parts = [(0, len(items))]
    while open_parts:
        low, high = open_parts.pop()
        best = _best(items[low:high], least)
        if best is None:
            continue
        run = Run(best.start + low, best.period, best.count)
        if fits is not None:
            run = Run(run.start, run.period, max(fits(run), 1))
        if run.count >= least:
            found.append(run)
        # What does not fit is looked through again without its first copy.
        open_parts += [(low, run.start), (run.stop, high)]
    return sorted(found, key=lambda run: run.start)


def _best(items: Sequence[_Item], least: int) -> Run | None:
    best, best_score = None, 0.0
    for period in range(1, min(len(items) // 2, _LONGEST_PERIOD) + 1):
        for start, matched in _matches(items, period):
            count = matched // period + 1
            # Few long copies that hold copies themselves save less than they seem to.
            score = (count - 1) * period * (1 - 1 / count)
            if count >= least and score > best_score:
                spare = matched - (count - 1) * period
                best, best_score = _turned(Run(start, period, count), spare, items), score
    return best


def _matches(items: Sequence[_Item], period: int) -> list[tuple[int, int]]:
    """Stretches (start, length) in which each item equals the one a period later."""
    found = []
    start, last = 0, len(items) - period
    for place in range(last + 1):
        if place == last or not _follows(items[place], items[place + period]):
            if place > start:
                found.append((start, place - start))
            start = place + 1
    return found


def _follows(first: _Item, second: _Item) -> bool:
    """One counter differs at most: the next block of a stack, not the next stack."""
    return first.token == second.token and len(_changes(first.counters, second.counters)) <= 1


def _changes(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The counters of the first that differ from those of the second."""
    return [one for one, other in zip(first, second, strict=False) if one != other]


def _turned(run: Run, spare: int, items: Sequence[_Item]) -> Run:
    """The same run, begun where its copies hold the fewest blocks, and not with an end of one."""

    def cost(shift: int) -> tuple[int, bool, int]:
        start = run.start + shift
        pairs = [(items[i], items[i + run.period]) for i in range(start, start + run.period)]
        blocks = {block for one, next in pairs for block in _changes(one.blocks, next.blocks)}
        return len(blocks), items[start].closes, shift

    return Run(run.start + min(range(spare + 1), key=cost), run.period, run.count)
