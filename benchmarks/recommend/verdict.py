"""What the trainings say of ``auto``: ``python -m benchmarks.recommend.verdict [--only PATTERN]``.

A table of the median steps of each architecture at the best learning rate of each recipe, and the
goals, as markdown. Steps that were not enough count as the cap. Tests are paired by seed and exact:
one-sided sign flips of the mean logarithm of the ratio; five seeds are the fewest that can tell.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import permutation_test

from benchmarks.recommend.architectures import Architecture, matching
from benchmarks.recommend.records import REFUSALS, RESULTS, Records, read
from benchmarks.recommend.training import best_rate, middle, steps_of

NOISE = 0.05
FEWEST = 5
"""Seeds: with fewer no test of signs can be below the noise."""
CLOSE = 1.05
SPEED_UP = 1.3
OWN = ("default", "auto")


@dataclass(frozen=True)
class Outcome:
    """One recipe on one architecture.

    Args:
        rate: the best learning rate.
        steps: per seed; one more than the cap where the level was not reached.
        cap: the most steps.
    """

    rate: float
    steps: Mapping[int, int]
    cap: int

    @property
    def median(self) -> float:
        """Steps; the cap where most seeds do not reach the level."""
        return statistics.median(self.counted.values())

    @property
    def counted(self) -> dict[int, int]:
        """Steps per seed; the cap where the level was not reached."""
        return {seed: min(steps, self.cap) for seed, steps in self.steps.items()}

    @property
    def reached(self) -> int:
        """Seeds that reach the level."""
        return sum(steps <= self.cap for steps in self.steps.values())

    @property
    def trains(self) -> bool:
        """Most seeds reach the level."""
        return middle(self.steps.values()) <= self.cap

    def __str__(self) -> str:
        if not self.reached:
            return "never"
        part = "" if self.reached == len(self.steps) else f" ({self.reached}/{len(self.steps)})"
        return f"{self.median:g}{part}"


@dataclass(frozen=True)
class Line:
    """One architecture.

    Args:
        architecture: its name.
        deep: it is one of the deep plain networks.
        outcomes: by recipe.
        refusals: messages of the recipes that do not apply or fail.
    """

    architecture: str
    deep: bool
    outcomes: Mapping[str, Outcome]
    refusals: Mapping[str, str]

    @property
    def ratio(self) -> float | None:
        """Median steps of the default over those of auto."""
        return self.against("default")

    @property
    def seeds(self) -> int:
        """Those that default and auto share."""
        return len(self._paired("default", "auto"))

    def against(self, recipe: str | None) -> float | None:
        """Median steps of a recipe over those of auto, on the seeds that both have."""
        if recipe is None or recipe not in self.outcomes or "auto" not in self.outcomes:
            return None
        both = self._paired(recipe, "auto")
        return statistics.median(it[0] for it in both) / statistics.median(it[1] for it in both)

    def worse(self, recipe: str, than: str) -> float | None:
        """p of the test that a recipe needs more steps than another."""
        if recipe not in self.outcomes or than not in self.outcomes:
            return None
        logs = np.array([math.log(a / b) for a, b in self._paired(recipe, than)])
        if len(logs) < 2 or not logs.any():
            return 1.0
        found = permutation_test(
            (logs,), np.mean, permutation_type="samples", alternative="greater", rng=0
        )
        return float(found.pvalue)

    @property
    def best_named(self) -> str | None:
        """Of the recipes but default and auto, the one with the least median steps."""
        named = {name: it for name, it in self.outcomes.items() if name not in OWN}
        return min(named, key=lambda name: named[name].median) if named else None

    def _paired(self, one: str, other: str) -> list[tuple[int, int]]:
        a, b = self.outcomes[one].counted, self.outcomes[other].counted
        return [(a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())]


def lines(records: Records, architectures: Iterable[Architecture], label: str = "") -> list[Line]:
    """What is known of each; records of the label, else those without one."""
    trained: dict[tuple[str, str], dict[str, dict[float, dict[int, int]]]] = defaultdict(dict)
    refused: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    by_name = {it.name: it for it in architectures}
    for record in records.values():
        if record.architecture not in by_name or record.label not in {label, ""}:
            continue
        unit = record.architecture, record.recipe
        if record.ended in REFUSALS:
            refused[unit][record.label] = f"{record.ended}: {record.message}"
            continue
        case = by_name[record.architecture].case
        cap = case.steps
        if record.level != case.task.level:
            continue
        if record.rate is not None and record.is_enough(cap):
            rates = trained[unit].setdefault(record.label, {})
            rates.setdefault(record.rate, {})[record.seed] = steps_of(record, cap)
    found = []
    for name, architecture in by_name.items():
        cap = architecture.case.steps
        outcomes: dict[str, Outcome] = {}
        refusals: dict[str, str] = {}
        for unit in sorted(trained.keys() | refused.keys()):
            if unit[0] != name:
                continue
            of = label if label in {*trained[unit], *refused[unit]} else ""
            if of in refused[unit]:
                refusals[unit[1]] = refused[unit][of]
            elif of in trained[unit]:
                rate = best_rate(trained[unit][of])
                outcomes[unit[1]] = Outcome(rate, trained[unit][of][rate], cap)
        if outcomes or refusals:
            found.append(Line(name, architecture.is_deep_plain, outcomes, refusals))
    return found


def _number(value: float | None, form: str = "{:.2f}") -> str:
    return "" if value is None else form.format(value)


def table(found: Sequence[Line]) -> str:
    """A row for each architecture, the worst for auto first."""
    head = "architecture | default | auto | lsuv | best named | default / auto | p worse"
    rows = [
        f"| {head} | best named / auto |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]

    def told(line: Line, recipe: str) -> str:
        if recipe in line.outcomes:
            return str(line.outcomes[recipe])
        return line.refusals[recipe].partition(":")[0] if recipe in line.refusals else ""

    for line in sorted(found, key=lambda it: -1 if it.ratio is None else it.ratio):
        best = line.best_named
        named = f"{line.outcomes[best]} {best}" if best else ""
        p = line.worse("auto", "default")
        mark = " **worse**" if p is not None and p < NOISE else ""
        rows.append(
            f"| {line.architecture} | {told(line, 'default')} | {told(line, 'auto')} | "
            f"{told(line, 'lsuv')} | {named} | {_number(line.ratio)} | "
            f"{_number(p, '{:.3f}')}{mark} | {_number(line.against(best))} |"
        )
    return "\n".join(rows)


def _geometric(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan


def _share(part: Sequence[object], whole: Sequence[object]) -> str:
    return f"{len(part)} of {len(whole)}"


def summary(found: Sequence[Line]) -> str:
    """Each goal, what was measured, and the architectures that miss it."""
    both = [it for it in found if it.ratio is not None]
    rows = ["| goal | measured | holds | not so |", "| --- | --- | --- | --- |"]

    def goal(text: str, measured: str, holds: bool | None, misses: Iterable[Line] = ()) -> None:
        names = ", ".join(it.architecture for it in misses)
        told = "untold" if holds is None else "yes" if holds else "no"
        rows.append(f"| {text} | {measured} | {told} | {names} |")

    refused = [it for it in found if "auto" in it.refusals]
    applies = [it for it in found if "auto" in it.outcomes]
    goal("auto applies to every architecture", _share(applies, [*applies, *refused]),
         not refused, refused)  # fmt: skip
    if not both:
        return "\n".join(rows)
    tested = [it for it in both if it.seeds >= FEWEST]
    worse = [it for it in both if (it.worse("auto", "default") or 1) < NOISE]
    slower = [it for it in both if (it.ratio or 0) < 1]
    goal("never worse than the default beyond noise (p < .05)",
         f"worse in {_share(worse, both)}; slower at all in {len(slower)}; a test in "
         f"{len(tested)}, for it takes {FEWEST} seeds",
         not worse if len(tested) == len(both) else None, worse)  # fmt: skip
    better = [it for it in both if (it.ratio or 0) > 1]
    beyond = [it for it in both if (it.worse("default", "auto") or 1) < NOISE]
    goal("better than the default in at least half",
         f"{_share(better, both)}; beyond noise {len(beyond)}",
         len(better) >= len(both) / 2)  # fmt: skip
    hopeless = [it for it in both if it.deep and not it.outcomes["default"].trains]
    missed = [it for it in hopeless if not it.outcomes["auto"].trains]
    goal("trains every deep plain network that the default cannot",
         _share([it for it in hopeless if it not in missed], hopeless), not missed,
         missed)  # fmt: skip
    ordinary = [it.ratio or 0 for it in both if it.outcomes["default"].trains]
    if ordinary:
        speed = statistics.median(ordinary)
        goal(f"median speed-up of at least {SPEED_UP} where the default trains",
             f"{speed:.2f}x over {len(ordinary)}; geometric mean {_geometric(ordinary):.2f}x",
             speed >= SPEED_UP)  # fmt: skip
    named = [(it, it.against(it.best_named) or 0) for it in both if it.best_named]
    if named:
        close = [it for it, ratio in named if ratio * CLOSE >= 1]
        beyond = [it for it, _ in named if (it.worse("auto", str(it.best_named)) or 1) < NOISE]
        mean = _geometric([ratio for _, ratio in named])
        measured = f"{_share(close, named)}; slower beyond noise in {len(beyond)}; geometric mean"
        goal("within 5% of the best named recipe, chosen in hindsight",
             f"{measured} of best named / auto {mean:.2f}", len(close) == len(named),
             [it for it, _ in named if it not in close])  # fmt: skip
    return "\n".join(rows)


def ranking(found: Sequence[Line]) -> str:
    """Each recipe where it applies: architectures it trains, and its speed against the default."""
    recipes = sorted({name for it in found for name in it.outcomes})
    rows = ["| recipe | applies to | trains | geometric mean of default / it |",
            "| --- | ---: | ---: | ---: |"]  # fmt: skip
    for recipe in recipes:
        having = [it for it in found if recipe in it.outcomes and "default" in it.outcomes]
        ratios = [
            it.outcomes["default"].median / it.outcomes[recipe].median for it in having
        ]  # fmt: skip
        trains = [it for it in having if it.outcomes[recipe].trains]
        rows.append(f"| {recipe} | {len(having)} | {len(trains)} | {_geometric(ratios):.2f} |")
    return "\n".join(rows)


def show(records: Records, chosen: Sequence[Architecture], label: str = "") -> None:
    """Print the table, the goals and the ranking."""
    found = lines(records, chosen, label)
    print(table(found), summary(found), ranking(found), sep="\n\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommend.verdict")
    parser.add_argument("--only", nargs="+", default=["*"], help="names, as patterns")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where trainings are kept")
    parser.add_argument("--label", default="", help="of the run; others count where it has none")
    options = parser.parse_args()
    show(read(options.json), matching(*options.only), options.label)


if __name__ == "__main__":
    main()
