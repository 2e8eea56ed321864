"""``recommend`` on every model of the zoo: ``python -m benchmarks.recommend.zoo [--only PATTERN]``.

For each model a plan is made from one batch. Then it is drawn with another seed, and a pass with
another batch shows whether it holds:

- every parameter is prescribed, kept by design or listed as unmatched, once;
- the signal of each weight has an RMS within a factor of 2 of the row's prediction;
- gradients keep their scale with depth: the largest over the smallest RMS among the output signals
  of one shape, without queries and keys, and without those that are exactly zero (behind a branch
  that starts at zero), against the same ratio at the model's own init.

Models are kept as they are done in a file of JSON lines, and a rerun goes on; ``--again`` starts
anew. ``--only 'timm/*'`` chooses, ``--every 10`` takes each tenth.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import statistics
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tests.zoo import subjects
from tests.zoo.torchvision_ops import declare
from torch import nn

import fanin
from benchmarks.recommend.workers import in_workers
from fanin.observation import Observation
from fanin.recipes import Plan

RESULTS = Path(__file__).with_name("zoo.jsonl")
FACTOR = 2.0
BOUNDS = (10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class Found:
    """One model.

    Args:
        name: of the subject.
        parameters: how many it has, each once.
        rows: of the plan.
        kept: by design.
        unmatched: names of those that the plan lists.
        astray: names of those that it does not name once.
        predicted: rows with a prediction and a signal that was seen.
        missed: of these, beyond the factor: (parameter, predicted, measured).
        steepest: largest over smallest gradient RMS among signals of one shape; None for none.
        own: the same at the model's own init.
        silent: output signals whose gradient is exactly zero.
        seconds: of ``recommend``.
        error: what was raised.
    """

    name: str
    parameters: int = 0
    rows: int = 0
    kept: int = 0
    unmatched: tuple[str, ...] = ()
    astray: tuple[str, ...] = ()
    predicted: int = 0
    missed: tuple[tuple[str, float, float], ...] = ()
    steepest: float | None = None
    own: float | None = None
    silent: int = 0
    seconds: float = 0.0
    error: str = ""


def looked_at(name: str) -> Found:
    """The plan of one model, and what a pass says of it."""
    (subject,) = (one for one in subjects() if one.name == name)
    try:
        torch.manual_seed(0)
        model, inputs = subject.build()
        torch.manual_seed(1)
        _, others = subject.build()
        own = fanin.observe(model, others)
        began = time.perf_counter()
        plan = fanin.recommend(model, inputs)
        seconds = time.perf_counter() - began
        plan.init_(model, seed=None if plan.seed is not None else 1, unmatched="keep")
        shown = fanin.observe(model, others)
    except Exception as error:  # noqa: BLE001 - a model that fails is a finding
        return Found(name, error=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    predicted, missed = against_predictions(plan, shown)
    return Found(
        name,
        len(list(model.parameters())),
        len(plan.rows),
        len(plan.kept),
        plan.unmatched,
        tuple(astray(plan, model)),
        predicted,
        missed,
        steepness(shown),
        steepness(own),
        sum(s.kind == "weight" and s.gradient is not None and s.gradient.rms == 0
            for s in shown.signals),
        seconds,
    )  # fmt: skip


def astray(plan: Plan, model: nn.Module) -> Iterable[str]:
    """Parameters that are not in exactly one part of the plan."""
    counts = Counter([*(row.parameter for row in plan.rows), *plan.kept, *plan.unmatched])
    names = {name for name, _ in model.named_parameters()}
    return sorted(name for name in names | counts.keys() if counts[name] != 1 or name not in names)


def against_predictions(
    plan: Plan, shown: Observation
) -> tuple[int, tuple[tuple[str, float, float], ...]]:
    """How many predictions could be judged, and those that are beyond the factor."""
    signals = {signal.name: signal for signal in shown.signals}
    count = 0
    missed: list[tuple[str, float, float]] = []
    for row in plan.rows:
        uses = [
            use
            for use in shown.uses_of(row.parameter)
            if use.role in {"weight", "table"} and use.signal in signals
        ]
        if row.predicted is None or not uses:
            continue
        count += 1
        measured = signals[str(uses[0].signal)].forward.rms
        if not _is_near(measured, row.predicted):
            missed.append((row.parameter, row.predicted, measured))
    return count, tuple(missed)


def _is_near(measured: float, predicted: float) -> bool:
    if measured == predicted:
        return True
    if not (measured > 0 and predicted > 0 and math.isfinite(measured)):
        return False
    return abs(math.log(measured / predicted)) <= math.log(FACTOR) + 1e-9


def steepness(shown: Observation) -> float | None:
    """The largest ratio of gradient RMS between output signals of weights of one shape."""
    found: dict[tuple[int, ...], list[float]] = defaultdict(list)
    signals = {signal.name: signal for signal in shown.signals}
    for use in shown.uses:
        signal = signals.get(use.signal or "")
        if signal is None or signal.gradient is None or use.role != "weight":
            continue
        if use.attention in {"query", "key"}:
            continue
        if signal.gradient.rms > 0 and math.isfinite(signal.gradient.rms):
            found[signal.shape].append(signal.gradient.rms)
    ratios = [max(values) / min(values) for values in found.values() if len(values) > 1]
    return max(ratios, default=None)


def quiet() -> None:
    """What each process sets first."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    declare()


def read(path: Path) -> dict[str, Found]:
    """What is known of each model; a line that a crash cut off is left out."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            one = json.loads(line)
        except json.JSONDecodeError:
            continue
        for name in ("unmatched", "astray"):
            one[name] = tuple(one[name])
        one["missed"] = tuple(tuple(it) for it in one["missed"])
        found[one["name"]] = Found(**one)
    return found


def _quantiles(values: Sequence[float]) -> str:
    if len(values) < 2:
        return ", ".join(f"{value:.3g}" for value in values)
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return f"median {cuts[9]:.3g}, 95% {cuts[18]:.3g}, largest {max(values):.3g}"


def summary(found: Sequence[Found]) -> str:
    """Counts of models that hold, as markdown."""
    good = [it for it in found if not it.error]
    rows = ["| what holds | models |", "| --- | --- |"]

    def count(text: str, holds: Iterable[object]) -> None:
        rows.append(f"| {text} | {len(list(holds))} of {len(good)} |")

    rows.append(f"| a plan is made and runs | {len(good)} of {len(found)} |")
    count("every parameter prescribed, kept or listed", (it for it in good if not it.astray))
    count("none listed as unmatched", (it for it in good if not it.unmatched))
    judged = sum(it.predicted for it in good)
    missed = sum(len(it.missed) for it in good)
    count(f"every prediction within a factor of {FACTOR:g}", (it for it in good if not it.missed))
    rows.append(f"| predictions within that factor | {judged - missed} of {judged} |")
    for bound in BOUNDS:
        text = f"gradients of one shape within a factor of {bound:g}"
        count(text, (it for it in good if (it.steepest or 1) <= bound))
        own = sum((it.own or 1) <= bound for it in good)
        rows.append(f"| the same at the model's own init | {own} of {len(good)} |")
    for text, values in (
        ("ratio of gradients", [it.steepest for it in good if it.steepest]),
        ("ratio of gradients at the own init", [it.own for it in good if it.own]),
        ("seconds of recommend", [it.seconds for it in good]),
    ):
        rows.append(f"| {text} | {_quantiles(values)} |")
    return "\n".join(rows)


def troubles(found: Sequence[Found], count: int) -> str:
    """The models that hold least, one line for each."""
    said = []
    for it in found:
        if it.error:
            said.append(f"{it.name}: {it.error}")
        if it.astray:
            said.append(f"{it.name}: not once in the plan: {', '.join(it.astray[:5])}")
        if it.unmatched:
            said.append(f"{it.name}: {len(it.unmatched)} unmatched, e.g. {it.unmatched[0]}")
        if it.missed:
            name, predicted, measured = max(it.missed, key=_distance)
            said.append(
                f"{it.name}: {len(it.missed)} of {it.predicted} predictions missed; {name} is to "
                f"have {predicted:.3g} and has {measured:.3g}"
            )
    steep = sorted(found, key=lambda it: -(it.steepest or 0))[:count]
    said += [
        f"{it.name}: gradients differ by {it.steepest:.3g}, at the own init {it.own or 1:.3g}"
        for it in steep
        if it.steepest and it.steepest > BOUNDS[1]
    ]
    return "\n".join(f"- {line}" for line in said)


def _distance(missed: tuple[str, float, float]) -> float:
    _, predicted, measured = missed
    if not (predicted > 0 and measured > 0 and math.isfinite(measured)):
        return math.inf
    return abs(math.log(measured / predicted))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommend.zoo")
    parser.add_argument("--only", nargs="+", default=["*"], help="names, as patterns")
    parser.add_argument("--every", type=int, default=1, help="take each n-th of them")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where models are kept")
    parser.add_argument("--again", action="store_true", help="look at what is known, too")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names = [s.name for s in subjects() if any(fnmatch(s.name, it) for it in options.only)]
    names = names[:: options.every]
    known = {} if options.again else read(options.json)
    todo = [name for name in names if name not in known or known[name].error]

    def keep(_: str, one: Any) -> None:
        with options.json.open("a") as file:
            file.write(json.dumps(asdict(one)) + "\n")

    tasks = {name: partial(looked_at, name) for name in todo}
    is_done = in_workers(tasks, options.workers, quiet, keep, "models", options.json)
    found = read(options.json)
    chosen = [found[name] for name in names if name in found]
    print(summary(chosen), troubles(chosen, 20), sep="\n\n")
    return 0 if is_done else 130


if __name__ == "__main__":
    sys.exit(main())
