"""What is minimised and what is reported: cross entropy and accuracy, or squares and R^2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fanin.ensembles.datasets import Dataset
from fanin.errors import DataError, ModelError


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss that a data set calls for, and the metric of its held-out part.

    Args:
        classes: number of labels, or None for regression.
        spread: for regression, the mean square of the held-out targets about their mean.
    """

    classes: int | None
    spread: float = 1.0

    @classmethod
    def of(cls, data: Dataset) -> Objective:
        """The objective of a data set."""
        if data.classes is not None:
            return cls(data.classes)
        return cls(None, float((data.y_test - data.y_test.mean(0)).square().mean()) or 1.0)

    @property
    def loss_name(self) -> str:
        return "squared error" if self.classes is None else "cross entropy"

    @property
    def metric_name(self) -> str:
        return "R^2" if self.classes is None else "accuracy"

    @property
    def metric_range(self) -> tuple[float, float]:
        """Values that the metric can take."""
        return (-float("inf"), 1.0) if self.classes is None else (0.0, 1.0)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the batch."""
        if self.classes is None:
            return functional.mse_loss(self.columns(outputs), targets)
        return functional.cross_entropy(outputs, targets)

    def columns(self, outputs: Tensor) -> Tensor:
        """Outputs of one model as (n, k): a single real output may come as (n,)."""
        return outputs.unsqueeze(-1) if self.classes is None and outputs.ndim == 1 else outputs

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """One loss per sample; outputs of shape (..., n, k), targets (n,) or (n, k)."""
        if self.classes is None:
            return (outputs - targets).square().mean(-1)
        chosen = targets.expand(outputs.shape[:-1]).unsqueeze(-1)
        return outputs.logsumexp(-1) - outputs.gather(-1, chosen).squeeze(-1)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What the metric averages per sample: hits, or 1 - squared error / spread.

        Outputs that are not finite count as a miss, or as minus infinity.
        """
        if self.classes is None:
            scores = 1 - (outputs - targets).square().mean(-1) / self.spread
            return torch.nan_to_num(scores, nan=-float("inf"), neginf=-float("inf"))
        hits = outputs.argmax(-1) == targets
        return (hits & torch.isfinite(outputs).all(-1)).float()

    def require_outputs(self, outputs: object, data: Dataset, batch: int) -> None:
        """Raise unless the model's outputs can be scored against the data.

        Raises:
            ModelError: no tensor, or of another shape.
            DataError: labels beyond the model's outputs.
        """
        if not isinstance(outputs, Tensor):
            raise ModelError(
                f"the model returns {type(outputs).__name__}; compare needs a tensor of outputs"
            )
        if self.classes is None:
            wanted = (batch, *data.y_train.shape[1:])
            if self.columns(outputs).shape != wanted:
                raise ModelError(
                    f"the model's output has shape {tuple(outputs.shape)}; for real targets it "
                    f"must be {wanted}. Integer labels would make it a classification"
                )
            return
        if outputs.ndim != 2 or outputs.shape[0] != batch:
            raise ModelError(
                f"the model's output has shape {tuple(outputs.shape)}; for labels it must be "
                f"(batch, classes), here ({batch}, {self.classes})"
            )
        if outputs.shape[1] < self.classes:
            raise DataError(
                f"labels of {data.name} go up to {self.classes - 1}, but the model has "
                f"{outputs.shape[1]} outputs, which name labels 0 to {outputs.shape[1] - 1}"
            )
