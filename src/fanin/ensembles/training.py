"""Train one chunk of runs in lockstep, freeze those that diverge, and measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fanin.ensembles import optimizers
from fanin.ensembles.datasets import Dataset
from fanin.ensembles.grid import Cell, batches
from fanin.ensembles.objective import Objective
from fanin.ensembles.stacking import Engine, Start, State, stack

# Samples of the held-out part that a point of a curve is measured on; the last value of a
# run is measured on all of them.
_CURVE_SAMPLES = 500
# Samples of the training part for the final training loss.
_TRAIN_SAMPLES = 5000
_EVALUATED_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Settings:
    """How every run of a comparison is trained."""

    steps: int
    batch_size: int
    optimizer: str

    @property
    def measured_at(self) -> tuple[int, ...]:
        """Numbers of steps taken when the held-out metric is measured: 0, ..., all.

        At most 20 times, and down to 8 where measuring would take more than a tenth of the
        time: a sample costs a third of what it does in training.
        """
        affordable = 0.3 * self.steps * self.batch_size / _CURVE_SAMPLES
        points = min(self.steps, max(8, min(20, int(affordable))))
        return tuple(sorted({round(self.steps * i / points) for i in range(points + 1)}))


@dataclass(frozen=True, slots=True)
class Trained:
    """What became of one chunk; arrays have one row per run, in the order of the cells.

    Args:
        cells: the runs.
        losses: minibatch loss at each step, (R, steps); NaN from where a run was frozen.
        metric_curve: held-out metric at ``Settings.measured_at``, (R, points).
        train_loss: loss on the training part at the end; infinite for a diverged run.
        metric: on all held-out samples at the end.
        diverged_at: the step whose loss or gradient was not finite, else -1.
    """

    cells: tuple[Cell, ...]
    losses: NDArray[np.float32]
    metric_curve: NDArray[np.float32]
    train_loss: NDArray[np.float64]
    metric: NDArray[np.float64]
    diverged_at: NDArray[np.int64]


def train(
    cells: Sequence[Cell],
    starts: Sequence[Start],
    engine: Engine,
    data: Dataset,
    settings: Settings,
    go_on: Callable[[int], bool],
) -> Trained | None:
    """Train the runs of one chunk together.

    A run whose loss or gradient is not finite is frozen: it keeps the parameters and buffers
    that it had before that step.

    Args:
        cells, starts: the runs and where each begins.
        engine: computes losses and gradients; used by this thread alone.
        data: in the shape that the model takes.
        settings: steps, batch size, optimizer.
        go_on: told the number of runs that took a step, after each; False ends the training.

    Returns:
        What became of the runs, or None where ``go_on`` ended it.
    """
    runs = len(cells)
    objective = Objective.of(data)
    parameters = {k: p.requires_grad_() for k, p in stack([s.parameters for s in starts]).items()}
    buffers = stack([s.buffers for s in starts])
    leaves = list(parameters.values())
    optimizer = optimizers.make(
        settings.optimizer, torch.tensor([cell.learning_rate for cell in cells])
    )
    seeds = sorted({cell.seed for cell in cells})
    of_seed = torch.tensor([seeds.index(cell.seed) for cell in cells])
    streams = [batches(seed, len(data.x_train), settings.batch_size) for seed in seeds]
    losses = torch.full((runs, settings.steps), float("nan"))
    diverged_at = torch.full((runs,), -1)
    held_out = slice(0, _CURVE_SAMPLES)
    curve = [_metric(engine, parameters, buffers, data, objective, held_out)]
    for step in range(settings.steps):
        chosen = torch.stack([next(stream) for stream in streams])[of_seed]
        before = {name: buffer.clone() for name, buffer in buffers.items()}
        loss, gradients = engine.losses_and_gradients(
            parameters, buffers, data.x_train[chosen], data.y_train[chosen]
        )
        alive = diverged_at < 0
        sound = torch.isfinite(loss) & _all_finite(gradients)
        losses[alive, step] = loss[alive].float()
        diverged_at[alive & ~sound] = step
        frozen = ~(alive & sound)
        if frozen.any():
            gradients = [torch.where(_over(frozen, g), 0.0, g) for g in gradients]
            for name, buffer in buffers.items():
                buffer[frozen] = before[name][frozen]
        with torch.no_grad():
            kept = [leaf[frozen].clone() for leaf in leaves]
            optimizer.step(leaves, gradients)
            for leaf, values in zip(leaves, kept, strict=True):
                leaf[frozen] = values  # momentum and decay move a run without any gradient
        if step + 1 in settings.measured_at:
            curve.append(_metric(engine, parameters, buffers, data, objective, held_out))
        if not go_on(runs):
            return None
    train_loss = _train_loss(engine, parameters, buffers, data, objective)
    train_loss[diverged_at >= 0] = float("inf")
    metric = _metric(engine, parameters, buffers, data, objective, slice(None))
    return Trained(
        tuple(cells),
        losses.numpy(),
        torch.stack(curve, 1).float().numpy(),
        train_loss.numpy(),
        metric.numpy(),
        diverged_at.numpy(),
    )


def _over(runs: Tensor, like: Tensor) -> Tensor:
    return runs.view(-1, *[1] * (like.ndim - 1))


def _all_finite(gradients: Sequence[Tensor]) -> Tensor:
    """(R,): whether every element of a run's gradients is finite; a sum shows one that is not."""
    return (
        torch.stack([g.flatten(1).sum(1, dtype=torch.float64) for g in gradients]).isfinite().all(0)
    )


def _metric(
    engine: Engine,
    parameters: State,
    buffers: State,
    data: Dataset,
    objective: Objective,
    part: slice,
) -> Tensor:
    x, y = data.x_test[part], data.y_test[part]
    return _mean_over_samples(engine, parameters, buffers, x, y, objective.scores)


def _train_loss(
    engine: Engine, parameters: State, buffers: State, data: Dataset, objective: Objective
) -> Tensor:
    x, y = data.x_train[:_TRAIN_SAMPLES], data.y_train[:_TRAIN_SAMPLES]
    return _mean_over_samples(engine, parameters, buffers, x, y, objective.losses)


def _mean_over_samples(
    engine: Engine,
    parameters: State,
    buffers: State,
    x: Tensor,
    y: Tensor,
    score: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """(R,): the mean of a score of shape (R, n) over samples, a part of them at a time."""
    total = torch.zeros(len(next(iter(parameters.values()))), dtype=torch.float64)
    for start in range(0, len(x), _EVALUATED_AT_ONCE):
        part = slice(start, start + _EVALUATED_AT_ONCE)
        scores = score(engine.outputs(parameters, buffers, x[part]), y[part])
        total += scores.sum(-1, dtype=torch.float64)
    return total / len(x)
