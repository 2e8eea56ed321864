"""Records of what was run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanin.ensembles.first_pass import LayerSignal


@dataclass(frozen=True, slots=True)
class Run:
    """One training.

    Args:
        recipe: as text.
        seed: of weights and batches.
        learning_rate: constant over the run.
        train_loss: on the training part at the end; infinite where the run diverged.
        metric: on the held-out part at the end.
        diverged: whether a loss or gradient was not finite; the run was then frozen.
        diverged_at: the step at which it was, counted from 0, or None.
        steps_to_level: steps until the training loss, averaged over ten steps, was at the
            comparison's level, or None.
    """

    recipe: str
    seed: int
    learning_rate: float
    train_loss: float
    metric: float
    diverged: bool
    diverged_at: int | None
    steps_to_level: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Curves of all runs; row i belongs to ``runs[i]``.

    Args:
        loss: minibatch loss before each step, (runs, steps); NaN once a run is frozen.
        measured_at: numbers of steps taken when the metric was measured, (points,).
        metric: held-out metric, (runs, points), on at most 500 samples.
    """

    loss: NDArray[np.float32]
    measured_at: NDArray[np.int64]
    metric: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals of one recipe and seed before training, layer by layer."""

    recipe: str
    seed: int
    layers: tuple[LayerSignal, ...]
