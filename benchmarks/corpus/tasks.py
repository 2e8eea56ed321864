"""Real data, as tasks: images, rows, sequences, tokens, answers, numbers."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor

from benchmarks.corpus.case import Task


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """1797 images of 8 x 8 as rows of 64, standardised together, and their labels."""
    found = load_digits()
    x = torch.tensor(found.data, dtype=torch.float32)
    return (x - x.mean()) / x.std(), torch.tensor(found.target)


def _picked(seed: int, size: int) -> tuple[Tensor, Tensor]:
    x, y = digits()
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(len(x), (size,), generator=generator)
    return x[index], y[index]


def classify(*shape: int, dtype: torch.dtype = torch.float32, size: int = 64) -> Task:
    """Digits by cross entropy, each image in this shape; (64,) for rows."""
    form = shape or (64,)

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, y = _picked(seed, count)
        if len(form) == 3 and form[-1] != 8:
            x = F.interpolate(x.view(-1, 1, 8, 8), size=form[1:], mode="nearest")
            x = x.expand(-1, form[0], -1, -1)
        return x.reshape(count, *form).to(dtype), y

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs.float(), targets)

    return Task(f"digits{list(form)}", batch, loss, math.log(10), size=size)


def pixels(levels: int = 17) -> Task:
    """Digits as sequences of 64 tokens, classified."""

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, y = _tokens(seed, count)
        return x.clamp_max(levels - 1), y

    return Task("digit tokens", batch, F.cross_entropy, math.log(10), level=0.8)


def _tokens(seed: int, count: int) -> tuple[Tensor, Tensor]:
    found = load_digits()
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(len(found.data), (count,), generator=generator)
    x = torch.tensor(found.data, dtype=torch.int64)[index]
    return x, torch.tensor(found.target)[index]


def reconstruct(*shape: int) -> Task:
    """Digits from themselves by the mean squared error."""
    form = shape or (64,)
    x, _ = digits()
    baseline = float((x - x.mean(0)).square().mean())

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        rows, _ = _picked(seed, count)
        return rows.reshape(count, *form), rows.reshape(count, *form)

    return Task(f"reconstruct{list(form)}", batch, F.mse_loss, baseline, level=0.75)


@functools.cache
def _diabetes() -> tuple[Tensor, Tensor]:
    found = load_diabetes()
    x = torch.tensor(found.data, dtype=torch.float32)
    return x / x.std(), torch.tensor(found.target, dtype=torch.float32)[:, None]


def regress(*, standardised: bool = True) -> Task:
    """Progress of diabetes from 10 numbers; not standardised, it has mean 152 and std 77."""
    x, y = _diabetes()
    if standardised:
        y = (y - y.mean()) / y.std()
    baseline = float((y - y.mean()).square().mean())

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        index = torch.randint(len(x), (count,), generator=generator)
        return x[index], y[index]

    return Task("diabetes", batch, F.mse_loss, baseline, level=0.75)


@functools.cache
def _text() -> Tensor:
    """Python's own license as bytes below 128."""
    from pydoc import getdoc

    text = "\n".join(
        getdoc(it) for it in [getattr(torch, name) for name in sorted(dir(torch))] if callable(it)
    )
    return torch.tensor([min(ord(c), 127) for c in text[:200_000]])


def language(length: int = 32) -> Task:
    """The next character of torch's docstrings; outputs are (batch, length, 128) logits."""
    text = _text()
    share = torch.bincount(text, minlength=128).double() / len(text)
    baseline = float(-(share[share > 0] * share[share > 0].log()).sum())

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randint(len(text) - length - 1, (count,), generator=generator)
        index = starts[:, None] + torch.arange(length)
        return text[index], text[index + 1]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs.flatten(0, -2).float(), targets.flatten())

    return Task("characters", batch, loss, baseline, level=0.93, size=16)
