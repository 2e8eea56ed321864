"""What trainings are kept as: lines of JSON, appended as they end, so that a rerun goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("steps.jsonl")
FINAL = frozenset({"level", "cap", "nan"})
REFUSALS = frozenset({"does not apply", "failed"})


@dataclass(frozen=True)
class Record:
    """One training, or a recipe's refusal of an architecture.

    Args:
        architecture: its name.
        recipe: its name; "default" is the model as its user builds it.
        rate: of Adam; None for a refusal.
        seed: of the weights and of the order of the data; that of the attempt for a refusal.
        ended: "level" (reached), "cap" (of steps), "nan", "cut" (slower than a better rate:
            more than ``at`` steps are needed), "does not apply" (an error that fanin raises on
            purpose) or "failed" (any other).
        at: the step at which it ended.
        share: the least smoothed loss, as a share of the baseline; None where there is none.
        level: of the task; the steps to another level tell nothing.
        message: of a refusal.
        label: tells runs of different code apart.
    """

    architecture: str
    recipe: str
    rate: float | None
    seed: int
    ended: str
    at: int = 0
    share: float | None = None
    level: float | None = None
    message: str = ""
    label: str = ""

    @property
    def key(self) -> tuple[str, str, str, float | None, int]:
        """What a later record of the same training replaces."""
        return self.label, self.architecture, self.recipe, self.rate, self.seed

    def is_enough(self, most: int) -> bool:
        """No need to train again to know whether the level is reached within ``most`` steps."""
        return self.ended in {"level", "nan"} or (self.ended in {"cap", "cut"} and self.at >= most)


Records = dict[tuple[str, str, str, float | None, int], Record]


def read(path: Path) -> Records:
    """The last record of each training; a line that a crash cut off is left out."""
    found: Records = {}
    refused: dict[tuple[str, str, str], Record] = {}
    if not path.exists():
        return found
    for line in path.read_text().splitlines():
        try:
            one = Record(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
        if one.rate is None:
            refused[one.key[:3]] = one
        else:
            # A recipe that trains now refuses no longer.
            refused.pop(one.key[:3], None)
            found[one.key] = one
    return found | {one.key: one for one in refused.values()}


def append(path: Path, record: Record) -> None:
    """In one write, so that lines of several processes do not mix."""
    line = json.dumps(asdict(record)) + "\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def write(path: Path, records: Iterable[Record]) -> None:
    """All of them, in place of what the file held."""
    new = path.with_suffix(path.suffix + ".new")
    new.write_text("".join(json.dumps(asdict(record)) + "\n" for record in records))
    new.replace(path)
