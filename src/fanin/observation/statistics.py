"""From samples to the numbers of a signal; signals of one shape are computed together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs
import torch
from torch import Tensor

from fanin.observation.records import Statistics, Units
from fanin.observation.regions import Function, Intervals
from fanin.observation.sampling import Shown

_MOST_COMPARED: Final = 16
_FIRST_LOOK: Final = 8


@attrs.frozen
class Numbers:
    """Of one tensor: its statistics, its duplicated units, how alike its examples are."""

    statistics: Statistics
    duplicated: int
    correlation: float | None


def numbers(shown: Iterable[Shown], *, of_units: bool = True) -> dict[int, Numbers]:
    """By the id of what was shown; duplicated units and correlation only if asked for."""
    groups: dict[tuple[int, ...], list[Shown]] = {}
    for one in shown:
        groups.setdefault(tuple(one.sample.shape), []).append(one)
    found: dict[int, Numbers] = {}
    for group in groups.values():
        found.update(_of_one_shape(group, of_units=of_units))
    return found


def _of_one_shape(group: Sequence[Shown], *, of_units: bool) -> Mapping[int, Numbers]:
    stack = torch.stack([one.sample for one in group])
    flat = stack.flatten(1)
    means = flat.mean(1).tolist()
    largest = torch.linalg.vector_norm(flat, ord=math.inf, dim=1).tolist()
    zeros = (flat == 0).sum(1).tolist()
    duplicated = _duplicated(stack) if of_units else [0] * len(group)
    correlations = _correlations(stack) if of_units else [None] * len(group)
    sampled = flat.shape[1]
    return {
        id(one): Numbers(
            Statistics(
                one.norm / math.sqrt(one.size), largest[k], one.nonfinite, means[k],
                zeros[k] / sampled, one.size, sampled,
            ),
            duplicated[k],
            correlations[k],
        )
        for k, one in enumerate(group)
    }  # fmt: skip


def _correlations(stack: Tensor) -> list[float | None]:
    """Mean cosine between examples, from the length of the sum of their directions."""
    rows = stack[:, :_MOST_COMPARED].flatten(2)
    if rows.shape[1] < 2:
        return [None] * len(rows)
    lengths = torch.linalg.vector_norm(rows, dim=2, keepdim=True)
    there = (lengths.squeeze(2) > 0).sum(1)
    directions = rows / lengths.clamp_min(torch.finfo(torch.float32).tiny)
    together = torch.linalg.vector_norm(directions.sum(1), dim=1) ** 2
    cosines = (together - there) / (there * (there - 1)).clamp_min(1)
    return [
        cosine if count > 1 and math.isfinite(cosine) else None
        for cosine, count in zip(cosines.tolist(), there.tolist(), strict=True)
    ]


def _duplicated(stack: Tensor) -> list[int]:
    """Units that equal another everywhere: equal sums of a fixed random projection, checked."""
    tensors, examples, positions, units = stack.shape
    if examples * positions < 2 or units < 2:
        return [0] * tensors
    generator = torch.Generator().manual_seed(1)
    columns = stack.flatten(1, 2)
    first = columns[:, :_FIRST_LOOK]
    weights = torch.rand(first.shape[1], 1, generator=generator)
    keys, order = (first * weights).sum(1).sort(1)
    close = (keys[:, 1:] - keys[:, :-1]) <= 1e-6 * keys[:, 1:].abs()
    if not bool(close.any()):
        return [0] * tensors
    counts = []
    for k in range(tensors):
        pairs = close[k].nonzero().flatten()
        if not len(pairs):
            counts.append(0)
            continue
        left, right = order[k][pairs], order[k][pairs + 1]
        equal = (columns[k][:, left] == columns[k][:, right]).all(0)
        counts.append(len(set(left[equal].tolist()) | set(right[equal].tolist())))
    return counts


def units(shown: Shown, found: Numbers, function: Function | None) -> Units:
    """What single units show; dead and flat only where the function that follows is known."""
    examples, positions, count = shown.sample.shape
    flat = dead = None
    if function is not None and function.flat is not None and function.dead is not None:
        flat = _share(shown.sample, function.flat)
        dead = 0
        if function.dead:
            dead = int(_inside(shown.sample, function.dead).flatten(0, 1).all(0).sum())
    return Units(count, dead, found.duplicated, flat, examples * positions)


def _share(sample: Tensor, intervals: Intervals) -> float:
    return float(_inside(sample, intervals).float().mean()) if intervals else 0.0


def _inside(sample: Tensor, intervals: Intervals) -> Tensor:
    inside = torch.zeros_like(sample, dtype=torch.bool)
    for low, high in intervals:
        if low == -math.inf:
            inside |= sample <= high
        elif high == math.inf:
            inside |= sample >= low
        else:
            inside |= (sample >= low) & (sample <= high)
    return inside


def gradient_noise(inputs: Tensor, shown: Shown) -> float | None:
    """Trace of the covariance of single examples' gradients over the squared norm of their mean.

    Of a linear weight, from the outer products of its inputs and its output's gradients; the
    loss is taken to be a mean over the first axis. None where the gradient was sampled only.
    """
    gradient = shown.gradient
    if gradient is None or not gradient.whole or gradient.nonfinite or shown.sample.shape[0] < 2:
        return None
    outer = gradient.sample.reshape(*shown.shape[:-1], -1)
    x = inputs.float()
    if x.dim() == 2:
        single = (outer.square().sum(1) * x.square().sum(1)).sum()
        total = (outer.mT @ x).square().sum()
    else:
        each = torch.einsum("bto,bti->boi", outer, x)
        single, total = each.square().sum(), each.sum(0).square().sum()
    if not float(total) > 0:
        return None
    return float((len(x) * single - total) / total)
