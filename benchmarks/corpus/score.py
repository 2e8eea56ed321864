"""How well ``fanin.check`` tells the corpus apart: ``python -m benchmarks.corpus.score``."""

from __future__ import annotations

import argparse
import time
import traceback
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch

import torch
from rich.console import Console
from rich.progress import track

import fanin
from benchmarks.corpus.case import Case, built
from benchmarks.corpus.cases import gathered
from benchmarks.corpus.labels import Labels, label, read

SEED = 0


@dataclass(frozen=True)
class Judged:
    """What a check said of one case."""

    case: Case
    label: str
    report: fanin.Report | None
    error: str = ""

    @property
    def is_told(self) -> bool:
        return self.report is not None and self.report.verdict != "healthy"

    @property
    def kind_is_right(self) -> bool:
        kinds = {self.case.fault, *self.case.also}
        return bool(self.report and self.report.findings and self.report.findings[0].kind in kinds)

    @property
    def place_is_right(self) -> bool:
        """The first finding names a place that is at fault, or what is inside or around it."""
        if not self.report or not self.report.findings:
            return False
        return any(
            _is_at(name, pattern)
            for name in self.report.findings[0].where
            for pattern in self.case.where
        )


def _is_at(name: str, pattern: str) -> bool:
    parts = pattern.split(".")
    owner = ".".join(parts[:-1])
    return (
        fnmatch(name, pattern)
        or fnmatch(name, f"{pattern}.*")
        or bool(owner and fnmatch(name, owner))
    )


def judged(case: Case, labels: Labels, seed: int = SEED) -> Judged:
    """Build the case and check it."""
    model = built(case, seed)
    model.train()
    inputs, targets = case.task.batch(seed + 77, case.check_size or case.task.size)
    name = label(case, labels)
    try:
        if case.loss:
            report = fanin.check(model, inputs, targets, loss=case.task.loss)
        else:
            report = fanin.check(model, inputs)
    except Exception:  # noqa: BLE001 - a check must not raise; that is a result too
        return Judged(case, name, None, traceback.format_exc(limit=-3))
    return Judged(case, name, report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    labels = read()
    console = Console(width=160, highlight=False)
    start = time.perf_counter()
    chosen = [
        case for case in gathered() if fnmatch(case.name, options.only) and case.name in labels
    ]
    results = [judged(case, labels, options.seed) for case in track(chosen, "checking")]
    for one in results:
        wrong = (
            one.report is None
            or (one.label == "healthy" and one.is_told)
            or (one.label == "faulty" and not (one.kind_is_right and one.place_is_right))
            or (one.label == "harmless" and one.report.verdict == "broken")
        )
        if wrong or options.verbose:
            _tell(one, console)
    _count(results, console)
    console.print(f"{len(results)} checks in {time.perf_counter() - start:.0f} s")


def _tell(one: Judged, console: Console) -> None:
    console.print(f"{one.label:9} {one.case.name}  planted {one.case.fault} at {one.case.where}")
    if one.report is None:
        console.print(f"          raised: {one.error}", markup=False)
        return
    if not one.report.findings:
        console.print(f"          nothing found, trainability {one.report.trainability:.2f}")
    for finding in one.report.findings:
        console.print(
            f"          {finding.severity} {finding.kind} at {', '.join(finding.where[:3])}: "
            f"{finding.evidence}",
            markup=False,
        )


def _count(results: list[Judged], console: Console) -> None:
    healthy = [one for one in results if one.label == "healthy"]
    faulty = [one for one in results if one.label == "faulty"]
    harmless = [one for one in results if one.label == "harmless"]
    found = [one for one in faulty if one.is_told]

    def share(part: int, whole: int) -> str:
        return f"{part} of {whole}" + (f" ({part / whole:.1%})" if whole else "")

    def verdicts(group: list[Judged], verdict: str) -> int:
        return sum(1 for one in group if one.report and one.report.verdict == verdict)

    console.print(f"detected          {share(len(found), len(faulty))}")
    console.print(f"right kind first  {share(sum(o.kind_is_right for o in found), len(found))}")
    console.print(f"right place       {share(sum(o.place_is_right for o in found), len(found))}")
    console.print(f"false errors      {share(verdicts(healthy, 'broken'), len(healthy))}")
    console.print(f"false warnings    {share(verdicts(healthy, 'warning'), len(healthy))}")
    console.print(f"harmless: errors  {share(verdicts(harmless, 'broken'), len(harmless))}")
    console.print(f"undecided         {sum(1 for one in results if one.label == 'undecided')}")


if __name__ == "__main__":
    main()
