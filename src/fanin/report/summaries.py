"""What terminal, figures and page show of a comparison, put into numbers once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanin.ensembles import Comparison, RankingRow


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """Signals of one recipe before training, layer by layer.

    Args:
        layers: names of the layers, in the order of the forward pass.
        forward, gradient: RMS, (layers, 3): least, middle and greatest over seeds.
    """

    layers: tuple[str, ...]
    forward: NDArray[np.float64]
    gradient: NDArray[np.float64]


def layer_profile(comparison: Comparison, recipe: str) -> LayerProfile:
    """The spread of a recipe's signals over seeds."""
    own = [signals.layers for signals in comparison.signals if signals.recipe == recipe]
    forward = np.array([[layer.forward for layer in layers] for layers in own])
    gradient = np.array([[layer.gradient for layer in layers] for layers in own])
    return LayerProfile(tuple(layer.layer for layer in own[0]), _spread(forward), _spread(gradient))


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([values.min(0), np.median(values, 0), values.max(0)], axis=1)


@dataclass(frozen=True, slots=True)
class Band:
    """A curve over steps: middle and the range over seeds."""

    x: NDArray[np.float64]
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]


def loss_band(comparison: Comparison, row: RankingRow) -> Band:
    """Minibatch loss of a recipe at its best rate, averaged over a fortieth of the steps.

    A step counts where more than half of the seeds were not frozen yet.
    """
    losses = comparison.curves.loss[_rows(comparison, row)].astype(np.float64)
    width = max(1, losses.shape[1] // 40)
    points = losses.shape[1] // width
    cut = losses[:, : points * width].reshape(len(losses), points, width)
    x = (np.arange(points) + 0.5) * width
    return _band(x, cut.mean(2))


def metric_band(comparison: Comparison, row: RankingRow) -> Band:
    """Held-out metric of a recipe at its best rate."""
    values = comparison.curves.metric[_rows(comparison, row)].astype(np.float64)
    return _band(comparison.curves.measured_at.astype(np.float64), values)


def _rows(comparison: Comparison, row: RankingRow) -> list[int]:
    return [
        i
        for i, run in enumerate(comparison.runs)
        if run.recipe == row.name and run.learning_rate == row.learning_rate
    ]


def _band(x: NDArray[np.float64], values: NDArray[np.float64]) -> Band:
    shown = np.isfinite(values).mean(0) > 0.5
    kept = values[:, shown]
    if not kept.size:
        empty = np.zeros(0)
        return Band(empty, empty, empty, empty)
    return Band(x[shown], np.nanmin(kept, 0), np.nanmedian(kept, 0), np.nanmax(kept, 0))


def loss_by_rate(comparison: Comparison, recipe: str) -> tuple[NDArray[np.float64], ...]:
    """(rates, mean final training loss) over the rates at which no seed diverged."""
    rates, losses = [], []
    for rate in sorted(comparison.learning_rates):
        own = [
            run.train_loss
            for run in comparison.runs
            if run.recipe == recipe and run.learning_rate == rate
        ]
        if np.isfinite(own).all():
            rates.append(rate)
            losses.append(float(np.mean(own)))
    return np.array(rates), np.array(losses)


def shown_p(row: RankingRow, *, best: bool) -> str:
    """A p-value as a reader wants it."""
    if best:
        return "best"
    if np.isnan(row.p_value):
        return "-"
    return "<0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}"


def shown_interval(row: RankingRow) -> str:
    """The interval of the metric, or nothing where there is a single seed."""
    low, high = row.interval
    return "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"


def shown_loss(row: RankingRow) -> str:
    return f"{row.train_loss:.3g}" if np.isfinite(row.train_loss) else "-"


def headline(comparison: Comparison) -> str:
    """Data, training and seeds in one line."""
    settings, seeds = comparison.settings, len(comparison.seeds)
    return (
        f"{comparison.data}, {settings.optimizer}, {settings.steps} steps of "
        f"{settings.batch_size}, {seeds} seed{'s' if seeds != 1 else ''}"
    )


def notices(comparison: Comparison) -> list[str]:
    """What a reader must know beside the numbers."""
    said = []
    if comparison.interrupted:
        said.append("Interrupted: only the seeds that were finished are counted.")
    if comparison.looped is not None:
        said.append(f"Trained one by one, not as one batched program: {comparison.looped}.")
    return said
