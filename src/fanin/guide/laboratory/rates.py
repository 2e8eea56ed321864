"""Plain trainings from one recipe on several seeds, at the best of several learning rates.

For networks that ``fanin.compare`` does not make faster: deep ones, and convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from torch import nn

import fanin
from fanin.ensembles import Dataset
from fanin.guide.laboratory.training import Optimizer, Trained, train
from fanin.recipes import RecipeLike


def train_at_best_rate(
    build: Callable[[], nn.Module],
    recipe: RecipeLike,
    data: Dataset,
    *,
    rates: Sequence[float],
    seeds: Iterable[int],
    steps: int,
    batch: int = 32,
    optimizer: Optimizer = "sgd",
) -> list[Trained]:
    """One training a seed at the rate of the least mean training loss, as ``compare`` chooses.

    Args:
        build: makes the network.
        recipe: draws its weights, from the noise of the seed.
        data: a classification.
        rates: learning rates that are tried.
        seeds: of weights and minibatches.
        steps: optimizer steps of each training.
        batch: samples a step.
        optimizer: as ``train`` has it.
    """
    listed = list(seeds)
    by_rate = [
        [
            train(fanin.init_(build(), recipe, seed=seed), data, steps=steps, learning_rate=rate,
                  seed=seed, batch=batch, optimizer=optimizer)
            for seed in listed
        ]
        for rate in rates
    ]  # fmt: skip
    return min(by_rate, key=_mean_loss)


def _mean_loss(trained: Sequence[Trained]) -> float:
    mean = sum(one.train_loss for one in trained) / len(trained)
    return math.inf if math.isnan(mean) else mean
