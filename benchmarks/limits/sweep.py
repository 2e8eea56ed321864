"""Dose -> networks -> what the diagnosis measures -> does it learn, and how soon.

A script gives sweeps and the limits that they judge to ``run``. Each network is trained at every
setting of the corpus; a setting may take no more steps than the best before it, so that the
fewest steps to the level are exact. Slowdown is these steps over those of the same network and
seed at the first dose, which is healthy.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.corpus.case import Case, Task, built
from benchmarks.corpus.training import SETTINGS, trained
from fanin import observe
from fanin.diagnosis.checkup import report_on
from fanin.diagnosis.finding import Limit
from fanin.diagnosis.measures import Measures

FOLDER = Path(__file__).parent
_SLOW, _COSTLY = 2.0, 5.0  # slowdowns: a warning is worth it, and overdue
_NINE_OF_TEN = 0.9
_NEXT = 12  # networks just beyond a limit
_QUICK_STEPS = 50

Measure = Callable[[Measures], float | None]


@dataclass(frozen=True)
class Net:
    """One architecture: what it learns (at a dose, or always), and how it is built at a dose."""

    name: str
    task: Task | Callable[[float], Task]
    build: Callable[[float], nn.Module]

    def case(self, dose: float, steps: int) -> Case:
        task = self.task if isinstance(self.task, Task) else self.task(dose)
        return Case(self.name, "", "", 0, lambda: self.build(dose), task, steps=steps)


@dataclass(frozen=True)
class Sweep:
    """Networks along a dose.

    Args:
        name: of the fault, e.g. "reach".
        dose: what is varied, in words.
        quantity: what is measured, in words.
        doses: the first is healthy.
        nets: the architectures.
        measure: the quantity.
        steps: of training; four times those of the healthy network if that is more.
    """

    name: str
    dose: str
    quantity: str
    doses: tuple[float, ...]
    nets: tuple[Net, ...]
    measure: Measure
    steps: int = 80


@dataclass(frozen=True)
class Judge:
    """A limit and the sweeps that judge it.

    Args:
        limit: of the record.
        sweeps: their names.
        is_error: networks beyond it should fail; else they should be slow.
        small: what lies below the limit is beyond it.
        only: networks whose names hold one of these; "" for all.
        measure: another quantity than the sweeps', measured anew in the same networks.
        rival: a sweep whose networks, of the same doses, had the other of two causes mended: the
            limit holds if they need fewer steps beyond it, and no fewer before it.
    """

    limit: Limit
    sweeps: tuple[str, ...]
    is_error: bool = False
    small: bool = False
    only: tuple[str, ...] = ("",)
    measure: Measure | None = None
    rival: str = ""


@dataclass(frozen=True)
class Point:
    """One network: steps to the level (None: it fails) and the diagnosis' verdict."""

    dose: float
    net: str
    seed: int
    value: float | None
    steps: int | None
    slowdown: float
    verdict: str


def fewest_steps(net: Net, dose: float, seed: int, steps: int) -> int | None:
    """Steps to the level at the best setting; None if none learns."""
    best: int | None = None
    case = net.case(dose, steps)
    for optimizer, rate in SETTINGS:
        limit = steps if best is None else best - 1
        if limit < 5:
            break
        found = trained(replace(case, steps=limit), optimizer, rate, seed).steps_to_level
        best = found if found is not None else best
    return best


def measures_of(net: Net, dose: float, seed: int) -> Measures:
    case = net.case(dose, 0)
    inputs, targets = case.task.batch(10_007 + seed, case.task.size)
    return Measures(observe(built(case, seed).train(), inputs, targets, loss=case.task.loss))


def points(sweep: Sweep, *, quick: bool = False) -> list[Point]:
    """Train and measure; a network that fails at the first dose is an error of the script."""
    seeds = (0,) if quick else (0, 1)
    nets = sweep.nets[:2] if quick else sweep.nets
    doses = (*sweep.doses[:1], *sweep.doses[2:-1:3], sweep.doses[-1]) if quick else sweep.doses
    found = []
    for net in nets:
        for seed in seeds:
            healthy: int | None = None
            for dose in doses:
                measures = measures_of(net, dose, seed)
                allowed = _QUICK_STEPS if quick else max(sweep.steps, 4 * (healthy or 0))
                if healthy is None and not quick:
                    allowed *= 3
                steps = fewest_steps(net, dose, seed, allowed)
                if healthy is None:
                    if steps is None and not quick:
                        raise RuntimeError(f"{sweep.name}: {net.name} fails without a fault")
                    healthy = steps or _QUICK_STEPS
                slowdown = math.inf if steps is None else steps / healthy
                verdict = report_on(measures.observation).verdict
                value = sweep.measure(measures)
                found.append(Point(dose, net.name, seed, value, steps, slowdown, verdict))
    return found


@dataclass(frozen=True)
class Row:
    """What the networks of one dose showed: medians, and the range of the quantity."""

    dose: float
    value: float | None
    least: float | None
    most: float | None
    learn: float
    slowdown: float | None
    verdicts: str


def rows(found: Sequence[Point]) -> list[Row]:
    made = []
    for dose in dict.fromkeys(point.dose for point in found):
        own = [point for point in found if point.dose == dose]
        values = sorted(p.value for p in own if p.value is not None)
        counts = Counter(point.verdict for point in own)
        slow = statistics.median_high(point.slowdown for point in own)
        middle, least, most = (_rounded(value) for value in _spread(values))
        told = " ".join(f"{counts[k]} {k}" for k in ("healthy", "warning", "broken") if counts[k])
        slowdown = None if math.isinf(slow) else slow
        made.append(Row(dose, middle, least, most, _learn(own), slowdown, told))
    return made


@dataclass(frozen=True)
class Verdict:
    """What the sweeps say of one limit.

    Args:
        limit: of the record.
        said: the measured behaviour before and beyond it.
        held: it may stay where it is.
        mildest: the first value that would do; None where none would.
        latest: the last one.
    """

    limit: Limit
    said: str
    held: bool
    mildest: float | None
    latest: float | None

    @property
    def told(self) -> str:
        if self.mildest is None or self.latest is None:
            return "held" if self.held else "not held, and no other value would be"
        ends = f"{self.mildest:g} to {self.latest:g} would do"
        if self.held:
            return f"held ({ends})"
        value = self.limit.value
        nearest = min((self.mildest, self.latest), key=lambda end: abs(end - value))
        return f"to be moved to {nearest:.2g} ({ends})"


def verdict_of(
    judge: Judge, found: Mapping[str, Sequence[Point]], sweeps: Sequence[Sweep]
) -> Verdict:
    if judge.rival:
        return _attributed(judge, found[judge.sweeps[0]], found[judge.rival])
    own = [point for name in judge.sweeps for point in found[name]]
    if judge.measure is not None:
        nets = {net.name: net for one in sweeps if one.name in judge.sweeps for net in one.nets}
        own = [
            replace(one, value=judge.measure(measures_of(nets[one.net], one.dose, one.seed)))
            for one in own
        ]
    return judged(judge, [one for one in own if any(part in one.net for part in judge.only)])


def _attributed(judge: Judge, own: Sequence[Point], rival: Sequence[Point]) -> Verdict:
    """By dose: does it cost less to have the other cause mended?"""
    doses = sorted({point.dose for point in own} & {point.dose for point in rival})
    cost = {
        dose: [
            statistics.median_high(p.slowdown for p in points if p.dose == dose)
            for points in (own, rival)
        ]
        for dose in doses
    }
    wins = [dose for dose in doses if cost[dose][1] < cost[dose][0]]
    losses = [dose for dose in doses if cost[dose][1] >= cost[dose][0]]
    value = judge.limit.value
    latest = min(wins, default=math.inf)
    mildest = max((dose for dose in losses if dose < latest), default=0.0)
    told = ", ".join(f"{dose:g}: {cost[dose][0]:.2g} and {cost[dose][1]:.2g}" for dose in doses)
    said = f"slowdown with {judge.sweeps[0]} and with {judge.rival} at a growth of {told}"
    return Verdict(judge.limit, said, mildest <= value <= latest, mildest, latest)


def judged(judge: Judge, found: Sequence[Point]) -> Verdict:
    """Is a limit where the trouble begins?

    A warning holds if nine of ten networks before it learn in at most five times the steps, and
    those just beyond it need at least twice as many in the median. An error holds if nine of ten
    networks beyond it fail.
    """
    sign = -1.0 if judge.small else 1.0
    pairs = sorted(
        (sign * point.value, point.slowdown) for point in found if point.value is not None
    )
    test = _error_holds if judge.is_error else _warning_holds
    values = sorted({value for value, _ in pairs})
    good = [sign * value for value in values if test(*_parted(pairs, value))]
    before, beyond = _parted(pairs, sign * judge.limit.value)
    said = _said(judge, before, beyond)
    return Verdict(
        judge.limit, said, test(before, beyond),
        _rounded(good[0]) if good else None, _rounded(good[-1]) if good else None,
    )  # fmt: skip


Pairs = Sequence[tuple[float, float]]


def _parted(pairs: Pairs, limit: float) -> tuple[Pairs, Pairs]:
    return [p for p in pairs if p[0] < limit], [p for p in pairs if p[0] >= limit]


def _warning_holds(before: Pairs, beyond: Pairs) -> bool:
    if not beyond:
        return False
    good = sum(slowdown <= _COSTLY for _, slowdown in before)
    near = statistics.median(slowdown for _, slowdown in _nearest(beyond))
    return good >= _NINE_OF_TEN * len(before) and near >= _SLOW


def _nearest(beyond: Pairs) -> Pairs:
    """Those just beyond a limit, and all that tie with the last of them."""
    last = beyond[min(_NEXT, len(beyond)) - 1][0]
    return [pair for pair in beyond if pair[0] <= last]


def _error_holds(_: Pairs, beyond: Pairs) -> bool:
    failed = sum(math.isinf(slowdown) for _, slowdown in beyond)
    return bool(beyond) and failed >= _NINE_OF_TEN * len(beyond)


def _said(judge: Judge, before: Pairs, beyond: Pairs) -> str:
    kind = "error" if judge.is_error else "warning"
    parts = []
    slow = [slowdown for _, slowdown in beyond]
    if before:
        mild = sorted(slowdown for _, slowdown in before)
        tenth = mild[math.ceil(_NINE_OF_TEN * len(mild)) - 1]
        most = "some fail" if math.isinf(tenth) else f"slowdown at most {tenth:.2g} for nine of ten"
        parts.append(f"up to there {_share(mild)} learn, {most}")
    if beyond:
        near = [slowdown for _, slowdown in _nearest(beyond)]
        parts.append(
            f"beyond it {_share(slow)} learn, median slowdown {_median(slow)} "
            f"(just beyond: {_median(near)})"
        )
    else:
        parts.append("no network lies beyond it")
    failed = sum(math.isinf(slowdown) for _, slowdown in (*before, *beyond))
    parts.append(f"{sum(map(math.isinf, slow))} of all {failed} failures lie beyond")
    return f"{kind} limit {judge.limit.value:g}: {'; '.join(parts)}"


def _share(slowdowns: Sequence[float]) -> str:
    return f"{sum(map(math.isfinite, slowdowns)) / len(slowdowns):.0%} of {len(slowdowns)}"


def _median(slowdowns: Sequence[float]) -> str:
    value = statistics.median_high(slowdowns)
    return "fails" if math.isinf(value) else f"{value:.2g}"


def run(name: str, sweeps: Sequence[Sweep], judges: Sequence[Judge], what: str | None) -> None:
    """The command line of one script: train, print tables and limits, write ``name.json``."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--quick", action="store_true", help="few networks; writes nothing")
    parser.add_argument(
        "--only", action="append", help="a sweep to train; the others are as written before"
    )
    options = parser.parse_args()
    quick: bool = options.quick
    torch.set_num_threads(1)
    began = time.perf_counter()
    found: dict[str, list[Point]] = {}
    for sweep in sweeps:
        known = options.only and sweep.name not in options.only
        found[sweep.name] = read(name)[sweep.name] if known else points(sweep, quick=quick)
        print(table(sweep, rows(found[sweep.name])), flush=True)
    for judge in judges:
        verdict = verdict_of(judge, found, sweeps)
        print(f"{verdict.limit.name}: {verdict.said}; {verdict.told}")
    if not quick:
        write(name, sweeps, found)
    print(f"{time.perf_counter() - began:.0f} s")


def write(name: str, sweeps: Sequence[Sweep], found: Mapping[str, Sequence[Point]]) -> None:
    """One line a network, so that limits can be judged again without training."""
    parts = []
    for sweep in sweeps:
        lines = ",\n".join(json.dumps(_plain(point)) for point in found[sweep.name])
        parts.append(f'"{sweep.name}": [\n{lines}\n]')
    (FOLDER / f"{name}.json").write_text("{" + ",\n".join(parts) + "}\n")


def read(name: str) -> dict[str, list[Point]]:
    """What ``write`` wrote."""
    loaded = json.loads((FOLDER / f"{name}.json").read_text())
    return {
        sweep: [
            Point(dose, net, seed, value, steps, math.inf if slow is None else slow, verdict)
            for dose, net, seed, value, steps, slow, verdict in lines
        ]
        for sweep, lines in loaded.items()
    }


def _plain(point: Point) -> list[Any]:
    slowdown = None if math.isinf(point.slowdown) else round(point.slowdown, 2)
    return [
        _rounded(point.dose), point.net, point.seed, _rounded(point.value), point.steps, slowdown,
        point.verdict,
    ]  # fmt: skip


def table(sweep: Sweep, made: Sequence[Row]) -> str:
    lines = [
        f"\n{sweep.name}: {sweep.dose} -> {sweep.quantity}",
        f"{'dose':>9} {'measured':>10} {'least':>10} {'most':>10} {'learn':>6} {'slow':>6}  check",
    ]
    lines += [
        f"{row.dose:>9.3g} {_cell(row.value):>10} {_cell(row.least):>10} {_cell(row.most):>10} "
        f"{row.learn:>6.0%} {_cell(row.slowdown, 'fails'):>6}  {row.verdicts}"
        for row in made
    ]
    return "\n".join(lines)


def _cell(value: float | None, none: str = "-") -> str:
    return none if value is None else f"{value:.3g}"


def _learn(found: Sequence[Point]) -> float:
    return sum(point.steps is not None for point in found) / len(found)


def _spread(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    if not values:
        return None, None, None
    return statistics.median(values), values[0], values[-1]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
