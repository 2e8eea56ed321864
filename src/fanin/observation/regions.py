"""Regions: what a chain of elementwise functions computes, known by replaying it."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

import attrs
import torch

from fanin.observation.dataflow import Stage
from fanin.observation.graph import Value
from fanin.observation.records import Region
from fanin.observation.replaying import Elementwise, NotElementwise
from fanin.theory import gain

Intervals = tuple[tuple[float, float], ...]

_FLAT: Final = 0.01
_DEAD: Final = 1e-6
_GRID: Final = torch.linspace(-30, 30, 6001, dtype=torch.float64)
_MOST_REMEMBERED: Final = 1024
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
    """

    ops: tuple[str, ...]
    gain: float | None
    reason: str = ""
    flat: Intervals | None = None
    dead: Intervals | None = None
    silent: bool = False


IDENTITY: Final = Function((), 1.0, flat=(), dead=())
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
    flat, dead, silent = _flat_parts(replay) if len(replay.parts) == 1 else _UNKNOWN
    return Function(replay.ops, number, reason, flat, dead, silent)


def _flat_parts(replay: Elementwise) -> tuple[Intervals | None, Intervals | None, bool]:
    try:
        with torch.enable_grad():
            z = _GRID.clone().requires_grad_()
            made = replay(z * 1.0)
            if not isinstance(made, torch.Tensor) or not made.requires_grad:
                return _UNKNOWN
            (slope,) = torch.autograd.grad(made.sum(), z)
    except Exception:  # noqa: BLE001 - replayed functions may raise anything
        return _UNKNOWN
    size = slope.abs()
    largest = float(size[size.isfinite()].max()) if bool(size.isfinite().any()) else 0.0
    if not largest > 0:
        return _UNKNOWN
    flat, dead = _intervals(size <= _FLAT * largest), _intervals(size <= _DEAD * largest)
    silent = False
    if dead:
        inside = (dead[0][0] <= _GRID) & (dead[0][1] >= _GRID)
        silent = bool((made.detach()[inside].abs() <= _DEAD * largest).all())
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
        found.append(Region(function.ops, function.gain, target.kind, target.name, function.reason))
    return tuple(dict.fromkeys(found)) or (Region((), 1.0, "nothing", ""),)
