"""How what a thing holds is read and written back: containers, objects, generators, arrays.

Nothing here calls code of the thing's own class: containers go through the methods of their
built-in type, attributes through ``__dict__`` and slots, and things are compared by identity.
"""

from __future__ import annotations

import argparse
import random
import sys
import types
from collections import OrderedDict, UserDict, UserList, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import is_
from typing import Any

import numpy as np
import torch

_LEFT_ALONE = (type, types.FunctionType, types.ModuleType, Enum)
_BAGS = (types.SimpleNamespace, argparse.Namespace, UserDict, UserList)
_NOBODYS = sys.stdlib_module_names | {"torch", "numpy"}
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Contents:
    """How a kind of thing is read and written back.

    Args:
        read: what it holds, as a copy.
        write: give it back what was read.
        inner: the things in what was read that may hold something in turn.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]
    inner: Callable[[Any], Iterable[Any]]


def contents_of(kind: type) -> tuple[Contents, ...]:
    """All that things of this kind hold; nothing for functions, classes, and objects of libraries.

    An instance of a class of one's own that is a container too holds elements and attributes.
    """
    if issubclass(kind, _LEFT_ALONE):
        return ()
    known = tuple(contents for base, contents in _KINDS.items() if issubclass(kind, base))[:1]
    root = str(kind.__module__).partition(".")[0]
    if root in _NOBODYS and not issubclass(kind, _BAGS):
        return known
    return (*known, *([ATTRIBUTES] if kind.__dictoffset__ else []), *_slots(kind))


def _nothing(_: object) -> Iterable[Any]:
    return ()


def _same(things: Iterable[Any], others: Iterable[Any]) -> bool:
    return all(map(is_, things, others))


def _write_dict(held: dict[Any, Any], saved: dict[Any, Any]) -> None:
    if not (
        dict.__len__(held) == len(saved)
        and _same(dict.values(held), saved.values())
        and _same(dict.keys(held), saved)
    ):
        dict.clear(held)
        dict.update(held, saved)


def _read_dict(held: dict[Any, Any]) -> dict[Any, Any]:
    return held.copy() if type(held) is dict else dict(dict.items(held))


def _read_ordered_dict(held: OrderedDict[Any, Any]) -> dict[Any, Any]:
    return {key: dict.__getitem__(held, key) for key in OrderedDict.__iter__(held)}


def _write_ordered_dict(held: OrderedDict[Any, Any], saved: dict[Any, Any]) -> None:
    now = _read_ordered_dict(held)
    if not (len(now) == len(saved) and _same(now.values(), saved.values()) and _same(now, saved)):
        OrderedDict.clear(held)
        for key, value in saved.items():
            OrderedDict.__setitem__(held, key, value)


def _read_list(held: list[Any]) -> list[Any]:
    return list(list.__iter__(held))


def _write_list(held: list[Any], saved: list[Any]) -> None:
    if not (list.__len__(held) == len(saved) and _same(list.__iter__(held), saved)):
        list.__setitem__(held, slice(None), saved)


def _read_deque(held: deque[Any]) -> list[Any]:
    return list(deque.__iter__(held))


def _write_deque(held: deque[Any], saved: list[Any]) -> None:
    if not (deque.__len__(held) == len(saved) and _same(deque.__iter__(held), saved)):
        deque.clear(held)
        deque.extend(held, saved)


def _read_set(held: set[Any]) -> list[Any]:
    return list(set.__iter__(held))


def _write_set(held: set[Any], saved: list[Any]) -> None:
    if {id(element) for element in set.__iter__(held)} != {id(element) for element in saved}:
        set.clear(held)
        set.update(held, saved)


def _write_bytearray(held: bytearray, saved: bytes) -> None:
    if saved != bytearray.__getitem__(held, slice(None)):
        bytearray.__setitem__(held, slice(None), saved)


def _attributes(thing: object) -> dict[str, Any]:
    attributes: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    return attributes


def _read_attributes(thing: object) -> dict[str, Any]:
    return _attributes(thing).copy()


def _write_attributes(thing: object, saved: dict[str, Any]) -> None:
    _write_dict(_attributes(thing), saved)


def _slots(kind: type) -> tuple[Contents, ...]:
    slots = [
        member
        for base in kind.__mro__
        if "__slots__" in base.__dict__
        for member in base.__dict__.values()
        if isinstance(member, types.MemberDescriptorType)
    ]
    return tuple(_slot(member) for member in slots)


def _slot(member: types.MemberDescriptorType) -> Contents:
    def read(thing: object) -> object:
        try:
            return member.__get__(thing)
        except AttributeError:
            return _MISSING

    def write(thing: object, saved: object) -> None:
        if read(thing) is saved:
            return
        if saved is _MISSING:
            member.__delete__(thing)
        else:
            member.__set__(thing, saved)

    return Contents(read, write, lambda saved: (saved,))


def _read_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    return np.array(array, subok=False) if array.flags.writeable else None


def _write_array(array: np.ndarray[Any, Any], saved: np.ndarray[Any, Any] | None) -> None:
    if saved is not None:
        np.copyto(np.asarray(array), saved)


def _read_torch_generator(generator: torch.Generator) -> torch.Tensor:
    return generator.get_state()


def _write_torch_generator(generator: torch.Generator, saved: torch.Tensor) -> None:
    generator.set_state(saved)


def _read_python_generator(generator: random.Random) -> Any:
    try:
        return random.Random.getstate(generator)
    except NotImplementedError:  # the system's own has no state
        return None


def _write_python_generator(generator: random.Random, saved: Any) -> None:
    random.Random.setstate(generator, saved)


def _bits(generator: Any) -> Any:
    return generator if isinstance(generator, np.random.BitGenerator) else generator.bit_generator


def _read_numpy_generator(generator: Any) -> Any:
    return _bits(generator).state


def _write_numpy_generator(generator: Any, saved: Any) -> None:
    _bits(generator).state = saved


def _read_old_numpy_generator(generator: np.random.RandomState) -> Any:
    return generator.get_state(legacy=False)


def _write_old_numpy_generator(generator: np.random.RandomState, saved: Any) -> None:
    generator.set_state(saved)


ATTRIBUTES = Contents(_read_attributes, _write_attributes, dict.values)
DICT = Contents(_read_dict, _write_dict, dict.values)
ORDERED_DICT = Contents(_read_ordered_dict, _write_ordered_dict, dict.values)
LIST = Contents(_read_list, _write_list, iter)
SET = Contents(_read_set, _write_set, iter)
PYTHON_GENERATOR = Contents(_read_python_generator, _write_python_generator, _nothing)
OLD_NUMPY_GENERATOR = Contents(_read_old_numpy_generator, _write_old_numpy_generator, _nothing)


def _only_inner(elements: Callable[[Any], Iterable[Any]]) -> Contents:
    """A container that cannot change, though what is in it can."""
    return Contents(lambda held: list(elements(held)), lambda _, __: None, iter)


_KINDS: Mapping[type, Contents] = {
    OrderedDict: ORDERED_DICT,
    dict: DICT,
    list: LIST,
    deque: Contents(_read_deque, _write_deque, iter),
    set: SET,
    tuple: _only_inner(tuple.__iter__),
    frozenset: _only_inner(frozenset.__iter__),
    bytearray: Contents(bytes, _write_bytearray, _nothing),
    np.ndarray: Contents(_read_array, _write_array, _nothing),
    torch.Generator: Contents(_read_torch_generator, _write_torch_generator, _nothing),
    random.SystemRandom: Contents(lambda _: None, lambda _, __: None, _nothing),
    random.Random: PYTHON_GENERATOR,
    np.random.Generator: Contents(_read_numpy_generator, _write_numpy_generator, _nothing),
    np.random.BitGenerator: Contents(_read_numpy_generator, _write_numpy_generator, _nothing),
    np.random.RandomState: OLD_NUMPY_GENERATOR,
}
