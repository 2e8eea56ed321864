"""A claim and its result in words, for terminal and page alike."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fanin.guide import Change, Claim, Result
from fanin.guide.checks import Check, Verdict

SIGNS: Final[Mapping[Verdict, str]] = {"supported": "✓", "qualified": "~", "refuted": "✗"}
MEANINGS: Final[Mapping[Verdict, str]] = {
    "supported": "everything that follows from the statement was seen",
    "qualified": "the core of the statement was seen, its reach was not, or too few seeds tell",
    "refuted": "the core of the statement was seen to be wrong",
}


def command(claim: Claim[Any], change: Change | None = None, *, quick: bool = False) -> str:
    """How to run a claim, with a change."""
    words = ["fanin", "guide", "run", claim.name]
    for name, value in (change.settings if change is not None else {}).items():
        words += ["--set", f"{name}={value}"]
    return shlex.join([*words, "--quick"] if quick else words)


def conditions(result: Result) -> str:
    """What stands beside a verdict: that it was quick, or that something was changed."""
    notes = []
    if result.quick:
        notes.append("quick: fewer seeds and steps than a verdict should rest on")
    if result.changed:
        changed = ", ".join(f"{name}={value}" for name, value in result.changed.items())
        notes.append(f"with {changed}")
    return "; ".join(notes)


def outcome(check: Check) -> str:
    """Whether a check was met."""
    if check.met:
        return "yes"
    return "no" if check.decided else "not decided"


def count(results: Iterable[Result]) -> str:
    """How many of each verdict."""
    found = Counter(result.verdict for result in results)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in SIGNS if found[verdict])
