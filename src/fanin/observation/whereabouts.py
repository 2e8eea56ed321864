"""Which module is running, and what the parameters are called."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


@attrs.frozen
class Named:
    """A parameter with its names, the first as ``named_parameters`` gives it."""

    tensor: Tensor
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.names[0]


def named(model: nn.Module) -> tuple[Named, ...]:
    """Every parameter once, with all its names, in the order of ``named_parameters``."""
    names: dict[int, list[str]] = {}
    tensors: dict[int, Tensor] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
        tensors[id(parameter)] = parameter
    return tuple(Named(tensors[key], tuple(found)) for key, found in names.items())


class Whereabouts:
    """The stack of running modules, of one thread.

    Args:
        model: whose modules bear names.
        others: modules beside it, e.g. a loss; their parts are named with a prefix.
    """

    def __init__(self, model: nn.Module, **others: nn.Module) -> None:
        self._paths: dict[int, str] = {}
        for prefix, root in (("", model), *others.items()):
            for path, module in root.named_modules():
                full = ".".join(part for part in (prefix, path) if part)
                self._paths.setdefault(id(module), full)
        self._stack: list[nn.Module] = []
        self._thread = threading.get_ident()
        self.failed: tuple[BaseException, str, nn.Module] | None = None

    @property
    def path(self) -> str:
        """Of the innermost running module that has a name."""
        for module in reversed(self._stack):
            if id(module) in self._paths:
                return self._paths[id(module)]
        return ""

    @property
    def module(self) -> nn.Module | None:
        return self._stack[-1] if self._stack else None

    def name_of(self, tensor: Tensor) -> str | None:
        """The name that a running module gives a parameter which the model did not have before.

        Sharded modules swap their parameters for whole ones while they run.
        """
        for module in reversed(self._stack):
            for name, parameter in module.named_parameters(recurse=False):
                if parameter is tensor and id(module) in self._paths:
                    return ".".join(part for part in (self._paths[id(module)], name) if part)
        return None

    @contextmanager
    def followed(self) -> Iterator[Whereabouts]:
        """While inside, running modules are known."""
        handles = (
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        )
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()
            self._stack.clear()

    def _enter(self, module: nn.Module, _: Any) -> None:
        if threading.get_ident() == self._thread:
            self._stack.append(module)

    def _leave(self, module: nn.Module, _: Any, __: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        error = sys.exception()
        if error is not None and (self.failed is None or self.failed[0] is not error):
            self.failed = (error, self.path, module)
        while self._stack:
            if self._stack.pop() is module:
                break
