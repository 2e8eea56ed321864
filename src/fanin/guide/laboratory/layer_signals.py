"""The scale of every layer's signal and gradient before training, through ``fanin.observe``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from torch import nn
from torch.nn import functional

import fanin
from fanin.ensembles import Dataset, load
from fanin.errors import InputError
from fanin.observation import Units


@dataclass(frozen=True, slots=True)
class Signals:
    """RMS of what each weight puts out, and of its gradient, in the order of execution.

    Args:
        names: of the weights.
        forward: RMS of each weight's output (pre-activation).
        gradient: RMS of the loss's gradient in respect of it.
        dead: share of its units that lie in the flat part of their activation for every sample.
        flat: share of its outputs where the slope of the activation that follows is below a
            hundredth of its largest: saturation, or for ReLU being off.
        loss: of the pass.
    """

    names: tuple[str, ...]
    forward: tuple[float, ...]
    gradient: tuple[float, ...]
    dead: tuple[float, ...]
    flat: tuple[float, ...]
    loss: float

    @property
    def gradient_ratio(self) -> float:
        """Gradient at the first weight's output over that at the last's."""
        return self.gradient[0] / self.gradient[-1] if self.gradient[-1] else float("nan")


def signals(model: nn.Module, *, data: str = "digits", batch: int = 256) -> Signals:
    """One pass of a model of flat inputs on the first samples of a data set, as it is now.

    Cross entropy is the loss. The model is left as it was.
    """
    samples = _samples(data)
    seen = fanin.observe(
        model, samples.x_train[:batch], samples.y_train[:batch], loss=functional.cross_entropy
    )
    places = [use for use in seen.uses if use.role == "weight" and use.signal is not None]
    measured = [seen.signal(use.signal) for use in places if use.signal is not None]
    return Signals(
        tuple(use.parameter for use in places),
        tuple(one.forward.rms for one in measured),
        tuple(one.gradient.rms if one.gradient is not None else 0.0 for one in measured),
        tuple(_share(one.units) for one in measured),
        tuple((one.units.flat or 0.0) if one.units is not None else 0.0 for one in measured),
        seen.loss,
    )


def factor_a_layer(rms: Sequence[float]) -> float:
    """By what factor one layer changes the second moment: the geometric mean over layers.

    Args:
        rms: of one layer after the other.

    Raises:
        InputError: fewer than two layers.
    """
    if len(rms) < 2:
        raise InputError(f"the factor of a layer needs two layers, got {len(rms)}: raise the depth")
    return float((rms[-1] / rms[0]) ** (2 / (len(rms) - 1))) if rms[0] else 0.0


@cache
def _samples(data: str) -> Dataset:
    """Read once: an experiment looks at many networks."""
    return load(data)


def _share(units: Units | None) -> float:
    return (units.dead or 0) / units.count if units is not None and units.count else 0.0
