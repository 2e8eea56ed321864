"""Label every case by training: python -m benchmarks.corpus [--only PATTERN] [--again]."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatch

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.corpus.case import Case
from benchmarks.corpus.cases import MODULES, gathered
from benchmarks.corpus.labels import Labels, keep, label, read, reasons, slower
from benchmarks.corpus.training import outcome


def run(cases: Iterable[Case], *, again: bool, console: Console) -> None:
    """Label the cases that have no label yet, or all; Ctrl-C keeps what is done."""
    known = read()
    todo = [case for case in cases if again or case.name not in known]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("labelling", total=len(todo))
            for case in todo:
                progress.update(bar, description=case.name)
                keep(case.name, outcome(case))
                progress.advance(bar)
    except KeyboardInterrupt:
        console.print("stopped; what is labelled is kept")


def show(cases: Iterable[Case], labels: Labels, console: Console) -> None:
    """Counts, and the cases where training does not say what was meant."""
    known = [case for case in cases if case.name in labels]
    counts = Counter((case.fault or "none", label(case, labels)) for case in known)
    table = Table("planted", "label", "cases", title="labels by training")
    for (fault, found), count in sorted(counts.items()):
        table.add_row(fault, found, str(count))
    console.print(table)
    odd = Table("case", "planted", "label", "steps", "x sibling", "stays", "least share")
    for case in known:
        found = label(case, labels)
        if found in {"healthy", "faulty"}:
            continue
        one, ratio = labels[case.name], slower(case, labels)
        shares = [it["share"] for it in one["runs"] if it["share"] is not None]
        odd.add_row(
            case.name,
            case.fault or "",
            found,
            str(one["steps"] or "never"),
            f"{ratio:.2f}" if ratio else "",
            "" if one["persistent"] is None else f"{one['persistent']:.2f}",
            f"{min(shares):.3f}" if shares else "",
        )
    console.print(odd)


def listed(cases: Iterable[Case], labels: Labels, console: Console) -> None:
    """Every labelled case, with the reasons."""
    table = Table("case", "planted", "label", "steps", "first", "why")
    for case in cases:
        if case.name not in labels:
            continue
        one = labels[case.name]
        first = one["runs"][0]["first"]
        table.add_row(
            case.name,
            case.fault or "",
            label(case, labels),
            str(one["steps"] or "never"),
            "not finite" if first is None else f"{first:.3g}",
            ", ".join(reasons(case, labels)) if case.fault else "",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--only", default="*", help="names of cases, as a pattern")
    parser.add_argument("--again", action="store_true", help="label what has a label, too")
    parser.add_argument("--all", action="store_true", help="show every case, not the odd ones")
    parser.add_argument("--modules", nargs="*", default=MODULES, help="modules that hold cases")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    cases = gathered(tuple(arguments.modules))
    chosen = [case for case in cases if fnmatch(case.name, arguments.only)]
    run(chosen, again=arguments.again, console=console)
    labels = read()
    if arguments.all:
        listed(chosen, labels, console)
    show(chosen, labels, console)


if __name__ == "__main__":
    main()
