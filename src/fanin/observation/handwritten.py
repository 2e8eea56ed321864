"""Norms that are written by hand, known by what they do: they forget the scale."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Any, Final

import torch

from fanin.observation.graph import Call, Value, mapped
from fanin.observation.replaying import run_again

_TOLERANCE: Final = 0.01
_FACTOR: Final = 8.0
_MOST_REMEMBERED: Final = 256
_remembered: dict[Hashable, Verdict] = {}


class Verdict(Enum):
    """What a combination of a signal with its own statistics is."""

    NORM = "its result does not change with the scale of the signal"
    CENTERED = "its result has the scale of the signal"
    OTHER = "neither"


def judged(call: Call, starts: Sequence[Value], calls: Sequence[Call]) -> Verdict:
    """Whether a call completes a norm: run again on numbers, and on the same eight times as large.

    Args:
        call: combines a signal and statistics of it.
        starts: the values that the calls begin with.
        calls: from there to the call, in order.
    """
    key = _signature(starts, calls)
    if key not in _remembered:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = _judge(call, starts, calls)
    return _remembered[key]


def _judge(call: Call, starts: Sequence[Value], calls: Sequence[Call]) -> Verdict:
    generator = torch.Generator().manual_seed(0)
    numbers = {
        id(value): 0.3 + torch.randn(value.shape, generator=generator) for value in starts
    }  # fmt: skip
    larger = {key: tensor * _FACTOR for key, tensor in numbers.items()}
    try:
        with torch.no_grad():
            end = call.outputs[0]
            once, again = run_again(end, numbers, [*calls]), run_again(end, larger, [*calls])
    except Exception:  # noqa: BLE001 - replayed functions may raise anything
        return Verdict.OTHER
    if not (once.is_floating_point() and bool(once.isfinite().all())):
        return Verdict.OTHER
    size = float(once.double().norm())
    if size == 0.0:
        return Verdict.OTHER
    if float((again.double() - once.double()).norm()) <= _TOLERANCE * size:
        return Verdict.NORM
    if float((again.double() - _FACTOR * once.double()).norm()) <= _TOLERANCE * _FACTOR * size:
        return Verdict.CENTERED
    return Verdict.OTHER


def _signature(starts: Sequence[Value], calls: Sequence[Call]) -> Hashable:
    places = {id(value): ("start", place) for place, value in enumerate(starts)}

    def leaf(value: Any) -> Any:
        if isinstance(value, Value):
            return places.get(id(value), ("other", value.kind.name, len(value.shape)))
        return str(value)

    parts: list[Hashable] = [tuple(value.shape for value in starts)]
    for number, call in enumerate(calls):
        parts.append((call.op, str(mapped((call.args, call.kwargs), leaf))))
        for place, output in enumerate(call.outputs):
            places[id(output)] = ("made", number * 10 + place)
    return tuple(parts)
