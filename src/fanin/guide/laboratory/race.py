"""The four techniques on one network: who learns, and after how many steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import nn

import fanin
from fanin.guide.checks import Check, above, below
from fanin.guide.claim import Numbers
from fanin.guide.laboratory.charts import lines
from fanin.guide.laboratory.runs import best_runs, curve, curve_steps, soonest_runs, steps_taken
from fanin.picture import Picture

# The least that is worth a change of code: a fifth more steps.
SLOWER = 1.2
# Of ten classes a guess finds 0.1; below twice that, nothing to speak of was learnt.
_FAILED = 0.2
_BATCH = 32


def race(
    build: Callable[[], nn.Module],
    starts: Mapping[str, str],
    *,
    level: float,
    seeds: int,
    steps: int,
    rates: Sequence[float],
    optimizer: str = "sgd",
) -> Numbers:
    """Train a network on digits from several starts, each at the learning rates that suit it.

    Args:
        build: makes the network.
        starts: what each start stands for, to its recipe.
        level: of the training loss, to which steps are counted.
        seeds: how many.
        steps: of a training.
        rates: tried for each start.
        optimizer: as ``fanin.compare`` takes it.

    Returns:
        Recipes, level and number of steps as given; by what a start stands for: ``steps`` to the
        level at the rate that is soonest there (all steps where it is not reached), held-out
        ``accuracy`` at the rate of least training loss, and ``curves`` of the loss at the places
        ``at``.
    """
    recipes = list(dict.fromkeys(starts.values()))
    done = fanin.compare(
        build, recipes, seeds=seeds, steps=steps, learning_rates=rates, optimizer=optimizer,
        batch_size=_BATCH, level=level, progress=False,
    )  # fmt: skip
    soonest = {role: soonest_runs(done, recipe) for role, recipe in starts.items()}
    return {
        "starts": dict(starts),
        "level": level,
        "all": steps,
        "steps": {role: steps_taken(done, runs) for role, runs in soonest.items()},
        "accuracy": {
            role: [run.metric for run in best_runs(done, recipe)] for role, recipe in starts.items()
        },
        "curves": {role: curve(done, runs) for role, runs in soonest.items()},
        "at": curve_steps(done),
    }


def fails(numbers: Numbers, role: str, *, scope: bool = False) -> Check:
    """A start leads to hardly more than a guess."""
    recipe = numbers["starts"][role]
    return below(
        f"held-out accuracy from {recipe}", numbers["accuracy"][role], _FAILED, scope=scope
    )


def slower(
    numbers: Numbers, role: str, than: str, *, by: float = SLOWER, scope: bool = False
) -> Check:
    """A start takes more steps to the level than another, seed by seed."""
    recipes = numbers["starts"]
    return longer(
        f"steps from {recipes[role]} over those from {recipes[than]}",
        numbers["steps"][role], numbers["steps"][than], numbers["all"], by=by, scope=scope,
    )  # fmt: skip


def longer(
    what: str,
    ours: Sequence[int],
    others: Sequence[int],
    budget: int,
    *,
    by: float = SLOWER,
    scope: bool = False,
) -> Check:
    """Our steps to a level are a multiple of the others', seed by seed.

    A run that does not arrive counts with all of its steps, the least that it needs: that can
    show that it takes longer, and never that it does not.

    Args:
        what: is compared.
        ours, others: steps, one a seed.
        budget: steps of a training.
        by: the multiple that has to be exceeded.
        scope: whether it asks how far a claim reaches.
    """
    ratios = [a / b for a, b in zip(ours, others, strict=True)]
    check = above(what, ratios, by, decades=True, scope=scope)
    return replace(check, decided=check.met or (check.decided and max(ours) < budget))


def no_longer(what: str, ratios: Sequence[float], *, arrived: bool, scope: bool = False) -> Check:
    """Ratios of steps are too small to matter.

    Args:
        what: is compared.
        ratios: of steps, one a seed.
        arrived: whether all runs above the line of the ratios arrived; where not, the ratios are
            the least that they can be, and cannot show that they are small.
        scope: whether it asks how far a claim reaches.
    """
    check = below(what, ratios, SLOWER, decades=True, scope=scope)
    return check if arrived or not check.met else replace(check, met=False, decided=False)


def all_arrived(steps: Mapping[str, Sequence[int]], budget: int) -> bool:
    """Whether every run took fewer steps than there were; a single start has no rival to await."""
    return len(steps) == 1 or max(map(max, steps.values())) < budget


def spread(steps: Mapping[str, Sequence[int]]) -> list[float]:
    """How many times the steps of the fastest start the slowest one takes, on each seed.

    Which two they are is told by the other seeds: the extremes of the same numbers would differ
    even among equals.

    Args:
        steps: by start, one a seed.
    """
    names, table = list(steps), np.log(np.array(list(steps.values()), np.float64))
    found = []
    for seed in range(table.shape[1]):
        others = np.delete(table, seed, axis=1).mean(1) if table.shape[1] > 1 else table[:, 0]
        slow, fast = names[int(others.argmax())], names[int(others.argmin())]
        found.append(steps[slow][seed] / steps[fast][seed])
    return found


def race_picture(numbers: Numbers, network: str) -> Picture:
    """Training loss over steps, one line a start."""
    names = numbers["starts"]
    return lines(
        {f"{role}: {names[role]}": values for role, values in numbers["curves"].items()},
        f"Training loss of {network}, each start at the learning rate that suits it best",
        x="step",
        y="training loss",
        at=numbers["at"],
        log=True,
        limit=numbers["level"],
    )
