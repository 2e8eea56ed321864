"""What training says about each case; nobody decides by opinion."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from benchmarks.corpus.case import Case

Label = Literal["healthy", "faulty", "harmless", "undecided"]
Labels = dict[str, dict[str, Any]]

PATH = Path(__file__).with_name("labels.json")
FIELDS = ("optimizer", "rate", "seed", "steps_to_level", "share", "first")
SLOWER = 2.0
PERSISTENT = 0.5


def label(case: Case, labels: Labels) -> Label:
    """By training alone: a fault that slows nothing down and does not last is harmless."""
    found = labels[case.name]
    if case.fault is None:
        return "healthy" if found["learns"] else "undecided"
    return "faulty" if reasons(case, labels) else "harmless"


def reasons(case: Case, labels: Labels) -> list[str]:
    """What shows that the fault does harm."""
    found = labels[case.name]
    shown = []
    if not found["learns"]:
        shown.append("does not learn")
    if any(run["first"] is None for run in found["runs"]):
        shown.append("first loss not finite")
    ratio = slower(case, labels)
    if ratio is not None and ratio > SLOWER:
        shown.append(f"{ratio:.1f} x the steps")
    if (found["persistent"] or 0.0) >= PERSISTENT:
        shown.append(f"{found['persistent']:.0%} of the units stay so")
    return shown


def slower(case: Case, labels: Labels) -> float | None:
    """Steps as a multiple of the sibling's."""
    own, other = labels[case.name]["steps"], labels.get(case.sibling or "", {}).get("steps")
    return own / other if own and other else None


def read(path: Path = PATH) -> Labels:
    """Outcomes by name; the file has each run as a row of ``FIELDS``."""
    labels = json.loads(path.read_text()) if path.exists() else {}
    for found in labels.values():
        found["runs"] = [dict(zip(FIELDS, row, strict=True)) for row in map(_row, found["runs"])]
    return labels


def _row(run: Any) -> list[Any]:
    return [run[field] for field in FIELDS] if isinstance(run, dict) else run


def keep(name: str, outcome: dict[str, Any], path: Path = PATH) -> None:
    """Add one outcome to what the file holds now: sorted, a line for each case."""
    labels = read(path) | {name: _rounded(outcome)}
    lines = []
    for key in sorted(labels):
        runs = [_row(run) for run in labels[key]["runs"]]
        line = json.dumps(labels[key] | {"runs": runs}, separators=(",", ":"), allow_nan=False)
        lines.append(f"{json.dumps(key)}: {line}")
    fresh = path.with_suffix(".new")
    fresh.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    fresh.replace(path)


def _rounded(value: Any) -> Any:
    """Four digits; what is not finite is null."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value
