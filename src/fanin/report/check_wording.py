"""What is to be said of a report in words, for terminal and page alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from fanin.diagnosis import KINDS, Finding, Limit, Report
from fanin.diagnosis.finding import Verdict
from fanin.report import wording

SIGNS: Final[dict[Verdict, str]] = {"broken": "✗", "warning": "!", "healthy": "✓"}
MEANING: Final = "estimated probability that it learns at some ordinary learning rate"
MEND: Final = "report.remedy_plan().init_(model)"
# A call in half precision is rounded otherwise than the loss that it is.
_SAME = 0.01


def verdict(report: Report) -> str:
    """The verdict and what it rests on: "BROKEN: 1 error, 2 warnings"."""
    counts = Counter(finding.severity for finding in report.findings)
    found = [wording.counted(counts[kind], kind) for kind in ("error", "warning") if counts[kind]]
    if not report.layers and not found:
        found = ["no weight to judge"]
    return f"{report.verdict.upper()}: {', '.join(found) or 'nothing found'}"


def checked(report: Report) -> str:
    """What was looked for, and in how much."""
    units = sum(layer.units or 0 for layer in report.layers)
    uses = f"{wording.counted(len(report.layers), 'use')} of weights"
    within = f" and {units:,} of their units" if units else ""
    return f"looked for {len(KINDS)} kinds of fault in {uses}{within}"


def objective(report: Report) -> str:
    """The loss, and the one that an uninformed guess has where that is known."""
    said = wording.objective(report.observation.objective)
    guess = _uninformed(report)
    return said if guess is None else f"{said}; an uninformed guess has {wording.number(guess, 4)}"


def _uninformed(report: Report) -> float | None:
    """The loss of a guess, where one call of torch is the whole loss."""
    calls = report.observation.losses
    if len(calls) != 1 or not math.isclose(calls[0].value, report.loss, rel_tol=_SAME):
        return None
    return calls[0].uninformed


def percent(share: float) -> str:
    """A share that is neither rounded to none nor to all."""
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{share:.0%}".replace("%", " %")


def kind(finding: Finding) -> str:
    return finding.kind.replace("_", " ")


def place(name: str) -> str:
    """A parameter or module; the name of the model itself is empty."""
    return wording.visible(name) or "the model"


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(place(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def judged(finding: Finding) -> str:
    """What was measured, and the limit that it crossed with its source; "" where there is none."""
    limit = finding.limit
    if limit is None:
        return ""
    measured = "" if finding.value is None else f"measured {wording.number(finding.value)}, "
    return wording.visible(f"{measured}limit {_value(limit)} ({limit.name}; {limit.source})")


def _value(limit: Limit) -> str:
    return f"{wording.number(limit.value)} {limit.unit}".rstrip()


def mending(report: Report) -> str:
    """What the plan of remedies draws and keeps; "" where no init mends anything."""
    plan = report.remedy_plan()
    if not plan.rows:
        return ""
    drawn = wording.counted(len(plan.rows), "parameter")
    return f"draws {drawn} again, keeps {len(plan.kept)}" if plan.kept else f"draws {drawn} again"
