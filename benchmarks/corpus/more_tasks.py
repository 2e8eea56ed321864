"""More real data as tasks: memory, pairs, sets, graphs, tables, and data to generate."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer, load_wine
from torch import Tensor

from benchmarks.corpus.case import Task
from benchmarks.corpus.tasks import digits, language, pixels

_LN10 = math.log(10)
_LN2 = math.log(2)


def _drawn(seed: int, size: int) -> tuple[Tensor, Tensor, torch.Generator]:
    x, y = digits()
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(len(x), (size,), generator=generator)
    return x[index], y[index], generator


def remembered(silence: int, noise: float = 0.0) -> Task:
    """The 8 rows of a digit, then steps of silence or noise: only early steps tell the label."""

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, y, generator = _drawn(seed, count)
        rest = noise * torch.randn(count, silence, 8, generator=generator)
        return torch.cat([x.view(count, 8, 8), rest], 1), y

    return Task(f"remembered[{silence}]", batch, F.cross_entropy, _LN10, level=0.8)


def of_lengths() -> Task:
    """Rows of digits, the last of them cut off, and how many are left."""

    def batch(seed: int, count: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        x, y, generator = _drawn(seed, count)
        return (x.view(count, 8, 8), torch.randint(5, 9, (count,), generator=generator)), y

    return Task("digits of lengths", batch, F.cross_entropy, _LN10)


def transcribed() -> Task:
    """Three digits as 24 rows, and their labels by CTC: uninformed, ln 10 a label."""

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, y, _ = _drawn(seed, 3 * count)
        return x.view(count, 24, 8), y.view(count, 3) + 1

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        steps = torch.full((len(outputs),), outputs.shape[1])
        lengths = torch.full((len(outputs),), 3)
        return F.ctc_loss(outputs.log_softmax(-1).transpose(0, 1), targets, steps, lengths)

    return Task("transcribed", batch, loss, _LN10, level=0.85, size=32)


def masked(length: int = 32) -> Task:
    """Characters; a quarter is to be told, and half of that is hidden behind token 0."""
    plain = language(length)

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        text, _ = plain.batch(seed, count)
        drawn = torch.rand(text.shape, generator=torch.Generator().manual_seed(seed))
        drawn[:, 0] = 0
        return text.masked_fill(drawn < 0.125, 0), text.masked_fill(drawn >= 0.25, -100)

    return Task("masked characters", batch, plain.loss, plain.baseline, level=0.93, size=16)


def labelled(plain: Task, *, shifted: bool = False) -> Task:
    """Keyword inputs with the labels among them; the model returns its own loss.

    Args:
        plain: gives tokens and targets.
        shifted: the targets are shifted already; else the model does that to the tokens.
    """

    def batch(seed: int, count: int) -> tuple[dict[str, Tensor], Tensor]:
        text, targets = plain.batch(seed, count)
        return {"input_ids": text, "labels": targets if shifted else text}, targets

    def loss(outputs: Any, targets: Tensor) -> Tensor:  # noqa: ARG001
        return outputs.loss

    return Task(f"{plain.name} with labels", batch, loss, plain.baseline, plain.level, plain.size)


def counted() -> Task:
    """Digits as 64 tokens, each of a level at a place: place * 17 + level."""
    plain = pixels()

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, y = plain.batch(seed, count)
        return x + 17 * torch.arange(64), y

    return Task("placed tokens", batch, F.cross_entropy, _LN10)


def points(count_of_points: int = 20) -> Task:
    """Digits as sets of their brightest pixels: row, column, brightness."""

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, y, _ = _drawn(seed, count)
        value, place = x.topk(count_of_points)
        row, column = place // 8, place % 8
        return torch.stack([row / 2 - 1.75, column / 2 - 1.75, value], -1), y

    return Task("points", batch, F.cross_entropy, _LN10, level=0.8)


def table(name: str) -> Task:
    """Breast cancer or wine, standardised."""
    found = {"breast cancer": load_breast_cancer, "wine": load_wine}[name]()
    x = torch.tensor(found.data, dtype=torch.float32)
    x = (x - x.mean(0)) / x.std(0)
    y = torch.tensor(found.target)
    share = torch.bincount(y) / len(y)

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(x), (count,), generator=torch.Generator().manual_seed(seed))
        return x[index], y[index]

    return Task(name, batch, F.cross_entropy, float(-(share * share.log()).sum()))


@functools.cache
def _graph(nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    x, y = digits()
    x, y = x[:nodes], y[:nodes]
    near = torch.cdist(x, x).topk(7, largest=False).indices
    return x, y, torch.stack([torch.arange(nodes).repeat_interleave(7), near.flatten()])


def nodes(form: str, count_of_nodes: int = 300) -> Task:
    """Labels of digits in the graph of their six nearest neighbours and themselves.

    Args:
        form: "dense" or "sparse" normalised adjacency, or "edges" (2, edges).
        count_of_nodes: of the graph.
    """
    x, y, edges = _graph(count_of_nodes)
    adjacency = torch.zeros(count_of_nodes, count_of_nodes)
    adjacency[edges[0], edges[1]] = 1
    adjacency = torch.maximum(adjacency, adjacency.T)
    root = adjacency.sum(1).rsqrt()
    adjacency = root[:, None] * adjacency * root
    second = {"dense": adjacency, "sparse": adjacency.to_sparse(), "edges": edges}[form]

    def batch(seed: int, count: int) -> tuple[tuple[Tensor, Tensor], Tensor]:  # noqa: ARG001
        return (x, second), y

    return Task(f"nodes[{form}]", batch, F.cross_entropy, _LN10, size=count_of_nodes)


def views() -> Task:
    """Two noisy views of each digit; a model gives (batch, batch) similarities for InfoNCE."""

    def batch(seed: int, count: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        x, _, generator = _drawn(seed, count)
        one, other = (x + 0.5 * torch.randn(x.shape, generator=generator) for _ in range(2))
        return (one, other), torch.arange(count)

    return Task("views", batch, F.cross_entropy, math.log(64), level=0.4)


def triplets() -> Task:
    """Anchor, another of its label, one of another; a model gives the two distances."""

    def batch(seed: int, count: int) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        x, y, generator = _drawn(seed, count)
        rows, labels = digits()
        order = torch.rand(count, len(rows), generator=generator)
        same = labels == y[:, None]
        positive = rows[order.masked_fill(~same, 0).argmax(1)]
        return (x, positive, rows[order.masked_fill(same, 0).argmax(1)]), y

    def loss(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:  # noqa: ARG001
        near, far = outputs
        return F.softplus(near - far).mean()

    return Task("triplets", batch, loss, _LN2, level=0.3)


def pairs() -> Task:
    """Two digits: of the same label or not? As many of each."""
    three = triplets()

    def batch(seed: int, count: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        (x, near, far), _ = three.batch(seed, count)
        same = torch.rand(count, generator=torch.Generator().manual_seed(seed)) < 0.5
        return (x, torch.where(same[:, None], near, far)), same.float()

    return Task("pairs", batch, F.binary_cross_entropy_with_logits, _LN2, level=0.8)


def both() -> Task:
    """The label by cross entropy and the digit by squared error, summed."""
    x, _ = digits()

    def batch(seed: int, count: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        rows, y, _ = _drawn(seed, count)
        return rows, (y, rows)

    def loss(outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(outputs[0], targets[0]) + F.mse_loss(outputs[1], targets[1])

    return Task("both", batch, loss, _LN10 + float((x - x.mean(0)).square().mean()))


def generated(name: str, loss: Callable[[Any, Any], Tensor], baseline: float, **rest: Any) -> Task:
    """Digits as rows, with a loss of one's own against the rows."""

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, _, _ = _drawn(seed, count)
        return x, x

    return Task(name, batch, loss, baseline, **rest)


def variational() -> Task:
    """Outputs (image, mean, log variance): squared error and a weak KL divergence."""
    x, _ = digits()

    def loss(outputs: tuple[Tensor, Tensor, Tensor], targets: Tensor) -> Tensor:
        image, mean, logvar = outputs
        divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()
        return F.mse_loss(image, targets) + 0.002 * divergence

    return generated("variational", loss, float((x - x.mean(0)).square().mean()), level=0.8)


def density(noise: float = 0.3) -> Task:
    """Noisy digits by likelihood; a model gives (z, log determinant).

    The loss is nats a pixel above the entropy of the noise; the best guess that knows no
    other pixel is a Gaussian for each.
    """
    x, _ = digits()
    floor = 0.5 * math.log(2 * math.pi * math.e * noise**2)
    baseline = float(0.5 * (1 + x.var(0) / noise**2).log().mean())

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        rows, _, generator = _drawn(seed, count)
        rows = rows + noise * torch.randn(rows.shape, generator=generator)
        return rows, rows

    def loss(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:  # noqa: ARG001
        z, determinant = outputs
        nats = 0.5 * z.square().sum(1) + 32 * math.log(2 * math.pi) - determinant
        return nats.mean() / 64 - floor

    return Task("density", batch, loss, baseline, level=0.95)


def denoise() -> Task:
    """Digits mixed with noise, and how much of it; the noise is to be told."""

    def batch(seed: int, count: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        x, _, generator = _drawn(seed, count)
        time = torch.rand(count, 1, generator=generator)
        noise = torch.randn(x.shape, generator=generator)
        angle = time * math.pi / 2
        return (angle.cos() * x + angle.sin() * noise, time), noise

    return Task("denoise", batch, F.mse_loss, 1.0)


def next_pixels(levels: int = 4) -> Task:
    """Each pixel, in few levels, from those before it; outputs (batch, levels, 8, 8)."""

    def coarse(rows: Tensor) -> Tensor:
        low, high = digits()[0].min(), digits()[0].max()
        return ((rows - low) / (high - low) * levels).long().clamp_max(levels - 1).view(-1, 8, 8)

    share = F.one_hot(coarse(digits()[0]), levels).double().mean(0)
    baseline = float(-(share * share.clamp_min(1e-12).log()).sum(-1).mean())

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        x, _, _ = _drawn(seed, count)
        return x.view(-1, 1, 8, 8), coarse(x)

    return Task("next pixels", batch, F.cross_entropy, baseline, level=0.93)


def coordinates(side: int = 4) -> Task:
    """Brightness at points of one picture: a square of digits."""
    x, _ = digits()
    image = x[: side**2].view(side, side, 8, 8).transpose(1, 2).reshape(8 * side, 8 * side)
    baseline = float((image - image.mean()).square().mean())

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        place = torch.randint(8 * side, (count, 2), generator=generator)
        return place / (4 * side) - 1, image[place[:, 0], place[:, 1]][:, None]

    return Task("coordinates", batch, F.mse_loss, baseline, size=256)


def fooled() -> Task:
    """Noise for a generator; a fixed discriminator is to call its images real."""

    def batch(seed: int, count: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(count, 16, generator=generator), torch.ones(count, 1)

    return Task("fooled", batch, F.binary_cross_entropy_with_logits, _LN2, level=0.3)


def weighted(plain: Task, factor: float) -> Task:
    """The same task with a loss that is multiplied, as a user's weighting would."""

    def loss(outputs: Any, targets: Any) -> Tensor:
        return factor * plain.loss(outputs, targets)

    return Task(
        f"{plain.name} x {factor:g}", plain.batch, loss, factor * plain.baseline,
        plain.level, plain.size,
    )  # fmt: skip
