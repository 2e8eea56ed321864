"""The rows of a plan as texts: equal blocks of a stack as one row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fanin.errors import FanError
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.report import wording
from fanin.report.stacks import folded, pattern, runs
from fanin.schemes import Scheme, scaled

_LEAST_COPIES: Final = 2
_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![A-Za-z0-9_])")
_DIGITS: Final = 4
# What a measurement adds to a reason: blocks that need a correction and those that do not are
# alike all the same.
_MEASURED: Final = re.compile(r"; times ([-+.e0-9]+), as measured$")


@dataclass(frozen=True)
class PlanRow:
    """A row of a plan, or the same one in every block of a stack.

    Args:
        rows: those of the plan.
        sources: numbers of what the rule and the scheme cite, in the list of sources from 1.
    """

    rows: tuple[Row, ...]
    sources: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The parameter, or the parameters of a block as one: "h.{0..11}.fc.weight"."""
        names = [row.parameter for row in self.rows]
        return wording.visible(folded(names) if len(names) > 1 else names[0])

    @property
    def count(self) -> str:
        """How many blocks share the row: "x12"."""
        return f"x{len(self.rows)}" if len(self.rows) > 1 else ""

    @property
    def shape(self) -> str:
        return "x".join(map(str, self.rows[0].shape)) or "1"

    @cached_property
    def scheme(self) -> str:
        """With numbers of four digits; where blocks differ, from the least to the greatest."""
        bases, factors = zip(*(_apart(row.scheme) for row in self.rows), strict=True)
        base = spanned([_short(text) for text in bases])
        if set(factors) == {1.0}:
            return base
        return f"{base} x {spanned([_short(f'{factor:.17g}') for factor in factors])}"

    @property
    def exact(self) -> str:
        """The scheme of the first row with all digits."""
        return wording.visible(repr(self.rows[0].scheme))

    @property
    def std(self) -> str:
        return wording.extent(_std(row) for row in self._different("std"))

    @property
    def predicted(self) -> str:
        return wording.extent(row.predicted for row in self._different("predicted"))

    @property
    def measured(self) -> str:
        return wording.extent(row.measured for row in self._different("measured"))

    @property
    def gradient(self) -> str:
        return wording.extent(row.gradient for row in self._different("gradient"))

    @property
    def learning_rate(self) -> str:
        return wording.extent(row.learning_rate for row in self._different("learning_rate"))

    @property
    def weight_decay(self) -> str:
        return wording.extent(row.weight_decay for row in self._different("weight_decay"))

    @cached_property
    def reason(self) -> str:
        """One sentence; where blocks differ in its numbers, from the least to the greatest."""
        said = spanned([_MEASURED.sub("", row.reason) for row in self.rows])
        factors = [_MEASURED.search(row.reason) for row in self.rows]
        if any(factors):
            shown = spanned([found[1] if found else "1" for found in factors])
            said = f"{said}; times {shown}, as measured"
        index = self.rows[0].padding_index
        return said if index is None else f"{said}; row {index} of it stays 0"

    def _different(self, field: str) -> Sequence[Row]:
        """The rows; one of them where all agree, so that it reads as one number."""
        values = {getattr(row, field) if field != "std" else _std(row) for row in self.rows}
        return self.rows[:1] if len(values) == 1 else self.rows


def sources(plan: Plan) -> list[str]:
    """What a plan cites, each once."""
    return [wording.visible(line) for line in plan.citation().splitlines()]


def plan_rows(plan: Plan, *, every: bool = False) -> list[PlanRow]:
    """A row for each parameter that is drawn; those of equal blocks are folded.

    Args:
        plan: the plan.
        every: fold none.
    """
    numbers = {line: number for number, line in enumerate(plan.citation().splitlines(), 1)}

    def made(*own: Row) -> PlanRow:
        cited = [text for text in (own[0].source, own[0].scheme.citation) if text in numbers]
        return PlanRow(own, tuple(sorted({numbers[text] for text in cited})))

    if every:
        return [made(row) for row in plan.rows]
    tokens = [
        (
            pattern(row.parameter), row.shape, _NUMBER.sub("#", _apart(row.scheme)[0]),
            _NUMBER.sub("#", _MEASURED.sub("", row.reason)), row.padding_index, row.source,
            row.predicted is None, row.measured is None, row.learning_rate, row.weight_decay,
        )
        for row in plan.rows
    ]  # fmt: skip
    rows: list[PlanRow] = []
    at = 0
    for run in runs(tokens, [row.parameter for row in plan.rows], least=_LEAST_COPIES):
        rows += [made(row) for row in plan.rows[at : run.start]]
        rows += [made(*(plan.rows[i] for i in run.copies_of(place))) for place in range(run.period)]
        at = run.stop
    return rows + [made(row) for row in plan.rows[at:]]


def names_folded(names: Sequence[str]) -> list[str]:
    """Names of parameters, those of equal blocks as one."""
    made: list[str] = []
    at = 0
    for run in runs([pattern(name) for name in names], names, least=_LEAST_COPIES):
        made += names[at : run.start]
        made += [folded([names[i] for i in run.copies_of(place)]) for place in range(run.period)]
        at = run.stop
    return [wording.visible(name) for name in (*made, *names[at:])]


def spanned(texts: Sequence[str]) -> str:
    """Texts that differ in their numbers alone as one: "normal(std=0.01..0.02)"."""
    first = texts[0]
    if len(set(texts)) == 1:
        return wording.visible(first)
    columns = list(zip(*(_NUMBER.findall(text) for text in texts), strict=False))
    numbers = iter(columns)

    def one(match: re.Match[str]) -> str:
        own = next(numbers, (match.group(),))
        low: str = min(own, key=float)
        high: str = max(own, key=float)
        if low == high:
            return low
        in_name = first[: match.start()].endswith(".") or first[match.end() :].startswith(".")
        return f"{{{low}..{high}}}" if in_name else f"{low}..{high}"

    return wording.visible(_NUMBER.sub(one, first))


def _apart(scheme: Scheme) -> tuple[str, float]:
    """The text of a scheme, and the factor that it is scaled by."""
    if isinstance(scheme, scaled):
        text, factor = _apart(scheme.base)
        return text, factor * scheme.factor
    return repr(scheme), 1.0


def _short(text: str) -> str:
    return _NUMBER.sub(lambda match: _rounded(match.group()), text)


def _rounded(number: str) -> str:
    return number if len(number) <= _DIGITS + 2 else f"{float(number):.{_DIGITS}g}"


def _std(row: Row) -> float | None:
    """Some schemes do not know theirs."""
    try:
        return row.std
    except (FanError, NotImplementedError):
        return None
