"""Steps to a level of the loss, per architecture, recipe and seed, each at its best rate.

``python -m benchmarks.recommend.steps [--only PATTERN ...] [--recipes a,b] [--seeds N]``. Each
training ends at the level of its task, where it is slower than a better learning rate of the same
recipe, or at the cap of its architecture. All recipes see the same minibatches. Trainings are kept
as they end: after Ctrl-C or a crash, the same command goes on. ``--again`` trains anew what was
chosen; ``--label NAME`` keeps a run of other code beside it. In the end the verdict is printed.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.recommend.architectures import Architecture, architectures, matching
from benchmarks.recommend.records import REFUSALS, RESULTS, Record, append, read, write
from benchmarks.recommend.training import RATES, DoesNotApplyError, explored, prepared, trained
from benchmarks.recommend.verdict import show
from benchmarks.recommend.workers import in_workers

RECIPES = ("default", "auto", "lsuv", "he_normal", "xavier_normal", "orthogonal")
Unit = tuple[str, str]


def units(chosen: Sequence[Architecture], recipes: Sequence[str] | None) -> Iterator[Unit]:
    """Pairs of an architecture and a recipe, all recipes of an architecture in a row."""
    for architecture in chosen:
        for recipe in recipes or (*RECIPES, *architecture.named):
            yield architecture.name, recipe


def run(
    unit: Unit,
    seeds: Sequence[int],
    rates: Sequence[float],
    label: str,
    path: Path,
    old: Sequence[Record],
) -> int:
    """All trainings of one architecture and recipe but the old ones; returns how many."""
    architecture, recipe = unit
    case = architectures()[architecture].case
    level = case.task.level
    known = {record.key: record for record in old if record.level == level}
    count = 0

    @cache
    def model(seed: int) -> nn.Module:
        return prepared(case, recipe, seed)

    def train(rate: float, seed: int, most: int) -> Record:
        nonlocal count
        found = known.get((label, *unit, rate, seed))
        if found is not None and found.is_enough(most):
            return found
        one = trained(case, model(seed), rate, seed, most)
        record = Record(architecture, recipe, rate, seed, **one, level=level, label=label)
        append(path, record)
        known[record.key] = record
        count += 1
        return record

    try:
        explored(train, seeds, case.steps, rates)
    except DoesNotApplyError as error:
        message = str(error).splitlines()[0] if str(error) else ""
        append(path, Record(architecture, recipe, None, seeds[0], error.ended, message=message,
                            label=label))  # fmt: skip
        if error.ended == "failed" and error.__cause__ is not None:
            traceback.print_exception(error.__cause__, limit=-3, file=sys.stderr)
    return count


def quiet() -> None:
    """What each process sets first: one thread, for two of them share two cores."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


def run_all(
    todo: Sequence[Unit],
    seeds: Sequence[int],
    rates: Sequence[float],
    label: str,
    path: Path,
    workers: int,
) -> bool:
    """Whether all of it was done; what was trained is kept in any case."""
    known: dict[Unit, list[Record]] = {unit: [] for unit in todo}
    for record in read(path).values():
        unit = record.architecture, record.recipe
        if record.label == label and unit in known and record.rate is not None:
            known[unit].append(record)
    tasks = {
        " ".join(unit): partial(run, unit, seeds, rates, label, path, known[unit]) for unit in todo
    }  # fmt: skip
    return in_workers(tasks, workers, quiet, lambda *_: None, "trainings", path)


def forget(path: Path, chosen: Sequence[Unit], label: str) -> None:
    """Take the records of these units out of the file."""
    gone = {(label, *unit) for unit in chosen}
    write(path, [record for key, record in read(path).items() if key[:3] not in gone])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommend.steps")
    parser.add_argument("--only", nargs="+", default=["*"], help="names, as patterns")
    parser.add_argument("--recipes", help="names with commas between; else all")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--rates", help="of Adam, with commas between; else 1e-3,3e-3,3e-4")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where trainings are kept")
    parser.add_argument("--label", default="", help="keeps runs of different code apart")
    parser.add_argument("--again", action="store_true", help="train what is known, too")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="name the architectures")
    options = parser.parse_args()
    chosen = matching(*options.only)
    if options.list:
        print(*(it.name for it in chosen), sep="\n")
        return 0
    if not chosen:
        parser.error(f"no architecture matches {options.only}; --list names all")
    recipes = options.recipes.split(",") if options.recipes else None
    rates = tuple(map(float, options.rates.split(","))) if options.rates else RATES
    todo = list(units(chosen, recipes))
    if options.again and options.json.exists():
        forget(options.json, todo, options.label)
    is_done = run_all(
        todo, range(options.seeds), rates, options.label, options.json, options.workers
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of processors", file=sys.stderr)
    show(read(options.json), chosen, options.label)
    refused = [
        it
        for it in read(options.json).values()
        if it.ended in REFUSALS and (it.architecture, it.recipe) in set(todo)
    ]
    for it in refused:
        print(f"{it.architecture}: {it.recipe} {it.ended}: {it.message}", file=sys.stderr)
    return 0 if is_done else 130


if __name__ == "__main__":
    sys.exit(main())
