"""Regions: what a chain of elementwise functions computes, known by replaying it."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

import attrs
import torch

from fanin.observation.dataflow import Stage
from fanin.observation.graph import Value
from fanin.observation.records import Region, Response
from fanin.observation.replaying import Elementwise, NotElementwise
from fanin.theory import gain

Intervals = tuple[tuple[float, float], ...]

_FLAT: Final = 0.01
_DEAD: Final = 1e-6
_GRID: Final = torch.linspace(-30, 30, 6001, dtype=torch.float64)
_BETWEEN: Final = (_GRID[1:] + _GRID[:-1]) / 2
"""Slopes are averaged over these places, so that a kink at one of the grid counts half and half."""
_MOST_REMEMBERED: Final = 1024
_SCALES: Final = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125)
"""Second moments at which responses are told; the grid resolves them."""
_UNKNOWN: Final = (None, None, False)


@attrs.frozen
class Function:
    """What the way from a stage to a value computes.

    Args:
        ops: its elementwise functions.
        gain: of it; None where it has none.
        reason: why not.
        flat: intervals where its slope is below a hundredth of the largest; None if unknown.
        dead: intervals where its slope is 0.
        silent: in the lowest of these it gives zeros, as ReLU does and tanh does not.
        responses: to signals of several scales.
    """

    ops: tuple[str, ...]
    gain: float | None
    reason: str = ""
    flat: Intervals | None = None
    dead: Intervals | None = None
    silent: bool = False
    responses: tuple[Response, ...] = ()


IDENTITY: Final = Function(
    (), 1.0, flat=(), dead=(), responses=tuple(Response(q, 1.0, 1.0, 0.5, 1.0) for q in _SCALES)
)
_remembered: dict[Hashable, Function] = {}


def function_of(end: Value, stage: Stage) -> Function:
    """The elementwise function between a stage and a value that follows from it."""
    if id(end) in stage.starts:
        return IDENTITY
    if id(end) not in stage.functions:
        stage.functions[id(end)] = _function_of(end, stage)
    function: Function = stage.functions[id(end)]
    return function


def _function_of(end: Value, stage: Stage) -> Function:
    try:
        replay = Elementwise(end, stage.starts)
        key = (len(replay.parts), replay.signature())
    except (NotElementwise, RecursionError) as reason:
        return Function(_ops_before(end, stage), None, str(reason))
    if not replay.ops and len(replay.parts) <= 1:
        return IDENTITY
    if key not in _remembered:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = _computed(replay)
    return _remembered[key]


def _ops_before(end: Value, stage: Stage) -> tuple[str, ...]:
    """The last elementwise functions before a value, for what has no replay."""
    from fanin.observation.operations import MOVEMENTS

    ops: list[str] = []
    value, starts = end, stage.starts
    while id(value) not in starts and value.producer is not None and len(ops) < 8:
        if value.producer.op not in MOVEMENTS:
            ops.append(value.producer.op)
        data = [operand for operand in value.producer.operands if operand.is_data]
        if not data:
            break
        value = data[0]
    return tuple(reversed(ops))


def _computed(replay: Elementwise) -> Function:
    if len(replay.parts) > 2:
        return Function(replay.ops, None, f"it joins {len(replay.parts)} parts of one signal")
    try:
        number = gain(replay)
        reason = ""
    except Exception as error:  # noqa: BLE001 - replayed functions may raise anything
        number, reason = None, str(error).splitlines()[0]
    drawn = _drawn(replay, _GRID) if len(replay.parts) == 1 else None
    between = None if drawn is None else _drawn(replay, _BETWEEN)
    if drawn is None or between is None:
        return Function(replay.ops, number, reason)
    flat, dead, silent = _flat_parts(*drawn)
    return Function(
        replay.ops, number, reason, flat, dead, silent, _responses(drawn[0], between[1])
    )


def _drawn(replay: Elementwise, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The function and its slope, as a gradient meets it; None where it cannot be had."""
    try:
        with torch.enable_grad():
            z = places.clone().requires_grad_()
            made = replay(z * 1.0)
            if not isinstance(made, torch.Tensor) or not made.requires_grad:
                return None
            (slope,) = torch.autograd.grad(made.sum(), z)
    except Exception:  # noqa: BLE001 - replayed functions may raise anything
        return None
    return made.detach(), slope


def _responses(values: torch.Tensor, slope: torch.Tensor) -> tuple[Response, ...]:
    odd, odd_slope = values - values.flip(0), slope + slope.flip(0)
    found = []
    for q in _SCALES:
        at, beside = (_density(places, q) for places in (_GRID, _BETWEEN))
        even = [
            float((weight * it.square()).sum())
            for weight, it in ((at, values), (beside, slope), (at, odd), (beside, odd_slope))
        ]
        if not all(map(math.isfinite, even)) or not even[0] > 0:
            return ()
        # The odd part of an even function is 0 up to rounding.
        pair = even[2] > 1e-12 * even[0]
        found.append(
            Response(
                q, math.sqrt(q / even[0]), q * even[1] / even[0],
                math.sqrt(q / even[2]) if pair else math.inf,
                q * even[3] / even[2] if pair else math.inf,
            )
        )  # fmt: skip
    return tuple(found)


def _density(places: torch.Tensor, q: float) -> torch.Tensor:
    weight = torch.exp(-places.square() / (2 * q))
    return weight / weight.sum()


def _flat_parts(
    made: torch.Tensor, slope: torch.Tensor
) -> tuple[Intervals | None, Intervals | None, bool]:
    size = slope.abs()
    largest = float(size[size.isfinite()].max()) if bool(size.isfinite().any()) else 0.0
    if not largest > 0:
        return _UNKNOWN
    flat, dead = _intervals(size <= _FLAT * largest), _intervals(size <= _DEAD * largest)
    silent = False
    if dead:
        inside = (dead[0][0] <= _GRID) & (dead[0][1] >= _GRID)
        silent = bool((made[inside].abs() <= _DEAD * largest).all())
    return flat, dead, silent


def _intervals(inside: torch.Tensor) -> Intervals:
    """Runs of at least three points of the grid; those at its ends go on for ever."""
    edges = torch.diff(inside.int(), prepend=torch.zeros(1), append=torch.zeros(1))
    starts = (edges == 1).nonzero().flatten().tolist()
    stops = (edges == -1).nonzero().flatten().tolist()
    found = []
    for start, stop in zip(starts, stops, strict=True):
        if stop - start < 3:
            continue
        low = -math.inf if start == 0 else float(_GRID[start])
        high = math.inf if stop == len(_GRID) else float(_GRID[stop - 1])
        found.append((low, high))
    return tuple(found)


def regions(stage: Stage) -> tuple[Region, ...]:
    """What follows a stage, one region for each way on."""
    ends: dict[int, tuple[Value, Stage]] = {}
    for target, value in stage.outputs:
        ends.setdefault(id(value), (value, target))
    found = []
    for value, target in ends.values():
        function = function_of(value, stage)
        found.append(
            Region(
                function.ops, function.gain, target.kind, target.name, function.reason,
                function.responses,
            )
        )  # fmt: skip
    return tuple(dict.fromkeys(found)) or (Region((), 1.0, "nothing", ""),)
