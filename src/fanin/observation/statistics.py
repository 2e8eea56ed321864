"""From samples to the numbers of a signal; signals of one shape are computed together."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs
import torch
from torch import Tensor

from fanin.observation.readouts import Statistics, Units
from fanin.observation.regions import Function, Intervals
from fanin.observation.sampling import Shown

_MOST_COMPARED: Final = 16
_FIRST_LOOK: Final = 8
_MOST_OF_NOISE: Final = 1 << 22


@attrs.frozen
class Numbers:
    """Of one tensor: its statistics, its duplicated units, how its examples differ."""

    statistics: Statistics
    duplicated: tuple[int, ...]
    spread: Spread


@attrs.frozen
class Spread:
    """How the examples of one signal differ: as ``Signal`` has it."""

    examples: int = 0
    correlation: float | None = None
    varying: float | None = None
    rank: float | None = None


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
    low, high = torch.aminmax(flat, dim=1)
    largest = torch.maximum(-low, high).tolist()
    zeros = (flat == 0).sum(1).tolist()
    duplicated = _duplicated(stack) if of_units else [()] * len(group)
    spreads = _spreads(stack) if of_units else [Spread()] * len(group)
    sampled = flat.shape[1]
    return {
        id(one): Numbers(
            Statistics(
                one.norm / math.sqrt(one.size), largest[k], one.nonfinite, means[k],
                zeros[k] / sampled, one.size, sampled,
            ),
            duplicated[k],
            spreads[k],
        )
        for k, one in enumerate(group)
    }  # fmt: skip


def _spreads(stack: Tensor) -> list[Spread]:
    """Mean cosine between examples, and the size and number of directions of what differs."""
    rows = stack[:, :_MOST_COMPARED].flatten(2)
    count = rows.shape[1]
    if count < 2:
        return [Spread(count)] * len(rows)
    gram = rows @ rows.mT
    squares = gram.diagonal(dim1=1, dim2=2)
    lengths = squares.clamp_min(0).sqrt()
    there = (squares > 0).sum(1)
    outer = lengths[:, :, None] * lengths[:, None, :]
    cosines = torch.where(outer > 0, gram / outer, 0.0)
    total = cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)
    correlation = total / (there * (there - 1)).clamp_min(1)
    # Centred values, not a centred Gram: where examples hardly differ it would be lost.
    centred = rows - rows.mean(1, keepdim=True)
    inner = centred @ centred.mT
    trace = inner.diagonal(dim1=1, dim2=2).sum(1)
    power = squares.sum(1)
    varying = torch.where(power > 0, trace / power * (count / (count - 1)), 0.0)
    size = inner.square().sum((1, 2))
    rank = torch.where(size > 0, trace.square() / size, 0.0)
    numbers_of = zip(
        correlation.tolist(), there.tolist(), varying.tolist(), rank.tolist(), strict=True
    )
    return [
        Spread(
            count,
            cosine if alive > 1 and math.isfinite(cosine) else None,
            share if math.isfinite(share) else None,
            directions if math.isfinite(directions) else None,
        )
        for cosine, alive, share, directions in numbers_of
    ]


def _duplicated(stack: Tensor) -> list[tuple[int, ...]]:
    """Units that equal another everywhere: equal sums of a fixed random projection, checked."""
    tensors, examples, positions, units = stack.shape
    if examples * positions < 2 or units < 2:
        return [()] * tensors
    generator = torch.Generator().manual_seed(1)
    columns = stack.flatten(1, 2)
    first = columns[:, :_FIRST_LOOK]
    weights = torch.rand(first.shape[1], 1, generator=generator)
    keys, order = (first * weights).sum(1).sort(1)
    close = (keys[:, 1:] - keys[:, :-1]) <= 1e-6 * keys[:, 1:].abs()
    if not bool(close.any()):
        return [()] * tensors
    found: list[tuple[int, ...]] = []
    for k in range(tensors):
        pairs = close[k].nonzero().flatten()
        if not len(pairs):
            found.append(())
            continue
        left, right = order[k][pairs], order[k][pairs + 1]
        equal = (columns[k][:, left] == columns[k][:, right]).all(0)
        found.append(tuple(sorted({*left[equal].tolist(), *right[equal].tolist()})))
    return found


def units(shown: Shown, found: Numbers, function: Function | None) -> Units:
    """What single units show; dead and flat only where the function that follows is known."""
    examples, positions, count = shown.sample.shape
    flat: float | None = None
    dead: tuple[int, ...] | None = None
    always: int | None = None
    two_sided = off_half = False
    if function is not None and function.flat is not None and function.dead is not None:
        flat, dead = 0.0, ()
        if function.flat:
            inside = _inside(shown.sample, function.flat)
            flat = float(inside.sum()) / inside.numel()
            off_half = function.flat[0][0] == -math.inf and function.flat[0][1] >= -1.0
            two_sided = function.flat[0][0] == -math.inf and function.flat[-1][1] == math.inf
            if function.dead:
                if function.dead != function.flat:
                    inside = _inside(shown.sample, function.dead)
                by_unit = inside.flatten(0, 1)
                dead = tuple(by_unit.all(0).nonzero().flatten().tolist())
                edge = function.dead[0][1] if function.dead[0][0] == -math.inf else math.inf
                always = int((shown.sample >= abs(edge)).flatten(0, 1).all(0).sum())
    return Units(
        count, None if dead is None else len(dead), len(found.duplicated), flat,
        examples * positions, always, function is not None and function.silent, off_half, two_sided,
        dead or (), found.duplicated,
    )  # fmt: skip


def _inside(sample: Tensor, intervals: Intervals) -> Tensor:
    parts = [
        sample <= high if low == -math.inf
        else sample >= low if high == math.inf
        else (sample >= low) & (sample <= high)
        for low, high in intervals
    ]  # fmt: skip
    return functools.reduce(torch.logical_or, parts)


def gradient_noise(inputs: Tensor, gradient: Tensor) -> float | None:
    """Trace of the covariance of single examples' gradients over the squared norm of their mean.

    Of a linear weight, from the outer products of its inputs and its output's gradients; the
    loss is taken to be a mean over the first axis. None for less than two examples.
    """
    if hasattr(inputs, "to_local") or len(inputs) < 2:
        return None
    x, outer = inputs.float(), gradient.float()
    if x.dim() == 2:
        single = (outer.square().sum(1) * x.square().sum(1)).sum()
        total = (outer.mT @ x).square().sum()
    elif x[0].numel() * outer.shape[-1] <= _MOST_OF_NOISE:
        each = torch.einsum("bto,bti->boi", outer, x)
        single, total = each.square().sum(), each.sum(0).square().sum()
    else:
        return None
    if not 0 < float(total) < math.inf:
        return None
    return float((len(x) * single - total) / total)
