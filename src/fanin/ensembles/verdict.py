"""What a comparison allows to be concluded: rates chosen, paired tests, one ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fanin.ensembles.runs import Run
from fanin.recipes import RecipeLike

CONFIDENCE = 0.95
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class RankingRow:
    """One recipe at its best learning rate.

    Args:
        recipe: as it was given.
        name: the recipe as text.
        learning_rate: the one with the fewest diverged runs, then the least training loss.
        train_loss: mean over seeds at the end; infinite where a run diverged.
        metric: mean over seeds of the held-out metric at the end.
        interval: 95 % interval of that mean (Student's t over seeds).
        p_value: paired t-test of the metric against the best recipe's, on the same seeds,
            after Holm's correction for the number of recipes; 1 for the best itself, NaN
            with a single seed.
        steps_to_level: median over seeds of the steps until the training loss is at the
            comparison's level; None where half of the seeds or more do not reach it.
        diverged: share of seeds that diverged.
    """

    recipe: RecipeLike
    name: str
    learning_rate: float
    train_loss: float
    metric: float
    interval: tuple[float, float]
    p_value: float
    steps_to_level: int | None
    diverged: float


def rank(
    recipes: Sequence[tuple[RecipeLike, str]],
    runs: Sequence[Run],
    *,
    metric_range: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[RankingRow, ...]:
    """Best first: each recipe at its best rate, by the held-out metric, then training loss.

    The rate is chosen on the training loss and judged on held-out data, so that the choice
    does not flatter the judgement. Intervals are cut to ``metric_range``: no accuracy lies
    above 1.
    """
    best: list[tuple[RecipeLike, str, list[Run]]] = []
    for given, name in recipes:
        own = [run for run in runs if run.recipe == name]
        best.append((given, name, min(_by_recipe_and_rate(own), key=_loss_order)))
    best.sort(
        key=lambda entry: (-_or_worst(_mean(entry[2], "metric")), _mean(entry[2], "train_loss"))
    )
    p_values = _holm([_paired_p(best[0][2], entry[2]) for entry in best[1:]])
    return tuple(
        RankingRow(
            given,
            name,
            chosen[0].learning_rate,
            _mean(chosen, "train_loss"),
            _mean(chosen, "metric"),
            _interval(_values(chosen, "metric"), metric_range),
            p_value,
            _median_steps(chosen),
            sum(run.diverged for run in chosen) / len(chosen),
        )
        for (given, name, chosen), p_value in zip(best, [1.0, *p_values], strict=True)
    )


def _loss_order(runs: Sequence[Run]) -> tuple[int, float]:
    finite = [run.train_loss for run in runs if not run.diverged]
    return sum(run.diverged for run in runs), float(np.mean(finite)) if finite else math.inf


def _values(runs: Sequence[Run], field: str) -> NDArray[np.float64]:
    ordered = sorted(runs, key=lambda run: run.seed)
    return np.array([getattr(run, field) for run in ordered], np.float64)


def _mean(runs: Sequence[Run], field: str) -> float:
    return float(_values(runs, field).mean())


def _or_worst(metric: float) -> float:
    return -math.inf if math.isnan(metric) else metric


def _interval(
    values: NDArray[np.float64], metric_range: tuple[float, float]
) -> tuple[float, float]:
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan, math.nan
    error = float(stats.sem(values))
    mean = float(values.mean())
    if error == 0:
        return mean, mean
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=mean, scale=error)
    return max(float(low), metric_range[0]), min(float(high), metric_range[1])


def _paired_p(first: Sequence[Run], second: Sequence[Run]) -> float:
    ours, theirs = _values(first, "metric"), _values(second, "metric")
    if len(ours) < 2 or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return math.nan
    differences = ours - theirs
    if np.ptp(differences) <= 1e-12 * max(1.0, float(np.abs(differences).max())):
        # Without spread the statistic is 0/0 or infinite.
        return 0.0 if abs(differences[0]) > 1e-12 else 1.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Holm 1979: the k-th smallest of m times m - k + 1, never below the one before it."""
    corrected = [math.nan] * len(p_values)
    known = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i]
    )
    floor = 0.0
    for rank_, i in enumerate(known):
        floor = max(floor, min(1.0, p_values[i] * (len(known) - rank_)))
        corrected[i] = floor
    return corrected


def _median_steps(runs: Sequence[Run]) -> int | None:
    steps = sorted(math.inf if r.steps_to_level is None else r.steps_to_level for r in runs)
    upper, lower = steps[len(steps) // 2], steps[(len(steps) - 1) // 2]
    return None if upper == math.inf else round((lower + upper) / 2)


@dataclass(frozen=True, slots=True)
class Idle:
    """Recipes that learned nothing, in the median over seeds.

    Args:
        everywhere: at no learning rate.
        at_best: at the rate of the least training loss, though at another.
    """

    everywhere: tuple[str, ...] = ()
    at_best: tuple[str, ...] = ()


def idle(ranking: Sequence[RankingRow], runs: Sequence[Run], loss: float, metric: float) -> Idle:
    """Which recipes learned nothing.

    Args:
        ranking: each recipe with its best rate.
        runs: all runs.
        loss: where training begins to show, somewhat below the uninformed loss.
        metric: somewhat above what a guess without input reaches on held-out data. A run may
            classify well and still have a great loss, so either will do.
    """
    learned = {
        (own[0].recipe, own[0].learning_rate)
        for own in _by_recipe_and_rate(runs)
        if median(run.train_loss for run in own) < loss
        or median(run.metric for run in own) > metric
    }
    somewhere = {recipe for recipe, _ in learned}
    return Idle(
        tuple(row.name for row in ranking if row.name not in somewhere),
        tuple(
            row.name
            for row in ranking
            if row.name in somewhere and (row.name, row.learning_rate) not in learned
        ),
    )


def _by_recipe_and_rate(runs: Sequence[Run]) -> list[list[Run]]:
    groups: dict[tuple[str, float], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.recipe, run.learning_rate), []).append(run)
    return list(groups.values())


def conclude(ranking: Sequence[RankingRow], seeds: int, metric: str, left: Idle) -> str:
    """What may be said, and what may not.

    Args:
        ranking: best first.
        seeds: how many each recipe had.
        metric: the metric's name.
        left: recipes that learned nothing.
    """
    best = ranking[0]
    trained = [row for row in ranking if row.name not in {*left.everywhere, *left.at_best}]
    if trained and best not in trained:
        # The best on held-out data has learned something, whatever its training loss says.
        trained.insert(0, best)
    everywhere = [name for name in left.everywhere if not trained or name != best.name]
    said: list[str] = []
    if not trained:
        said.append("No recipe trained: none did better than a guess without input.")
    elif seeds < 2:
        said.append(
            f"{best.name} has the highest {metric} ({best.metric:.3f}), but with one seed nothing "
            "can be told apart."
        )
    else:
        said += _comparisons(best, trained, seeds, metric)
    if everywhere and trained:
        said.append(f"{_listed(everywhere)} did not train at any learning rate tried.")
    if left.at_best:
        said.append(
            f"{_listed(left.at_best)} did better than a guess only at a rate of greater "
            "training loss."
        )
    return " ".join(said)


def _comparisons(
    best: RankingRow, trained: Sequence[RankingRow], seeds: int, metric: str
) -> list[str]:
    rivals = [row for row in trained if row is not best]
    beaten = [row.name for row in rivals if row.p_value < SIGNIFICANT]
    equal = [row.name for row in rivals if row.p_value >= SIGNIFICANT]
    said = [f"{best.name} has the highest {metric}, {best.metric:.3f}."]
    if beaten:
        said.append(f"It beats {_listed(beaten)} (p < {SIGNIFICANT}, paired over {seeds} seeds).")
    if len(equal) == 1:
        said.append(f"{best.name} and {equal[0]} cannot be told apart with {seeds} seeds.")
    if len(equal) > 1:
        said.append(f"{best.name} cannot be told apart from {_listed(equal)} with {seeds} seeds.")
    return said


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
