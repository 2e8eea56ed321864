"""What some modules and all that they hold are now, as steps that bring it back."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit._script import RecursiveScriptModule
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from fanin.errors import ModelError
from fanin.observation.contents import (
    ATTRIBUTES,
    DICT,
    LIST,
    ORDERED_DICT,
    SET,
    Contents,
    contents_of,
)
from fanin.observation.copies import TensorCopy

Step = tuple[Callable[[Any, Any], None], Any, Any]
"""What puts a thing back, the thing, and what it was."""

DEPTH = 4
_ENTRIES = 10_000  # so many of a container are looked into; it gets all of them back
_PLAIN = (type(None), bool, int, float, str, bytes, complex, torch.dtype, torch.Size, torch.device)
_CONTAINERS: dict[type, Contents] = {dict: DICT, OrderedDict: ORDERED_DICT, list: LIST, set: SET}
_TENSORS = (Tensor, nn.Parameter)


class Journal:
    """Everything that can be reached from some modules, each thing once.

    A module that only a list or dict refers to counts like one of the tree.

    Args:
        roots: the modules.

    Raises:
        ModelError: a parameter or buffer is lazy.
    """

    def __init__(self, roots: Iterable[nn.Module]) -> None:
        self._roots = tuple(roots)
        self._steps: list[Step] = []
        self._empty: list[Any] = []
        self._copies: list[TensorCopy] = []
        self._seen: dict[int, object] = {}  # which keeps them, so that no number is used twice
        self._known: dict[type, tuple[Contents, ...]] = {}
        self._plain: set[type] = set(_PLAIN)
        self._waiting = list(reversed(self._roots))
        while self._waiting:
            module = self._waiting.pop()
            if self._is_new(module):
                self._module(module)

    def steps(self) -> list[Step]:
        """All that is to be done, in an order in which it can be."""
        return [(_clear, thing, None) for thing in self._empty if thing] + self._steps

    def name_of(self, thing: object) -> str:
        """What to call a thing in a message: by its path, or by the class of its module."""
        for root in self._roots:
            for kind, named in (
                ("parameter", root.named_parameters),
                ("buffer", root.named_buffers),
                ("module", root.named_modules),
            ):
                for name, other in named():
                    if other is thing and name:
                        return f"{kind} {name!r}"
        for module in list(self._seen.values()):
            if isinstance(module, nn.Module):
                for name, parameter in module.named_parameters(recurse=False):
                    if parameter is thing:
                        return f"parameter {name!r} of a {type(module).__name__}"
        return f"something of type {type(thing).__name__}"

    def let_go(self) -> None:
        """Drop all copies; after this nothing can be put back."""
        for copy in self._copies:
            copy.let_go()
        self._steps.clear()
        self._copies.clear()
        self._seen.clear()

    def _is_new(self, thing: object) -> bool:
        if id(thing) in self._seen:
            return False
        self._seen[id(thing)] = thing
        return True

    def _module(self, module: nn.Module) -> None:
        attributes = ATTRIBUTES.read(module)
        self._steps.append((_put_back_module, module, (type(module), attributes)))
        self._visit(attributes.values(), 1)
        if isinstance(module, RecursiveScriptModule):
            self._visit(module.children(), 1)
            self._scripted(module._c, module._concrete_type)  # noqa: SLF001

    def _scripted(self, compiled: Any, its_type: Any) -> None:
        """What a compiled module holds lies in C++, and is read and written by name."""
        parameters: Any = torch._C.ParameterDict(compiled)  # noqa: SLF001
        for _, parameter in parameters.items():  # noqa: PERF102 - it has no values()
            self._tensor(parameter)
        for name in its_type.get_attributes():
            with contextlib.suppress(RuntimeError):  # a type that Python does not know
                value = compiled.getattr(name)
                self._visit((value,), 1)
                self._steps.append((_put_back_scripted, (compiled, name), value))

    def _visit(self, values: Iterable[Any], depth: int) -> None:
        """Write down what some values hold, which are that deep within a module."""
        for value in values:
            kind = type(value)
            if kind in _CONTAINERS:
                if not value:
                    self._empty.append(value)
                elif depth <= DEPTH and self._is_new(value):
                    self._contents(value, _CONTAINERS[kind], depth)
            elif kind in _TENSORS:
                self._tensor(value)
            elif kind not in self._plain:
                self._other(value, kind, depth)

    def _other(self, value: Any, kind: type, depth: int) -> None:
        if issubclass(kind, Tensor):
            if is_lazy(value):
                raise ModelError(
                    f"{self.name_of(value)} is lazy and has no shape yet, and could not be put "
                    "back. Run one forward pass first"
                )
            self._tensor(value)
        elif issubclass(kind, nn.Module):
            self._waiting.append(value)
        else:
            known = self._known.get(kind)
            if known is None:
                known = self._known[kind] = contents_of(kind)
            if not known:
                self._plain.add(kind)
            elif depth <= DEPTH and self._is_new(value):
                for contents in known:
                    self._contents(value, contents, depth)

    def _contents(self, value: Any, contents: Contents, depth: int) -> None:
        saved = contents.read(value)
        self._steps.append((contents.write, value, saved))
        self._visit(islice(contents.inner(saved), _ENTRIES), depth + 1)

    def _tensor(self, tensor: Tensor, *, gradient: bool = False) -> None:
        if not self._is_new(tensor):
            return
        if tensor.is_leaf:
            if tensor.grad is not None:
                self._tensor(tensor.grad, gradient=True)
            for hooks in (tensor._backward_hooks, tensor._post_accumulate_grad_hooks):  # noqa: SLF001
                if hooks is not None:
                    self._visit((hooks,), DEPTH)
        if tensor.__dict__:
            self._visit((tensor.__dict__,), DEPTH - 1)
        if type(tensor) not in _TENSORS and is_traceable_wrapper_subclass(tensor):
            return  # what it wraps are attributes
        copy = TensorCopy(tensor, on_write=gradient or type(tensor) is nn.Parameter)
        self._copies.append(copy)
        self._steps.append((_put_back_tensor, tensor, copy))


def _clear(empty: Any, _: None) -> None:
    empty.clear()


def _put_back_module(module: nn.Module, before: tuple[type, dict[str, Any]]) -> None:
    kind, attributes = before
    if type(module) is not kind:
        object.__setattr__(module, "__class__", kind)
    ATTRIBUTES.write(module, attributes)


def _put_back_scripted(place: tuple[Any, str], value: object) -> None:
    compiled, name = place
    if compiled.getattr(name) is not value:
        compiled.setattr(name, value)


def _put_back_tensor(_: Tensor, copy: TensorCopy) -> None:
    copy.put_back()
