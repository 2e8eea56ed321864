"""The grid of a comparison: recipes x seeds x learning rates, its runs, chunks and batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fanin.noise import uniform


@dataclass(frozen=True, slots=True)
class Cell:
    """One run to be made: which recipe (its number), seed and learning rate."""

    recipe: int
    seed: int
    learning_rate: float


def cells(recipes: int, seeds: Sequence[int], rates: Sequence[float]) -> tuple[Cell, ...]:
    """All runs, seed by seed: so an interrupted comparison holds whole seeds."""
    return tuple(
        Cell(recipe, seed, rate) for seed in seeds for recipe in range(recipes) for rate in rates
    )


def chunks(grid: Sequence[Cell], most: int) -> list[tuple[Cell, ...]]:
    """The grid in order, cut into parts of at most ``most`` runs that train together.

    A part holds whole seeds where a seed's runs fit, and at most a quarter of the seeds: so
    processors share the work, and an interrupted comparison has seeds to report. The cut
    does not depend on the number of processors, as bits may depend on the cut.
    """
    seeds = list(dict.fromkeys(cell.seed for cell in grid))
    of_a_seed = len(grid) // len(seeds)
    together = max(1, min(most // of_a_seed, len(seeds) // 4)) * of_a_seed
    parts: list[tuple[Cell, ...]] = []
    for start in range(0, len(grid), together):
        group = grid[start : start + together]
        pieces = -(-len(group) // most)
        bounds = [len(group) * i // pieces for i in range(pieces + 1)]
        parts += [tuple(group[a:b]) for a, b in itertools.pairwise(bounds)]
    return parts


def batches(seed: int, samples: int, size: int) -> Iterator[Tensor]:
    """Indices of one minibatch after the other, for ever: each epoch in a new order.

    A function of the seed alone, so runs on one seed see the same batches. An epoch's
    last samples that fill no batch are left out, unless they are all there are.
    """
    size = min(size, samples)
    epoch = 0
    while True:
        keys = uniform(seed, f"batches of epoch {epoch}", 0, samples)
        order = torch.from_numpy(np.argsort(keys, kind="stable"))
        for start in range(0, samples - size + 1, size):
            yield order[start : start + size]
        epoch += 1
