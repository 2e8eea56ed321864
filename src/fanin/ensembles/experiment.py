"""The verb ``compare``: read the arguments, run the grid, say what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanin.ensembles import arguments
from fanin.ensembles.arguments import Grid
from fanin.ensembles.comparison import Comparison
from fanin.ensembles.datasets import DataLike, load
from fanin.ensembles.execution import Starts, proof, train_all
from fanin.ensembles.grid import cells
from fanin.ensembles.isolation import isolated
from fanin.ensembles.objective import Objective
from fanin.ensembles.progress import Progress
from fanin.ensembles.runs import Curves, Run, Signals
from fanin.ensembles.template import Build, Template, make_template
from fanin.ensembles.training import Settings, Trained
from fanin.ensembles.verdict import conclude, idle, rank
from fanin.recipes import RecipeLike

# Steps over which the training loss is averaged before it is held against the level.
_SMOOTHED = 10
# A recipe has learned something below this share of the uninformed loss, or this much above
# the uninformed metric.
_TRAINED = 0.95
_ABOVE_CHANCE = 0.05


def compare(
    build: Build | str,
    recipes: Sequence[RecipeLike],
    *,
    data: DataLike = "digits",
    seeds: int | Sequence[int] = 8,
    learning_rates: Sequence[float] | None = None,
    steps: int = 300,
    batch_size: int = 64,
    optimizer: str = "sgd",
    depth: int = 10,
    width: int = 64,
    activation: str = "relu",
    level: float | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Train one architecture from many recipes, seeds and learning rates, and rank the recipes.

    All runs train as one batched program, stacked along a run axis; its first step is proved
    against single runs, and where the proof fails the runs are trained one by one and the
    comparison says so. Runs on one seed share noise and minibatches, so recipes are
    compared in pairs. A run that diverges is frozen and reported. Everything is a function
    of the arguments: the same call gives the same bits, whatever the number of threads.

    Args:
        build: a function without arguments that returns a new model, or ``"mlp"``.
        recipes: names (``"he_normal"``, ``"normal:0.01"``, ``"default"``), schemes or recipes.
            ``"default"`` is what ``build`` itself does.
        data: ``"digits"``, ``"fashion-mnist"``, or a pair of arrays (x, y).
        seeds: how many (0, 1, ...), or which.
        learning_rates: tried for each recipe; None for four that suit the optimizer.
        steps: optimizer steps of each run.
        batch_size: samples a step.
        optimizer: ``"sgd"``, ``"momentum"`` (0.9), ``"adam"`` or ``"adamw"``.
        depth, width, activation: hidden layers, units and activation of ``"mlp"``.
        level: training loss for ``steps_to_level``; None for half the uninformed loss.
        progress: a function of (done, total), True or False for a bar, None for a bar on a
            terminal.

    Returns:
        The comparison. After Ctrl-C it holds the seeds that were finished.

    Raises:
        UnknownNameError: a recipe, data set, optimizer, architecture or activation misspelt.
        InputError: a number out of range, or an empty list.
        ModelError: a model that cannot be built, initialised or fed.
        DataError: data that are absent or do not fit.
        KeyboardInterrupt: Ctrl-C before any seed was finished.

    Example:
        >>> result = compare("mlp", ["zeros", "he_normal"], depth=2, steps=60, seeds=3)
        >>> [row.recipe for row in result.ranking]
        ['he_normal', 'zeros']
    """
    began = time.perf_counter()
    with isolated():
        grid = Grid(
            arguments.entrants(recipes),
            arguments.seeds(seeds),
            arguments.rates(learning_rates, optimizer),
        )
        settings = arguments.settings(steps, batch_size, optimizer)
        dataset = load(data)
        level = arguments.level(level, dataset.uninformed_loss)
        template = make_template(
            build, dataset, depth=depth, width=width, activation=activation, batch_size=batch_size
        )
        starts = {
            (number, seed): template.start(entrant.recipe, entrant.name, seed, batch_size)
            for seed in grid.seeds
            for number, entrant in enumerate(grid.entrants)
        }
        looped = proof(template, list(starts.values()))
        trained, interrupted = train_all(
            template,
            cells(len(grid.entrants), grid.seeds, grid.rates),
            starts,
            settings,
            batched=looped is None,
            progress=progress,
        )
        outcome = _Outcome(
            settings, level, trained, looped, interrupted, time.perf_counter() - began
        )
        return _result(template, grid, starts, outcome)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came back from the training."""

    settings: Settings
    level: float
    trained: Sequence[Trained]
    looped: str | None
    interrupted: bool
    seconds: float


def _result(template: Template, grid: Grid, starts: Starts, outcome: _Outcome) -> Comparison:
    data, objective = template.data, Objective.of(template.data)
    trained = outcome.trained
    done = [cell for part in trained for cell in part.cells]
    a_seed = len(grid.entrants) * len(grid.rates)
    seeds = tuple(s for s in grid.seeds if sum(cell.seed == s for cell in done) == a_seed)
    if not seeds:
        raise KeyboardInterrupt
    kept = np.array([cell.seed in seeds for cell in done])
    names = [entrant.name for entrant in grid.entrants]
    runs = tuple(
        run for part in trained for run in _runs(part, names, outcome.level) if run.seed in seeds
    )
    ranking = rank(
        [(entrant.given, entrant.name) for entrant in grid.entrants],
        runs,
        metric_range=objective.metric_range,
    )
    left = idle(
        ranking,
        runs,
        _TRAINED * data.uninformed_loss,
        data.uninformed_metric + _ABOVE_CHANCE,
    )
    return Comparison(
        title=template.title,
        data=data.name,
        settings=outcome.settings,
        seeds=seeds,
        learning_rates=grid.rates,
        loss_name=objective.loss_name,
        metric_name=objective.metric_name,
        uninformed_loss=data.uninformed_loss,
        level=outcome.level,
        ranking=ranking,
        runs=runs,
        curves=Curves(
            np.concatenate([part.losses for part in trained])[kept],
            np.array(outcome.settings.measured_at),
            np.concatenate([part.metric_curve for part in trained])[kept],
        ),
        signals=tuple(
            Signals(names[number], seed, start.plain.signals)
            for (number, seed), start in starts.items()
            if seed in seeds
        ),
        conclusion=conclude(ranking, len(seeds), objective.metric_name, left),
        looped=outcome.looped,
        interrupted=outcome.interrupted,
        seconds=outcome.seconds,
    )


def _runs(part: Trained, names: Sequence[str], level: float) -> list[Run]:
    return [
        Run(
            names[cell.recipe],
            cell.seed,
            cell.learning_rate,
            float(part.train_loss[i]),
            float(part.metric[i]),
            bool(part.diverged_at[i] >= 0),
            int(part.diverged_at[i]) if part.diverged_at[i] >= 0 else None,
            _steps_to(part.losses[i], level),
        )
        for i, cell in enumerate(part.cells)
    ]


def _steps_to(losses: NDArray[np.float32], level: float) -> int | None:
    """Steps taken when the mean of the last ten losses first was at the level."""
    window = min(_SMOOTHED, len(losses))
    means = np.convolve(losses.astype(np.float64), np.full(window, 1 / window), "valid")
    reached = np.flatnonzero(means <= level)
    return int(reached[0]) + window if reached.size else None
