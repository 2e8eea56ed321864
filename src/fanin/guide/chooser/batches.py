"""The batch that a case's network is read with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from fanin.guide.chooser.cases import Case

FEATURES: Final = 64
CLASSES: Final = 10
TOKENS: Final = 64
CHANNELS: Final = 3
IMAGE: Final = 16
COORDINATES: Final = 2
READ_IN_TURN: Final = 16
"""Features of each step of a sequence."""

_VECTORS, _IMAGES, _SEQUENCES = 128, 32, 32
_ONE_IN = 16
"""Of how many targets one is the seldom class."""

Batch = tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]]


def features(case: Case) -> int:
    """What the first weight reads."""
    if case.activation == "sine":
        return COORDINATES
    return READ_IN_TURN if case.length is not None else FEATURES


def outputs(case: Case) -> int:
    """What the head puts out."""
    if case.architecture in {"decoder", "autoencoder"}:
        return TOKENS if case.architecture == "decoder" else FEATURES
    return CLASSES if case.task == "classes" else 1


def batch_of(case: Case) -> Batch:
    """Inputs, targets and the loss; always the same for a case.

    Classes are equally frequent, but for the seldom one of the task "rare"; what is to be
    regressed has mean 0 and RMS 1.
    """
    inputs = _inputs(case, torch.Generator().manual_seed(0))
    count = len(inputs)
    if case.architecture == "decoder":
        return inputs, (torch.arange(inputs.numel()) % TOKENS).reshape(inputs.shape), _next_token
    if case.architecture == "autoencoder":
        return inputs, inputs, functional.mse_loss
    if case.task == "regression":
        values = torch.randn(count, 1, generator=torch.Generator().manual_seed(1))
        values -= values.mean()
        return inputs, values / values.square().mean().sqrt(), functional.mse_loss
    if case.task == "rare":
        seldom = (torch.arange(count) % _ONE_IN == 0).float()[:, None]
        return inputs, seldom, functional.binary_cross_entropy_with_logits
    return inputs, torch.arange(count) % CLASSES, functional.cross_entropy


def _inputs(case: Case, generator: torch.Generator) -> Tensor:
    if case.architecture in {"cnn", "resnet", "vit"}:
        return torch.randn(_IMAGES, CHANNELS, IMAGE, IMAGE, generator=generator)
    if case.architecture in {"decoder", "encoder"}:
        return torch.randint(TOKENS, (_SEQUENCES, case.length or 1), generator=generator)
    if case.length is not None:
        return torch.randn(_SEQUENCES, case.length, features(case), generator=generator)
    if case.activation == "sine":
        return 2 * torch.rand(_VECTORS, COORDINATES, generator=generator) - 1
    vectors = torch.randn(_VECTORS, features(case), generator=generator)
    return vectors - vectors.mean(0)


def _next_token(scores: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(scores.flatten(0, 1), tokens.flatten())
