"""Results as JSON-ready values: one versioned form for files, pages and machines."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from fanin.ensembles import Comparison

COMPARISON_SCHEMA = "fanin.comparison/1"


def versions() -> dict[str, str]:
    """What the numbers depend on: fanin, torch, numpy, numba, python and the machine."""
    packages = {name: version(name) for name in ("fanin", "torch", "numpy", "numba", "scipy")}
    return {**packages, "python": platform.python_version(), "machine": platform.machine()}


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON-ready values; numbers that are not finite become None."""
    settings = comparison.settings
    return {
        "schema": COMPARISON_SCHEMA,
        "title": comparison.title,
        "data": comparison.data,
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "optimizer": settings.optimizer,
        "seeds": list(comparison.seeds),
        "learning_rates": list(comparison.learning_rates),
        "loss": comparison.loss_name,
        "metric": comparison.metric_name,
        "uninformed_loss": comparison.uninformed_loss,
        "level": comparison.level,
        "conclusion": comparison.conclusion,
        "looped": comparison.looped,
        "interrupted": comparison.interrupted,
        "seconds": round(comparison.seconds, 3),
        "versions": versions(),
        "ranking": [
            {
                "recipe": row.name,
                "learning_rate": row.learning_rate,
                "train_loss": _number(row.train_loss),
                "metric": _number(row.metric),
                "interval": _numbers(row.interval),
                "p_value": _number(row.p_value),
                "steps_to_level": row.steps_to_level,
                "diverged": row.diverged,
            }
            for row in comparison.ranking
        ],
        "runs": [
            {
                "recipe": run.recipe,
                "seed": run.seed,
                "learning_rate": run.learning_rate,
                "train_loss": _number(run.train_loss),
                "metric": _number(run.metric),
                "diverged_at": run.diverged_at,
                "steps_to_level": run.steps_to_level,
            }
            for run in comparison.runs
        ],
        "curves": {
            "loss": [_numbers(row) for row in comparison.curves.loss.tolist()],
            "measured_at": comparison.curves.measured_at.tolist(),
            "metric": [_numbers(row) for row in comparison.curves.metric.tolist()],
        },
        "signals": [
            {
                "recipe": signals.recipe,
                "seed": signals.seed,
                "layers": [
                    {
                        "layer": layer.layer,
                        "kind": layer.kind,
                        "forward_rms": _number(layer.forward),
                        "gradient_rms": _number(layer.gradient),
                    }
                    for layer in signals.layers
                ],
            }
            for signals in comparison.signals
        ],
    }


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(value) for value in values]
