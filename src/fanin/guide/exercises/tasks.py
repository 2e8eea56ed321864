"""What the networks of the exercises learn: tasks of scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fanin.ensembles.datasets import load

_LEVELS = 16  # a pixel of the digits is one of 0 to 16


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs and answers to train on, and those held out."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


@dataclass(frozen=True, slots=True)
class Task:
    """Data, loss and score.

    Args:
        name: for reports.
        about: the inputs and what is to be told of them.
        examples: the data.
        score: on held-out data: the share of right answers, or the mean loss.
    """

    name: str
    about: str
    examples: Callable[[], Examples]
    score: Literal["accuracy", "loss"]

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score is a better one."""
        return self.score == "accuracy"

    @property
    def guess(self) -> float:
        """The loss of the best answer that does not look at the input: the labels' entropy."""
        counts = torch.bincount(self.examples().y_train.flatten()).double()
        shares = counts[counts > 0] / counts.sum()
        return float(-(shares * shares.log()).sum())

    def is_informed(self, score: float) -> bool:
        """Whether a score is beyond what random weights reach before any training."""
        if self.score == "loss":
            return score < 0.9 * self.guess
        return score > 0.4

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross entropy, in float32 at least."""
        return cross_entropy(outputs.float(), targets)

    def scored(self, outputs: Tensor, targets: Tensor) -> float:
        """The score of outputs for held-out inputs."""
        if self.score == "loss":
            return float(self.loss(outputs, targets))
        return float((outputs.argmax(-1) == targets).float().mean())


@lru_cache(maxsize=1)
def _rows() -> Examples:
    digits = load("digits")
    return Examples(digits.x_train, digits.y_train, digits.x_test, digits.y_test)


def _with_inputs(change: Callable[[Tensor], Tensor]) -> Examples:
    rows = _rows()
    return Examples(change(rows.x_train), rows.y_train, change(rows.x_test), rows.y_test)


def _pixels(x: Tensor) -> Tensor:
    """The whole numbers 0 to 16 again: the data are standardised by one mean and one std."""
    least, greatest = _rows().x_train.min(), _rows().x_train.max()
    return ((x - least) / (greatest - least) * _LEVELS).round()


def _images() -> Examples:
    return _with_inputs(lambda x: x.reshape(-1, 1, 8, 8))


def _half() -> Examples:
    return _with_inputs(Tensor.half)


def _bytes() -> Examples:
    return _with_inputs(lambda x: (_pixels(x) / _LEVELS * 255).round())


def _turned() -> Examples:
    return _with_inputs(lambda x: x.reshape(-1, 8, 8).rot90(1, (1, 2)).reshape(-1, 64))


def _recalled() -> Examples:
    """Eight rows of pixels, then twelve rows of nothing."""

    def followed(x: Tensor) -> Tensor:
        rows = x.reshape(-1, 8, 8)
        return torch.cat([rows, rows.new_zeros(len(rows), 12, 8)], 1)

    return _with_inputs(followed)


def _next_pixels() -> Examples:
    """Sixteen pixels in reading order, and the one that follows them, from mid-image."""

    def pairs(x: Tensor) -> tuple[Tensor, Tensor]:
        whole = _pixels(x).long()
        windows = whole.unfold(1, 17, 7).reshape(-1, 17)
        return windows[:, :16].contiguous(), windows[:, 16].contiguous()

    rows = _rows()
    return Examples(*pairs(rows.x_train), *pairs(rows.x_test))


ROWS: Final = Task(
    "digits", "64 pixels of mean 0 and std 1; which of 10 digits is it?", _rows, "accuracy"
)
ROWS_BY_LOSS: Final = replace(ROWS, score="loss")
IMAGES: Final = Task(
    "images", "images of 1 x 8 x 8, mean 0 and std 1; which of 10 digits is it?", _images,
    "accuracy",
)  # fmt: skip
HALF: Final = Task(
    "half", "64 pixels of mean 0 and std 1, in float16; which of 10 digits is it?", _half,
    "accuracy",
)  # fmt: skip
BYTES: Final = Task(
    "bytes", "64 pixels from 0 to 255; which of 10 digits is it?", _bytes, "accuracy"
)
TURNED: Final = Task(
    "turned", "64 pixels of digits lying on their side; which of 10 is it?", _turned, "accuracy"
)
RECALLED: Final = Task(
    "recalled", "8 rows of 8 pixels, one a step, then 12 empty rows; which of 10 digits was it?",
    _recalled, "accuracy",
)  # fmt: skip
NEXT_PIXEL: Final = Task(
    "next pixel", "16 pixels as tokens 0 to 16; which token follows?", _next_pixels, "loss"
)
