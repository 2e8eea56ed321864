"""One network trained from many scales of its weights: what a norm forgives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

import fanin
from fanin.guide.laboratory.runs import best_runs, runs_at


@dataclass(frozen=True, slots=True)
class Sweep:
    """Held-out accuracy by scale, one value a seed.

    Args:
        at_best: each scale at its own best learning rate, by training loss.
        at_one: all scales at one learning rate, the one that the middle scale likes best.
    """

    at_best: list[list[float]]
    at_one: list[list[float]]


def by_seed(rows: list[list[float]]) -> list[list[float]]:
    """Rows of scales as rows of seeds."""
    return [list(row) for row in zip(*rows, strict=True)]


def sweep(
    build: Callable[[], nn.Module],
    stds: Sequence[float],
    *,
    seeds: int,
    learning_rates: Sequence[float],
    steps: int,
    optimizer: str = "sgd",
) -> Sweep:
    """Train a network of flat inputs on digits from normal weights of several scales.

    Args:
        build: makes the network; norms start at 1 and 0, biases at 0.
        stds: standard deviations of all weights.
        seeds, learning_rates, steps, optimizer: as of ``fanin.compare``.
    """
    names = [f"normal:{std:g}" for std in stds]
    comparison = fanin.compare(
        build,
        names,
        seeds=seeds,
        learning_rates=learning_rates,
        steps=steps,
        optimizer=optimizer,
        progress=False,
    )
    called = {row.recipe: row.name for row in comparison.ranking}
    best = [best_runs(comparison, called[name]) for name in names]
    rate = best[len(best) // 2][0].learning_rate
    one = [runs_at(comparison, called[name], rate) for name in names]
    return Sweep(
        [[run.metric for run in runs] for runs in best],
        [[run.metric for run in runs] for runs in one],
    )
