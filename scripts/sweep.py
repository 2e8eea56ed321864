"""Observe every model of the zoo, and write what was understood of each and what it cost."""

from __future__ import annotations

import argparse
import fnmatch
import gc
import importlib.util
import shlex
import statistics
import sys
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.zoo import Subject, call, scalar, subjects  # noqa: E402

OUTPUT = ROOT / "docs" / "coverage.md"
GROUPS = {"nn": "torch.nn", "plain": "plain torch", "timm": "timm", "hf": "Hugging Face"}
SEED = 0
PLAIN_RUNS, OBSERVED_RUNS = 3, 2
LEAST_SHARE = 0.995


@dataclass
class Row:
    """What was found of one subject. Parameters count once under all their names."""

    subject: Subject
    parameters: int = 0
    matched: int = 0
    unmatched: list[tuple[str, str]] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    plain_seconds: float | None = None
    seconds: float | None = None
    traces: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def group(self) -> str:
        return GROUPS[self.subject.name.partition("/")[0]]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    chosen = [s for s in subjects() if fnmatch.fnmatch(s.name, options.only)]
    if not chosen:
        print(f"No subject is called {options.only!r}; try 'timm/*'.", file=sys.stderr)
        return 2
    quiet()
    torch.set_num_threads(1)  # most models are too small for more, and times are steadier
    rows: list[Row] = []
    interrupted = False
    try:
        sweep(chosen, rows, observing=not options.plain)
    except KeyboardInterrupt:
        interrupted = True
    page = report(rows, len(chosen), options)
    target = options.output or (OUTPUT if options.only == "*" and not options.plain else None)
    if target is None:
        print(page)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page + "\n", encoding="utf-8")
        print(f"{len(rows)} models: {target}")
    if interrupted:
        return 130
    errors = any(row.error for row in rows)
    low = not options.plain and share(rows) < LEAST_SHARE
    return int(errors or low)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", metavar="PATTERN", default="*", help="subjects by name, such as 'timm/*'"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help=f"where the table goes ({OUTPUT.relative_to(ROOT)}; the terminal for a part)",
    )
    parser.add_argument("--plain", action="store_true", help="only run the models, observe none")
    return parser.parse_args(arguments)


def quiet() -> None:
    """What the libraries say about odd configurations is not about what is measured."""
    warnings.simplefilter("ignore")
    from transformers.utils import logging

    logging.set_verbosity_error()


def sweep(chosen: Sequence[Subject], rows: list[Row], *, observing: bool) -> None:
    """Add a row for each subject that was finished."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description:<40}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with progress:
        task = progress.add_task("", total=len(chosen))
        for subject in chosen:
            progress.update(task, description=subject.name)
            row = Row(subject)
            try:
                measure(row, observing=observing)
            except Exception as error:  # noqa: BLE001 - whatever it is, the sweep reports it
                row.error = described(error)
            rows.append(row)
            progress.advance(task)
            gc.collect()


def measure(row: Row, *, observing: bool) -> None:
    torch.manual_seed(SEED)
    model, inputs = row.subject.build()
    names = names_by_parameter(model)
    row.parameters = len(names)

    def plainly() -> None:
        scalar(call(model, inputs)).backward()
        model.zero_grad(set_to_none=True)

    plainly()
    row.plain_seconds = median_seconds(plainly, PLAIN_RUNS)
    if not observing:
        return

    from fanin.observation import observe

    taking = snapshots()
    before = taking.snapshot(model) if taking else None
    began = time.perf_counter()
    observation = observe(model, inputs)
    seconds = [time.perf_counter() - began]
    if taking:
        row.traces = taking.differences(before, taking.snapshot(model))
    count(row, names, observation)
    for _ in range(OBSERVED_RUNS - 1):
        began = time.perf_counter()
        observe(model, inputs)
        seconds.append(time.perf_counter() - began)
    row.seconds = statistics.median(seconds)


def names_by_parameter(model: nn.Module) -> list[tuple[str, ...]]:
    """The names of each parameter; a tied one has several."""
    found: dict[int, list[str]] = defaultdict(list)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found[id(parameter)].append(name)
    return [tuple(names) for names in found.values()]


def count(row: Row, names: Iterable[tuple[str, ...]], observation: Any) -> None:
    """A parameter is matched if it has a use and none that was not understood."""
    used = {name for use in observation.uses for name in use.names}
    unmatched = {record.parameter: record.op for record in observation.unmatched}
    unused = set(observation.unused)
    for of_one in names:
        ops = [str(unmatched[name]) for name in of_one if name in unmatched]
        if ops:
            row.unmatched.append((of_one[0], ops[0]))
        elif not used.isdisjoint(of_one):
            row.matched += 1
        elif not unused.isdisjoint(of_one):
            row.unused.append(of_one[0])
        else:
            row.unmatched.append((of_one[0], "in no record"))


def median_seconds(run: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def snapshots() -> Any:
    """The tests' own comparison of a model before and after, where it is installed."""
    if importlib.util.find_spec("tests.observation") is None:
        return None
    if importlib.util.find_spec("tests.observation.snapshot") is None:
        return None
    from tests.observation import snapshot

    return snapshot


def described(error: Exception) -> str:
    """One line: what was raised, and where."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        place = f"{Path(frame.filename).name}:{frame.lineno}"
    message = " ".join(str(error).split())
    message = message if len(message) <= 200 else f"{message[:200]}..."
    return f"{type(error).__name__} at {place}: {message}"


# The page


def report(rows: Sequence[Row], wanted: int, options: argparse.Namespace) -> str:
    lines = [*header(rows, wanted, options), ""]
    groups = [group for group in GROUPS.values() if any(row.group == group for row in rows)]
    lines += totals(rows, groups)
    lines += exceptions(rows)
    if not options.plain:
        lines += section(
            "Not understood",
            "The operation is the first on the parameter's way that no rule reads.",
            (
                f"- {row.subject.name}: `{name}` by `{op}`"
                for row in rows
                for name, op in row.unmatched
            ),
        )
        lines += section(
            "Traces",
            "What of the model, of the modes of torch or of its generators was not as before.",
            (f"- {row.subject.name}: {cell(trace)}" for row in rows for trace in row.traces),
        )
    for group in groups:
        lines += table(group, [row for row in rows if row.group == group])
    return "\n".join(lines).rstrip()


def header(rows: Sequence[Row], wanted: int, options: argparse.Namespace) -> list[str]:
    command = ["scripts/sweep.py"]
    if options.only != "*":
        command += ["--only", options.only]
    if options.plain:
        command.append("--plain")
    written = "make sweep" if len(command) == 1 else ".venv/bin/python " + shlex.join(command)
    versions = ", ".join(f"{name} {installed(name)}" for name in ("torch", "timm", "transformers"))
    lines = [
        "# Coverage of `fanin.observe`",
        "",
        f"Written by `{written}` with {versions}.",
        "",
        (
            "Each model of `tests/zoo` is built from its config with random weights and observed "
            "once in train mode. A parameter is matched if its uses were found and understood, and "
            "not used if no output depends on it in this pass (an expert that no token chose, a "
            "layer that does not run); the share leaves those out. Seconds are of one observation "
            "on one thread, the median of two; the ratio is to one plain forward and backward "
            "pass, the median of three. What takes milliseconds is mostly overhead of Python."
        ),
    ]
    if len(rows) < wanted:
        lines += ["", f"Interrupted: {len(rows)} of {wanted} models were finished."]
    return lines


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(absent)"


def totals(rows: Sequence[Row], groups: Sequence[str]) -> list[str]:
    lines = [
        (
            "| group | models | families | parameters | matched | unmatched | not used | share "
            "| plain s | observed s | ratio of sums | median ratio | errors | with traces |"
        ),
        "| --- " + "| ---: " * 13 + "|",
    ]
    parts = [(group, [row for row in rows if row.group == group]) for group in groups]
    for name, part in [*parts, ("all", list(rows))]:
        plain = sum(row.plain_seconds or 0 for row in part)
        observed = sum(row.seconds or 0 for row in part)
        ratios = [ratio for row in part if (ratio := overhead(row)) is not None]
        cells = [
            name,
            len(part),
            len({(row.group, row.subject.family) for row in part}),
            sum(row.parameters for row in part),
            sum(row.matched for row in part),
            sum(len(row.unmatched) for row in part),
            sum(len(row.unused) for row in part),
            f"{share(part):.2%}",
            f"{plain:.1f}",
            f"{observed:.1f}",
            f"{observed / plain:.1f}" if ratios else "",
            f"{statistics.median(ratios):.1f}" if ratios else "",
            sum(row.error is not None for row in part),
            sum(bool(row.traces) for row in part),
        ]
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return [*lines, ""]


def share(rows: Sequence[Row]) -> float:
    """Of the parameters on which an output depends, those that were matched."""
    matched = sum(row.matched for row in rows)
    judged = matched + sum(len(row.unmatched) for row in rows)
    return matched / judged if judged else 0.0


def overhead(row: Row) -> float | None:
    if row.seconds is None or not row.plain_seconds:
        return None
    return row.seconds / row.plain_seconds


def exceptions(rows: Sequence[Row]) -> list[str]:
    found = (f"- {row.subject.name}: {cell(row.error)}" for row in rows if row.error)
    return section("Exceptions", None, found)


def section(title: str, about: str | None, entries: Iterable[str]) -> list[str]:
    listed = list(entries) or ["None."]
    return [f"## {title}", "", *([about, ""] if about else []), *listed, ""]


def table(group: str, rows: Iterable[Row]) -> list[str]:
    lines = [
        f"## {group[0].upper() + group[1:] if group.startswith('plain') else group}",
        "",
        "| subject | parameters | matched | unmatched | not used | seconds | ratio |",
        "| --- " + "| ---: " * 6 + "|",
    ]
    for row in rows:
        seconds = row.plain_seconds if row.seconds is None else row.seconds
        ratio = overhead(row)
        cells = [
            row.subject.name.partition("/")[2],
            row.parameters,
            row.matched,
            len(row.unmatched),
            len(row.unused),
            "" if seconds is None else f"{seconds:.3f}",
            "error" if row.error else "" if ratio is None else f"{ratio:.1f}",
        ]
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return [*lines, ""]


def cell(text: object) -> str:
    """Text that Markdown leaves alone."""
    return str(text).replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    sys.exit(main())
