"""What is taken out of a comparison: the runs of one recipe, and curves that a picture can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fanin.ensembles import Comparison, Run
from fanin.recipes import RecipeLike


def best_runs(comparison: Comparison, recipe: RecipeLike) -> list[Run]:
    """The runs of a recipe at its best learning rate, one a seed, in their order.

    The recipe is given as it was to the comparison, or by its name there.
    The best rate has the fewest diverged runs, then the least training loss: held-out data have
    no say in it.
    """
    row = next(row for row in comparison.ranking if row.recipe is recipe or row.name == recipe)
    return runs_at(comparison, row.name, row.learning_rate)


def accuracies(comparison: Comparison) -> dict[str, list[float]]:
    """Held-out metric of every recipe at its best learning rate, one value a seed."""
    return {
        row.name: [run.metric for run in best_runs(comparison, row.name)]
        for row in comparison.ranking
    }


def accuracies_of(
    comparison: Comparison, recipes: Mapping[str, RecipeLike]
) -> dict[str, list[float]]:
    """The same under names of one's own, in their order.

    Args:
        comparison: that had these recipes among its own.
        recipes: name to recipe, as it was given to the comparison.
    """
    found = accuracies(comparison)
    named = [(row.recipe, row.name) for row in comparison.ranking]
    return {
        name: found[next(key for given, key in named if given == recipe)]
        for name, recipe in recipes.items()
    }


def soonest_runs(comparison: Comparison, recipe: RecipeLike) -> list[Run]:
    """The runs of a recipe at the rate that reaches the comparison's level in the fewest steps.

    Runs that do not reach it count with all their steps; of equal rates, the best one.
    """
    best = best_runs(comparison, recipe)[0]
    order = sorted(comparison.learning_rates, key=lambda rate: rate != best.learning_rate)
    return min(
        (runs_at(comparison, best.recipe, rate) for rate in order),
        key=lambda runs: float(np.mean(np.log(steps_taken(comparison, runs)))),
    )


def runs_at(comparison: Comparison, recipe: str, rate: float) -> list[Run]:
    """The runs of a recipe at one learning rate, one a seed, in their order."""
    found = [run for run in comparison.runs if run.recipe == recipe and run.learning_rate == rate]
    return sorted(found, key=lambda run: run.seed)


def steps_taken(comparison: Comparison, runs: Sequence[Run]) -> list[int]:
    """Steps to the comparison's level; all steps where a run does not reach it."""
    return [run.steps_to_level or comparison.settings.steps for run in runs]


def curve(comparison: Comparison, runs: Sequence[Run], points: int = 40) -> list[float]:
    """Loss along training: the median over runs, averaged over equal stretches of the steps.

    A run that diverged counts as infinite from there on.
    """
    rows = [comparison.curves.loss[comparison.runs.index(run)] for run in runs]
    losses = np.median(np.nan_to_num(np.stack(rows).astype(np.float64), nan=np.inf), axis=0)
    return [float(part.mean()) for part in np.array_split(losses, min(points, len(losses)))]


def curve_steps(comparison: Comparison, points: int = 40) -> list[float]:
    """The step at the middle of each stretch of ``curve``."""
    steps = np.arange(comparison.settings.steps)
    return [float(part.mean()) for part in np.array_split(steps, min(points, len(steps)))]
