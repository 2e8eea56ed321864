"""A key for what a callable computes: its code and every value that the code can see.

Two callables of one key compute the same. Where that cannot be told, there is no key, and
nothing is remembered.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Hashable, Iterator, Mapping
from typing import Final

import attrs
import numpy as np

_TRUSTED: Final = frozenset({"builtins", "math", "numpy", "scipy", "torch", "transformers"})
"""Packages whose functions are taken to stay what they are."""

_DEEPEST: Final = 12
_LARGEST: Final = 4_096
_MOST_PARTS: Final = 2_000


class _CannotTellError(Exception):
    """A value that may change unseen."""


def fingerprint(subject: object) -> Hashable | None:
    """The key of a callable; None where there is none."""
    try:
        return _Reader().read(subject, 0)
    except (_CannotTellError, TypeError, ValueError, RuntimeError, AttributeError):
        return None


class _Reader:
    """One walk; an object met again is a reference, so that cycles end."""

    def __init__(self) -> None:
        self.met: dict[int, int] = {}
        self.kept: list[object] = []

    def read(self, value: object, depth: int) -> Hashable:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            # repr tells 0.0 from -0.0 and 1 from True, and nan equals itself
            return (type(value), repr(value))
        if id(value) in self.met:
            return ("again", self.met[id(value)])
        self.met[id(value)] = len(self.met)
        self.kept.append(value)
        if depth > _DEEPEST or len(self.met) > _MOST_PARTS:
            raise _CannotTellError
        return self._read(value, depth + 1)

    def _read(self, value: object, depth: int) -> Hashable:
        if isinstance(value, types.FunctionType):
            return self._function(value, depth)
        if _is_fixed(value):
            return ("itself", id(value), _Kept(value))
        if isinstance(value, types.ModuleType):
            return ("module", value.__name__)
        if isinstance(value, types.MethodType):
            return ("method", self.read(value.__func__, depth), self.read(value.__self__, depth))
        if isinstance(value, functools.partial):
            parts = (value.func, value.args, value.keywords)
            return ("partial", *(self.read(part, depth) for part in parts))
        if isinstance(value, tuple | list):
            return (type(value), *(self.read(item, depth) for item in value))
        if isinstance(value, set | frozenset):
            return (type(value), *(self.read(item, depth) for item in sorted(value, key=repr)))
        if isinstance(value, Mapping):
            items = ((self.read(k, depth), self.read(v, depth)) for k, v in value.items())
            return (type(value), *items)
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.asarray(value))
        return self._tensor_or_object(value, depth)

    def _array(self, values: np.ndarray) -> Hashable:
        if values.size > _LARGEST or values.dtype == object:
            raise _CannotTellError
        return ("array", values.dtype.str, values.shape, values.tobytes())

    def _tensor_or_object(self, value: object, depth: int) -> Hashable:
        torch = sys.modules.get("torch")
        if torch is not None:
            if isinstance(value, torch.Tensor):
                if value.numel() > _LARGEST or value.is_meta:
                    raise _CannotTellError
                return ("tensor", str(value.dtype), tuple(value.shape), repr(value.tolist()))
            if isinstance(value, torch.dtype | torch.device):
                return ("torch", repr(value))
        kind: type = type(value)
        names = [field.name for field in attrs.fields(kind)] if attrs.has(kind) else []
        fields = {name: getattr(value, name) for name in names} or dict(vars(value))
        return ("object", kind, self.read(fields, depth))

    def _function(self, function: types.FunctionType, depth: int) -> Hashable:
        if _package(function) in _TRUSTED:
            return ("itself", id(function), _Kept(function))
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        seen = tuple((name, self.read(value, depth)) for name, value in _globals(function))
        state = (cells, function.__defaults__, function.__kwdefaults__)
        return ("function", function.__code__, seen, *(self.read(part, depth) for part in state))


class _Kept:
    """Holds an object, so that its id stays its own; all are equal."""

    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept)

    def __hash__(self) -> int:
        return 0


def _package(value: object) -> str:
    return str(getattr(value, "__module__", None) or "").partition(".")[0]


def _is_fixed(value: object) -> bool:
    if isinstance(value, np.ufunc):
        return True
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        return owner is None or isinstance(owner, type | types.ModuleType)
    if isinstance(value, type):
        return _package(value) in _TRUSTED
    return type(value).__name__ in {"method_descriptor", "wrapper_descriptor"}


def _globals(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """The global values that a function's code names, and those of modules among them."""
    names = set(_names(function.__code__))
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        yield name, value
        if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] not in _TRUSTED:
            for attribute in sorted(names & vars(value).keys()):
                yield f"{name}.{attribute}", vars(value)[attribute]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
