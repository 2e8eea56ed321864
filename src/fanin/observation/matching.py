"""Matching: which operation reads each parameter, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from fanin.fans import Layout
from fanin.observation.graph import Call, Kind, Value
from fanin.observation.operations import (
    GATHERING,
    LIKE,
    LOOKUPS,
    MOVEMENTS,
    NORMS,
    POINTWISE,
    POOLS,
    PRODUCTS,
    REDUCTIONS,
    SOFTMAXES,
    WEIGHT_OPS,
    WEIGHT_SIDE,
)
from fanin.observation.pullback import Move, Origin, origins, pulled_back
from fanin.observation.slot import Slot
from fanin.observation.slots import slots

_UNDERSTOOD: Final = (
    MOVEMENTS | POINTWISE | REDUCTIONS | PRODUCTS | NORMS | GATHERING | SOFTMAXES | WEIGHT_SIDE
    | LIKE | WEIGHT_OPS | POOLS
)  # fmt: skip
"""What may lie between a parameter and the operation that reads it as its weight."""

_LONGEST_WAY: Final = 16
_OF_A_WEIGHT: Final = frozenset({"weight", "table"})


@attrs.define(eq=False)
class Reading:
    """A parameter in a slot of a call.

    Args:
        parameter: its value.
        call: the operation.
        role: as ``Use.role``.
        layout: of the parameter.
        through: operations on the way.
        window: rows of the first out axis that are read; None for all.
    """

    parameter: Value
    call: Call
    role: str
    layout: Layout | None = None
    through: tuple[str, ...] = ()
    window: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        assert self.parameter.name is not None  # noqa: S101 - for the type checker
        return self.parameter.name


@attrs.frozen
class Miss:
    """A parameter that meets an operation which no row of the table knows."""

    parameter: Value
    call: Call


class Matching:
    """Readings and misses of all calls on data.

    Args:
        calls: of a recording.
        ends: its outputs; made of parameters alone, they are signals none the less.
    """

    def __init__(self, calls: Iterable[Call], ends: Iterable[Value] = ()) -> None:
        self._readings: list[Reading] = []
        self.misses: list[Miss] = []
        self._known: dict[int, dict[int, Origin]] = {}
        self._matched: set[int] = set()
        for call in tuple(calls):
            if any(output.is_data for output in call.outputs):
                self._match(call)
        for end in ends:
            if end.is_weight and end.pending:
                self._promote(end)

    @property
    def readings(self) -> list[Reading]:
        """In the order of execution."""
        return sorted(self._readings, key=lambda reading: reading.call.index)

    def _match(self, call: Call) -> None:
        if id(call) in self._matched:
            return
        self._matched.add(id(call))
        has_weight = any(operand.is_weight for operand in call.operands)
        if not has_weight and call.op not in WEIGHT_OPS:
            return
        known = slots(call)
        if known is None:
            if call.op in MOVEMENTS or call.op in REDUCTIONS or call.op in LIKE:
                return  # a parameter that gives its type or its shape, or an index's bounds
            for operand in call.operands:
                self._miss(operand, call)
            return
        for slot in known:
            if slot.value.is_weight:
                self._read(slot, call)
            elif slot.role == "weight" and slot.layout is not None:
                self._read_through(slot, slot.layout, call)

    def _read_through(self, slot: Slot, layout: Layout, call: Call) -> None:
        """A weight that the data chose or scaled on the way: a matrix for each token, a style."""
        for origin in _behind(slot.value, self._known, gathered=call.op in PRODUCTS):
            pulled = pulled_back(origin, layout)
            if pulled is None:
                continue
            on_the_way = {id(move.call) for move in origin.way}
            self._readings = [
                one
                for one in self._readings
                if one.parameter is not origin.parameter or id(one.call) not in on_the_way
            ]
            self._readings.append(
                Reading(
                    origin.parameter, call, "weight", pulled.layout, origin.through, pulled.window
                )
            )

    def _read(self, slot: Slot, call: Call) -> None:
        value = slot.value
        if slot.role == "signal" or (value.pending and not _takes_weights(slot, call)):
            if value.pending:
                self._promote(value)
                return
            slot = attrs.evolve(slot, role="input" if slot.role == "signal" else slot.role)
        ways = origins(value, self._known).values()
        if value.pending and call.op in PRODUCTS and _is_a_signal(ways, slot):
            self._promote(value)
            return
        for origin in ways:
            self._add(origin, slot, call)

    def _promote(self, value: Value) -> None:
        """Made of parameters by a weight's operation, and used as a signal: so it is one.

        Learned queries and encoded coordinates pass through layers of their own before they
        meet the data.
        """
        call = value.producer
        if call is None:
            return
        for output in call.outputs:
            output.kind = Kind.DATA
        for operand in call.operands:
            if operand.pending and operand.is_weight and not _is_weight_slot(operand, call):
                self._promote(operand)
        self._match(call)

    def _add(self, origin: Origin, slot: Slot, call: Call) -> None:
        unknown = [move.call for move in origin.way if move.call.op not in _UNDERSTOOD]
        if unknown:
            self.misses.append(Miss(origin.parameter, unknown[0]))
            return
        role, layout, window = slot.role, None, None
        if role in _OF_A_WEIGHT:
            if _is_magnitude(origin):
                role = "magnitude"
            elif slot.layout is not None:
                pulled = pulled_back(origin, slot.layout)
                if pulled is not None:
                    layout, window = pulled.layout, pulled.window
        self._readings.append(Reading(origin.parameter, call, role, layout, origin.through, window))

    def _miss(self, operand: Value, call: Call) -> None:
        if operand.is_weight:
            self.misses += [
                Miss(origin.parameter, call) for origin in origins(operand, self._known).values()
            ]


def _behind(
    value: Value, known: dict[int, dict[int, Origin]], *, gathered: bool
) -> Iterator[Origin]:
    """Parameters that a weight's slot reads through what hangs on data.

    Args:
        value: in the slot.
        known: memory of ``origins``.
        gathered: only stacks of matrices of which data choose some.
    """
    stack: list[tuple[Value, tuple[Move, ...]]] = [(value, ())]
    while stack:
        current, after = stack.pop()
        call = current.producer
        if call is None or len(after) > _LONGEST_WAY:
            continue
        chosen = call.op in LOOKUPS or (call.op == "getitem" and len(call.operands) > 1)
        for operand in call.operands[: 1 if chosen else None]:
            way = (Move(call, operand, current), *after)
            if operand.is_weight and (
                (chosen and len(operand.shape) > 2)
                or (not chosen and not gathered and _is_scaled(call, operand, current))
            ):
                for origin in origins(operand, known).values():
                    yield Origin(origin.parameter, (*origin.way, *way))
            elif operand.is_data and not chosen and _carries(call, operand, current, gathered):
                stack.append((operand, way))


def _carries(call: Call, operand: Value, result: Value, gathered: bool) -> bool:
    return call.op in MOVEMENTS or (not gathered and _is_scaled(call, operand, result))


def _is_scaled(call: Call, operand: Value, result: Value) -> bool:
    """The operand has the axes of the result, and the other one scales it."""
    wide = sum(size > 1 for size in operand.shape)
    return call.op in {"mul", "div"} and wide > 1 and len(operand.shape) >= len(result.shape) - 1


def _is_a_signal(ways: Iterable[Origin], slot: Slot) -> bool:
    """Beside data in a product of two: made by layers, as encoded positions that are keys."""
    return any(move.call.op in WEIGHT_OPS - PRODUCTS for way in ways for move in way.way) or (
        slot.layout is not None and all(pulled_back(way, slot.layout) is None for way in ways)
    )


def _takes_weights(slot: Slot, call: Call) -> bool:
    """A weight slot beside data: what is made of parameters alone is the weight there."""
    if slot.role in {"bias", "slope"}:
        return True
    if slot.role not in _OF_A_WEIGHT:
        return False
    return any(operand.is_data for operand in call.operands) or call.op == "embedding"


def _is_weight_slot(operand: Value, call: Call) -> bool:
    """In a call on parameters alone, the operand that is a weight and not the signal."""
    for slot in slots(call) or ():
        if slot.value is operand:
            return slot.role in {"weight", "table", "bias"} and not operand.pending
    return False


def _is_magnitude(origin: Origin) -> bool:
    """The parameter only scales a weight that another one gives the direction of."""
    for move in origin.way:
        if move.call.op == "_weight_norm" or move.call.op in NORMS:
            if move.operand is not move.call.args[0]:
                return True
            continue
        if move.call.op in {"mul", "div"} and len(move.operand.shape) <= len(move.result.shape):
            small = sum(size > 1 for size in move.operand.shape)
            if small < sum(size > 1 for size in move.result.shape):
                return True
    return False
