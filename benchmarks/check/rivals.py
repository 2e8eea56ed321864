"""What four checkers say of the same networks: ``python -m benchmarks.check.rivals``.

Install the others first (``pip install -e '.[rivals]'``). The twelve networks are small
perceptrons and one LoRA, a fault in eleven; ``--sample 60`` takes networks of the corpus instead,
as many of each label, and ``--corpus`` all of them. Labels are by training
(``benchmarks/corpus``). How each tool is used: ``benchmarks/check/tools.py``.

A complaint is told from silence at "warning" and above. The place is right if at least half of
the names in the complaints of the worst level are in a layer at fault, inside or around one; the
cause is named if one of those complaints says it. A tool that raises or takes over a minute says
nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.check.tools import KINDS, LEVELS, TOOLS, Complaint, Level, Loss, Subject, spelled
from benchmarks.corpus.case import Case, built
from benchmarks.corpus.cases import gathered
from benchmarks.corpus.labels import label, read

SECONDS = 60
BAD = ("warning", "error")


class TimeIsUpError(BaseException):
    """Not an ``Exception``: tools catch those."""


@dataclass(frozen=True)
class Answer:
    """What one tool says of one network.

    Args:
        level: of the worst complaint.
        complaints: of that level, or all if none is a warning.
        seconds: of the call.
        failure: "timeout", or the exception that was raised.
        place: whether the place is right; None where nothing is planted or told.
        cause: whether the cause is named, likewise.
    """

    level: Level
    complaints: tuple[Complaint, ...]
    seconds: float
    failure: str = ""
    place: bool | None = None
    cause: bool | None = None

    @property
    def is_told(self) -> bool:
        return self.level in BAD


@dataclass(frozen=True)
class Row:
    """One network, and what each tool says of it."""

    case: Case
    label: str
    answers: dict[str, Answer]


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises in what takes longer."""

    def stop(*_: object) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def asked(tool: str, case: Case, seed: int) -> Answer:
    """Build the network anew and let the tool look at it."""
    model = spelled(built(case, seed)).train()
    inputs, targets = case.task.batch(seed + 77, case.check_size or case.task.size)
    loss = spelled_loss(case, targets)
    subject = Subject(model, inputs, targets, loss, given=case.loss, batched=case.wiring != "graph")
    suspects = at_fault(model, case.where)
    began = time.perf_counter()
    try:
        with limited(SECONDS):
            complaints = TOOLS[tool](subject)
    except TimeIsUpError:
        return Answer("healthy", (), SECONDS, "timeout")
    except Exception as error:  # noqa: BLE001 - that a tool raises is a result
        seconds = time.perf_counter() - began
        return Answer("healthy", (), seconds, f"{type(error).__name__}: {error}"[:200])
    seconds = time.perf_counter() - began
    level = max((one.level for one in complaints), key=LEVELS.index, default="healthy")
    worst = tuple(one for one in complaints if one.level == level)
    place = cause = None
    if case.fault is not None and level in BAD:
        place = is_right(model, suspects, {name for one in worst for name in one.names})
        cause = any(KINDS.get(one.kind, one.kind) == case.fault for one in worst)
    return Answer(level, worst, seconds, "", place, cause)


def spelled_loss(case: Case, targets: Any) -> Loss:
    """torch's own cross entropy where the case's loss is that: torchtest2 knows it by identity."""
    if not isinstance(targets, torch.Tensor) or targets.is_floating_point() or targets.ndim != 1:
        return case.task.loss
    probe = torch.randn(len(targets), 10, generator=torch.Generator().manual_seed(0))
    try:
        same = torch.equal(case.task.loss(probe, targets), cross_entropy(probe, targets))
    except (RuntimeError, IndexError, ValueError):
        same = False
    return cross_entropy if same else case.task.loss


def owners(model: nn.Module) -> dict[str, str]:
    """The module of each parameter and buffer, and each module itself."""
    found = {path: path for path, _ in model.named_modules()}
    for name, _ in chain(model.named_parameters(), model.named_buffers()):
        found[name] = name.rpartition(".")[0]
    return found


def at_fault(model: nn.Module, patterns: Iterable[str]) -> set[str]:
    """Modules that hold what the patterns of a case match."""
    places = owners(model)
    return {places[name] for name in places for pattern in patterns if fnmatch(name, pattern)}


def is_right(model: nn.Module, suspects: set[str], names: set[str]) -> bool:
    """At least half of the names are in a module at fault, inside or around one."""
    places = owners(model)
    told = [_layer(places.get(name, name)) for name in names]
    right = sum(any(_is_near(place, it) for it in suspects) for place in told)
    return bool(told) and 2 * right >= len(told)


def _layer(place: str) -> str:
    """An activation of a plain network stands for the layer before it."""
    return place.replace("activation.at.", "layers.")


def _is_near(one: str, other: str) -> bool:
    if not one or not other:
        return one == other
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def sampled(cases: Iterable[Case], labels: dict[str, str], count: int) -> list[Case]:
    """As many healthy, faulty and harmless cases, the faulty ones spread over the kinds."""
    chance = random.Random(0)
    chosen: list[Case] = []
    pool = sorted(cases, key=lambda case: case.name)
    chance.shuffle(pool)
    for wanted in ("healthy", "faulty", "harmless"):
        kinds: dict[str, list[Case]] = {}
        for case in pool:
            if labels.get(case.name) == wanted:
                kinds.setdefault(case.fault or "", []).append(case)
        spread = (case for turn in zip_longest(*kinds.values()) for case in turn if case)
        chosen.extend(case for case, _ in zip(spread, range(count // 3), strict=False))
    return sorted(chosen, key=lambda case: case.name)


def cell(answer: Answer) -> str:
    if answer.failure:
        return f"[red]{escape(answer.failure.split(':')[0])}[/]"
    if answer.level == "healthy":
        return "-"
    kinds = ", ".join(dict.fromkeys(one.kind for one in answer.complaints))
    place = " @" if answer.place else ""
    colour = {"error": "red", "warning": "yellow"}.get(answer.level, "dim")
    return f"[{colour}]{answer.level}[/] {escape(kinds)}{place}"


def table(rows: list[Row], tools: list[str]) -> Table:
    shown = Table(width=100, show_lines=True, caption="@ the place is right, - nothing is said")
    for heading in ("network", "label", *tools):
        shown.add_column(heading, overflow="fold")
    for row in rows:
        name = row.case.name.removeprefix("rival/")
        shown.add_row(name, row.label, *(cell(row.answers[tool]) for tool in tools))
    return shown


def summary(rows: list[Row], tools: list[str]) -> Table:
    """Counts for each tool."""
    faulty = [row for row in rows if row.label == "faulty"]
    healthy = [row for row in rows if row.label == "healthy"]
    harmless = [row for row in rows if row.label == "harmless"]

    def count(group: list[Row], tool: str, what: str) -> str:
        hits = sum(bool(getattr(row.answers[tool], what)) for row in group)
        return f"{hits} of {len(group)}"

    def levels(group: list[Row], tool: str, *wanted: str) -> str:
        return f"{sum(row.answers[tool].level in wanted for row in group)} of {len(group)}"

    lines = {
        "faulty: told": lambda tool: count(faulty, tool, "is_told"),
        "faulty: as an error": lambda tool: levels(faulty, tool, "error"),
        "faulty: right place": lambda tool: count(faulty, tool, "place"),
        "faulty: cause named": lambda tool: count(faulty, tool, "cause"),
        "healthy: false errors": lambda tool: levels(healthy, tool, "error"),
        "healthy: false warnings": lambda tool: levels(healthy, tool, "warning"),
        "harmless: errors": lambda tool: levels(harmless, tool, "error"),
        "harmless: warnings": lambda tool: levels(harmless, tool, "warning"),
        "raised or timed out": lambda tool: count(rows, tool, "failure"),
        "median seconds": lambda tool: (
            f"{statistics.median(row.answers[tool].seconds for row in rows):.3f}"
        ),
        "longest, seconds": lambda tool: f"{max(row.answers[tool].seconds for row in rows):.2f}",
    }
    shown = Table("", *tools, width=100)
    groups = {"faulty": faulty, "healthy": healthy, "harmless": harmless}
    for name, line in lines.items():
        if groups.get(name.partition(":")[0], rows):
            shown.add_row(name, *map(line, tools))
    return shown


def lessons(rows: list[Row], tools: list[str]) -> Iterator[str]:
    """Where fanin is wrong and another tool is not."""
    for row in rows:
        if "fanin" not in tools:
            return
        own = row.answers["fanin"]
        others = {tool: row.answers[tool] for tool in tools if tool != "fanin"}
        if row.label == "faulty" and not own.is_told:
            right = [tool for tool, it in others.items() if it.is_told]
        elif row.label == "faulty" and not own.place:
            right = [tool for tool, it in others.items() if it.place]
        elif row.label == "healthy" and own.is_told:
            right = [tool for tool, it in others.items() if not it.is_told and not it.failure]
        else:
            continue
        if right:
            yield f"{row.label} {row.case.name}: fanin {own.level}; right: {', '.join(right)}"


def record(row: Row, versions: dict[str, str]) -> dict[str, Any]:
    return {
        "name": row.case.name, "fault": row.case.fault, "where": row.case.where,
        "label": row.label, "versions": versions,
        "answers": {tool: asdict(answer) for tool, answer in row.answers.items()},
    }  # fmt: skip


def installed(wanted: list[str]) -> dict[str, str]:
    """Versions of the tools that are there."""
    found = {}
    for tool in wanted:
        try:
            found[tool] = version(tool)
        except PackageNotFoundError:
            print(f"{tool} is not installed: pip install -e '.[rivals]'", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check.rivals", description=__doc__)
    parser.add_argument("--corpus", action="store_true", help="all labelled cases of the corpus")
    parser.add_argument("--sample", type=int, default=0, help="so many cases of the corpus")
    parser.add_argument("--only", default="*", help="names of cases, as a pattern")
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), choices=list(TOOLS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write every answer to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    versions = installed(options.tools)
    tools = list(versions)
    outcomes = read()
    whole = gathered()
    cases = [case for case in whole if fnmatch(case.name, options.only)]
    labels = {case.name: label(case, outcomes) for case in cases if case.name in outcomes}
    twelve = [case for case in cases if case.name.startswith("rival/")]
    chosen = [case for case in twelve if case.name in labels]
    if options.corpus or options.sample:
        others = [case for case in cases if case not in twelve and case.name in labels]
        chosen = sampled(others, labels, options.sample) if options.sample else others
    for tool in tools:
        asked(tool, whole[0], options.seed)  # what is loaded and compiled once
    console = Console(width=100, highlight=False)
    rows: list[Row] = []
    try:
        for index, case in enumerate(chosen):
            answers = {tool: asked(tool, case, options.seed) for tool in tools}
            rows.append(Row(case, labels[case.name], answers))
            if sys.stderr.isatty():
                print(f"\r{index + 1} of {len(chosen)} {case.name:60.60}", end="", file=sys.stderr)
            if options.json:
                text = json.dumps([record(row, versions) for row in rows], indent=1)
                options.json.write_text(text + "\n")
    except KeyboardInterrupt:
        console.print("stopped; what is done is shown")
    if not rows:
        console.print("no labelled case was chosen: python -m benchmarks.corpus labels them")
        return
    console.print(table(rows, tools))
    console.print(summary(rows, tools))
    for line in lessons(rows, tools):
        console.print(line, markup=False)
    console.print(", ".join(f"{tool} {it}" for tool, it in versions.items()))


if __name__ == "__main__":
    main()
