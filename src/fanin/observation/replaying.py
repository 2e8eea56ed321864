"""Replaying recorded calls on other numbers, to know a function by what it does."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from fanin.observation.graph import Call, Kind, Value, mapped
from fanin.observation.operations import GATHERING, LIKE, MOVEMENTS, POINTWISE, SPLITS

PartKey = tuple[Hashable, ...]

_SHIFTS: Final = frozenset({"add", "sub", "rsub"})
_SCALES: Final = frozenset({"mul", "div", "rdiv"})


class NotElementwise(Exception):  # noqa: N818 - an answer, not a failure
    """What the calls compute is no function of one number; the message says why."""


class Elementwise:
    """The function of single numbers by which a value follows from another one.

    Movements are left out; parts of a split value are numbers of their own. Parameters that
    shift are 0 and those that scale are 1 here, as they are uses of their own.

    Args:
        end: the value that is computed.
        starts: ids of the values that it is a function of.
    """

    def __init__(self, end: Value, starts: set[int]) -> None:
        self._end = end
        self._starts = starts
        self.parts: list[PartKey] = []
        self.calls: list[Call] = []
        self._explore(end, (), set())
        self.calls.sort(key=lambda call: call.index)
        self._uses = self._linear_uses()

    def __call__(self, z: Any) -> Any:
        """Of a tensor or an array of float64; halves of the last axis for two parts."""
        numbers = torch.from_numpy(z) if isinstance(z, np.ndarray) else z
        parts = numbers.chunk(len(self.parts), -1) if len(self.parts) > 1 else (numbers,)
        variables = dict(zip(self.parts, parts, strict=True))
        result = self._evaluate(self._end, (), variables, {})
        return result.numpy() if isinstance(z, np.ndarray) else result

    @property
    def ops(self) -> tuple[str, ...]:
        """The functions by name; those inside a ``torch.autograd.Function`` by its name."""
        names: list[str] = []
        for call in self.calls:
            if call in self._uses:
                continue
            if call.inside is None:
                names.append(call.op)
            elif not names or names[-1] != call.inside:
                names.append(call.inside)
        return tuple(names)

    def _linear_uses(self) -> frozenset[Call]:
        """Shifts by parameters, and scales by them before or after all else: not the function's.

        A learned slope inside, as of Snake or Swish, is a part of it.
        """
        if not any(_has_parameter(call) for call in self.calls):
            return frozenset()
        first = [call for call in self.calls if self._reads_start(call)]
        return frozenset(
            call
            for call in self.calls
            if _has_parameter(call)
            and (
                call.op in _SHIFTS
                or (call.op in _SCALES and (first == [call] or self._is_last(call)))
            )
        )

    def _reads_start(self, call: Call) -> bool:
        return any(
            operand.is_data and self._before_movements(operand)[0] is None
            for operand in call.operands
        )

    def _is_last(self, call: Call) -> bool:
        return self._before_movements(self._end)[0] is call

    def signature(self) -> Hashable:
        """Equal for functions that compute the same."""
        order = {id(call): place for place, call in enumerate(self.calls)}

        def leaf(value: Any, call: Call) -> Any:
            if not isinstance(value, Value):
                return value if isinstance(value, Hashable) else str(value)
            if value.kind is Kind.DATA:
                producer, part = self._before_movements(value)
                return ("call", order.get(id(producer), -1), part)
            if value.kind is Kind.WEIGHT:
                return None if call in self._uses else _key(_weight(value, call))
            return "like" if value.producer is not None else _key(_number(value))

        return tuple(
            (
                call.op,
                call.inside,
                _frozen(mapped((call.args, call.kwargs), functools.partial(leaf, call=call))),
            )
            for call in self.calls
        )

    def _before_movements(self, value: Value) -> tuple[Call | None, PartKey]:
        part: PartKey = ()
        while value.producer is not None and id(value) not in self._starts:
            if not _moves(value.producer):
                return value.producer, part
            part = (*part, *_part(value))
            value = _moved_operand(value.producer)
        return None, part

    def _explore(self, value: Value, part: PartKey, seen: set[tuple[int, PartKey]]) -> None:
        if (id(value), part) in seen:
            return
        seen.add((id(value), part))
        if id(value) in self._starts:
            if part not in self.parts:
                self.parts.append(part)
            return
        call = value.producer
        if call is None:
            return
        if _moves(call):
            self._explore(_moved_operand(call), (*part, *_part(value)), seen)
            return
        if call.op not in POINTWISE and call.op not in {"rdiv", "rpow", *LIKE}:
            raise NotElementwise(f"{call.op} is not elementwise")
        if call not in self.calls and call.op not in LIKE:
            self.calls.append(call)
        for operand in call.operands:
            if operand.kind is Kind.DATA:
                self._explore(operand, part, seen)
            elif operand.kind is Kind.CONSTANT and operand.producer is None:
                _number(operand)

    def _evaluate(
        self,
        value: Value,
        part: PartKey,
        variables: dict[PartKey, Tensor],
        known: dict[tuple[int, PartKey], Tensor],
    ) -> Tensor:
        key = (id(value), part)
        if key in known:
            return known[key]
        if id(value) in self._starts:
            return variables[part]
        call = value.producer
        assert call is not None  # noqa: S101 - explored before
        if _moves(call):
            result = self._evaluate(_moved_operand(call), (*part, *_part(value)), variables, known)
        else:
            result = self._computed(call, part, variables, known)
        known[key] = result
        return result

    def _computed(
        self,
        call: Call,
        part: PartKey,
        variables: dict[PartKey, Tensor],
        known: dict[tuple[int, PartKey], Tensor],
    ) -> Tensor:
        def change(leaf: object) -> object:
            if not isinstance(leaf, Value):
                return leaf
            if leaf.kind is Kind.DATA or (leaf.producer is not None and leaf.producer.op in LIKE):
                made = self._evaluate(leaf, part, variables, known)
                return made.clone() if call.in_place else made
            if leaf.kind is Kind.WEIGHT:
                return _neutral(call) if call in self._uses else _weight(leaf, call)
            return _number(leaf)

        args, kwargs = mapped((call.args, call.kwargs), change)
        result = call.function(*args, **{k: v for k, v in kwargs.items() if k != "out"})
        if not isinstance(result, Tensor):
            raise NotElementwise(f"{call.op} gives no tensor")
        return result


def _moves(call: Call) -> bool:
    """A movement, or a signal that is written beside constants, as into an empty cache."""
    if call.op in MOVEMENTS:
        return True
    return call.op in GATHERING and sum(operand.is_data for operand in call.operands) == 1


def _moved_operand(call: Call) -> Value:
    return next((operand for operand in call.operands if operand.is_data), call.operands[0])


def _part(value: Value) -> PartKey:
    """Which part of a split value this is."""
    call = value.producer
    if call is None or call.op not in SPLITS:
        return ()
    if call.op == "getitem":
        index = call.args[1] if len(call.args) > 1 else None
        return () if _takes_all(index) else ((id(call.operands[0]), str(index)),)
    if call.op in {"select", "narrow"}:
        return ((id(call.operands[0]), str(call.args[1:]), str(call.kwargs)),)
    if len(call.outputs) < 2:
        return ()
    return ((id(call), call.outputs.index(value)),)


def _takes_all(index: object) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return all(item is None or item is Ellipsis or item == slice(None) for item in items)


def _key(number: Tensor) -> Hashable:
    return (str(number.dtype), *number.flatten().tolist())


def _number(value: Value) -> Tensor:
    """A constant that is the same number everywhere, in float64 where it is no index."""
    tensor = value.tensor
    if tensor is None:
        raise NotElementwise("it depends on the position")
    if tensor.numel() != 1:
        first = tensor.flatten()[:1]
        if tensor.numel() == 0 or not bool((tensor == first).all()):
            raise NotElementwise("it depends on the position")
        tensor = first
    number = tensor.detach().reshape(()).cpu()
    return number.double() if number.is_floating_point() else number


def _neutral(call: Call) -> Tensor:
    return torch.tensor(0.0 if call.op in _SHIFTS else 1.0, dtype=torch.float64)


def _has_parameter(call: Call) -> bool:
    kinds = [operand.kind for operand in call.operands]
    return Kind.WEIGHT in kinds and Kind.DATA in kinds


def _weight(value: Value, call: Call) -> Tensor:
    if value.tensor is None and value.producer is not None:
        return _derived(value)
    if value.tensor is None:
        raise NotElementwise(f"{call.op} has a learned operand")
    flat = value.tensor.detach().flatten().double().cpu()
    if flat.numel() > 1 and not bool((flat == flat[0]).all()):
        raise NotElementwise(f"{call.op} differs between units")
    return flat[:1] if call.op == "prelu" else flat[0]


def _derived(value: Value) -> Tensor:
    """What follows elementwise from parameters."""
    call = value.producer
    assert call is not None  # noqa: S101 - the caller looked
    if call.op in MOVEMENTS:
        return _weight(_first_weight(call), call)
    if call.op not in POINTWISE:
        raise NotElementwise(f"{call.op} has a learned operand")

    def change(leaf: object) -> object:
        if not isinstance(leaf, Value):
            return leaf
        return _weight(leaf, call) if leaf.kind is Kind.WEIGHT else _number(leaf)

    args, kwargs = mapped((call.args, call.kwargs), change)
    result = call.function(*args, **kwargs)
    assert isinstance(result, Tensor)  # noqa: S101 - elementwise functions give tensors
    return result


def _first_weight(call: Call) -> Value:
    return next(operand for operand in call.operands if operand.is_weight)


def _frozen(value: Any) -> Hashable:
    if isinstance(value, tuple | list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, _frozen(item)) for key, item in value.items())
    return value if isinstance(value, Hashable) else str(value)


def run_again(end: Value, starts: dict[int, Tensor], calls: list[Call]) -> Tensor:
    """The value that recorded calls give for other tensors, of the same shapes.

    Raises:
        NotElementwise: something on the way is not known any more.
    """
    known: dict[int, Tensor] = dict(starts)
    for call in calls:
        if "dropout" in call.op:  # another draw would be another function
            known[id(call.outputs[0])] = known[id(call.operands[0])]
            continue

        def change(leaf: object, call: Call = call) -> object:
            if not isinstance(leaf, Value):
                return leaf
            if id(leaf) in known:
                return known[id(leaf)].clone() if call.in_place else known[id(leaf)]
            if leaf.kind is Kind.WEIGHT:
                return _neutral(call) if call.op in _SHIFTS | _SCALES else _weight(leaf, call)
            if leaf.tensor is None:
                raise NotElementwise("a constant on the way is not known any more")
            return leaf.tensor

        args, kwargs = mapped((call.args, call.kwargs), change)
        result = call.function(*args, **kwargs)
        outputs = result if isinstance(result, tuple | list) else (result,)
        for output, made in zip(call.outputs, outputs, strict=False):
            known[id(output)] = made
    return known[id(end)]
