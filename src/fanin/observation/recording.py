"""Recording: every function of torch that one pass calls, with what it hangs on."""

from __future__ import annotations

import threading
import types
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fanin.observation.graph import Call, Kind, Value, mapped, tensors_in
from fanin.observation.kinds import SMALL, is_small_index, kind_of, recorded_op, root_of
from fanin.observation.operations import LIKE, MOVEMENTS
from fanin.observation.ownership import Ownership
from fanin.observation.whereabouts import Named, Whereabouts

_OPENED: Final = frozenset({"multi_head_attention_forward"})
"""Functions in Python of which the calls inside are recorded instead."""

_OF_TWO: Final = {"max": "maximum", "min": "minimum"}
"""Reductions that are elementwise where a second tensor is given."""

_SHARDINGS: Final = {
    "_ToTorchTensor": "to_local", "_FromTorchTensor": "from_local", "Redistribute": "redistribute",
}  # fmt: skip
"""Functions of sharded tensors that autograd alone sees; they move numbers."""

_OPENED_NAME: Final = "has_torch_function"


class Watcher(Protocol):
    """Sees each call while its tensors are alive."""

    def see(self, call: Call, operands: Sequence[Tensor], results: Sequence[Tensor]) -> None: ...


class Recorder(TorchFunctionMode):
    """Records calls while it is active, in the thread that made it.

    Values hang on the inputs (DATA), on parameters alone (WEIGHT) or on neither. A table that
    is looked up gives DATA whatever the index hangs on; another operation on parameters alone
    stays WEIGHT, and what it was for is decided by where its result goes.

    Args:
        parameters: of the model.
        whereabouts: knows the running module.
        watcher: sees the tensors.
    """

    def __init__(
        self, parameters: Iterable[Named], whereabouts: Whereabouts, watcher: Watcher
    ) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.ownership = Ownership()
        self._where = whereabouts
        self._watcher = watcher
        self._thread = threading.get_ident()
        self._inputs = 0
        self.parameters: dict[int, tuple[str, Tensor]] = {}
        self._values: dict[int, tuple[weakref.ref[Tensor], Value]] = {}
        self._storages: dict[int, list[weakref.ref[Tensor]]] = {}
        self._ops: dict[Callable[..., Any], str] = {}
        for parameter in parameters:
            self.declare(parameter.tensor, Kind.WEIGHT, parameter.name)

    def declare(self, tensor: Tensor, kind: Kind, name: str) -> Value:
        """A parameter, strong so that it can be replayed, or an input."""
        value = Value(
            kind, None, tuple(tensor.shape), name=name,
            tensor=tensor if kind is Kind.WEIGHT or is_small_index(tensor) else None,
        )  # fmt: skip
        if kind is Kind.WEIGHT:
            self.parameters[id(tensor)] = (name, tensor)
        if kind is Kind.DATA and (tensor.is_floating_point() or tensor.is_complex()):
            self._inputs += 1
            value.root = -1 - self._inputs
        self._remember(tensor, value)
        return value

    def value_of(self, tensor: Tensor) -> Value:
        """The value that a tensor has now."""
        known = self._values.get(id(tensor))
        is_known = known is not None and known[0]() is tensor
        value = known[1] if known is not None and is_known else self._unknown(tensor)
        if tensor.grad_fn is not None and not self.ownership.owns(tensor.grad_fn):
            value = self._through_the_unseen(tensor, value)
        return value

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        op = self._ops.get(func)
        if op is None:
            op = self._ops[func] = recorded_op(func)
        if not op or threading.get_ident() != self._thread:
            return func(*args, **kwargs)
        if op in _OPENED:
            with self:
                return _opened(func)(*args, **kwargs)
        operands = [*tensors_in(args), *tensors_in(kwargs)]
        if not operands:
            return func(*args, **kwargs)
        # In-place calls change what the operands are: their values are taken before.
        before = {id(tensor): self.value_of(tensor) for tensor in operands}
        edges = self.ownership.edges(operands)
        result = func(*args, **kwargs)
        self._record(func, op, (args, kwargs), operands, before, edges, result)
        return result

    def _record(
        self,
        func: Callable[..., Any],
        op: str,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        operands: list[Tensor],
        before: dict[int, Value],
        edges: set[object],
        result: Any,
    ) -> None:
        results = list(tensors_in(result))
        written = [
            tensor for tensor in operands if any(tensor is made for made in results)
        ]  # fmt: skip
        if written and op in MOVEMENTS:
            return  # .to(), .contiguous() and the like gave back what they got
        if op == "setitem":
            results = written = operands[:1]
        if not results:
            return
        args, kwargs = mapped(
            arguments, lambda leaf: before[id(leaf)] if isinstance(leaf, Tensor) else leaf
        )
        call = Call(
            len(self.calls), op, func, args, kwargs, self._where.path, self._where.module
        )  # fmt: skip
        call.in_place = bool(written)
        if op in _OF_TWO and len(call.operands) > 1:
            call.op = _OF_TWO[op]
        kind, pending = kind_of(call)
        if kind is Kind.CONSTANT and not any(made.requires_grad for made in results):
            self._constants(call, results, written)
            return
        self.calls.append(call)
        for operand in call.operands:
            operand.uses.append(call)
        root = root_of(call)
        for made in results:
            value = Value(
                kind, call, tuple(made.shape), pending=pending, tracked=made.grad_fn is not None
            )
            value.root = root
            call.outputs.append(value)
            self._remember(made, value, written=bool(written))
            if made.grad_fn is not None:
                self.ownership.take(made.grad_fn, call, edges)
        self._watcher.see(call, operands, results)

    def _constants(self, call: Call, results: list[Tensor], written: list[Tensor]) -> None:
        """Results that hang on neither inputs nor parameters are no part of the graph."""
        keep = call.op in LIKE
        for made in results:
            value = Value(Kind.CONSTANT, call if keep else None, tuple(made.shape))
            if keep:
                call.outputs.append(value)
            elif made.numel() <= SMALL:
                value.tensor = made
            self._remember(made, value, written=bool(written))

    def _remember(self, tensor: Tensor, value: Value, *, written: bool = False) -> None:
        key = id(tensor)
        known = self._values.get(key)
        if known is not None and known[0]() is tensor:
            self._values[key] = (known[0], value)
        else:
            self._values[key] = (weakref.ref(tensor), value)
        storage = _storage(tensor)
        if storage is None:
            return
        aliases = self._storages.setdefault(storage, [])
        if not written:
            if len(aliases) > 8:
                aliases[:] = [alias for alias in aliases if alias() is not None]
            aliases.append(self._values[key][0])
            return
        for alias in aliases:
            other = alias()
            if other is not None and other is not tensor and _storage(other) == storage:
                self._written_through(other, value)

    def _written_through(self, alias: Tensor, value: Value) -> None:
        """Another tensor on a storage that was written."""
        old = self._values[id(alias)][1]
        if old.is_parameter:
            return
        shared = Value(
            value.kind, value.producer, tuple(alias.shape), tracked=alias.grad_fn is not None
        )
        self._values[id(alias)] = (self._values[id(alias)][0], shared)
        if value.producer is not None:
            value.producer.outputs.append(shared)
            if alias.grad_fn is not None and not self.ownership.owns(alias.grad_fn):
                self.ownership.take(alias.grad_fn, value.producer, set())

    def _unknown(self, tensor: Tensor) -> Value:
        """A tensor that no recorded call made."""
        if isinstance(tensor, nn.Parameter):
            name = self._where.name_of(tensor)
            if name is not None:
                return self.declare(tensor, Kind.WEIGHT, name)
        inner = getattr(tensor, "_local_tensor", None)
        if isinstance(inner, Tensor):
            return self._wrapped(tensor, self.value_of(inner))
        storage = _storage(tensor)
        for alias in self._storages.get(storage, ()) if storage is not None else ():
            other = alias()
            if other is not None and other is not tensor and _storage(other) == storage:
                value = self._values[id(other)][1]
                if value.kind is not Kind.CONSTANT and other.shape == tensor.shape:
                    return value
        value = Value(Kind.CONSTANT, None, tuple(tensor.shape))
        if tensor.numel() <= SMALL:
            value.tensor = tensor
        self._remember(tensor, value)
        return value

    def _wrapped(self, tensor: Tensor, inner: Value) -> Value:
        """A sharded tensor around a local one."""
        if inner.kind is Kind.CONSTANT:
            value = Value(Kind.CONSTANT, None, tuple(tensor.shape))
            self._remember(tensor, value)
            return value
        return self._unseen_call("from_local", (inner,), tensor, inner.kind)

    def _unseen_call(
        self, op: str, operands: tuple[Value, ...], tensor: Tensor, kind: Kind
    ) -> Value:
        """A call that was not recorded, and the tensor that it made."""
        where = self._where
        call = Call(len(self.calls), op, _unseen, operands, {}, where.path, where.module)
        self.calls.append(call)
        for operand in call.operands:
            operand.uses.append(call)
        made = Value(kind, call, tuple(tensor.shape), tracked=tensor.grad_fn is not None)
        made.root = root_of(call)
        call.outputs.append(made)
        if tensor.grad_fn is not None:
            self.ownership.take(tensor.grad_fn, call, self.ownership.inputs(tensor.grad_fn))
        self._remember(tensor, made)
        return made

    def _through_the_unseen(self, tensor: Tensor, value: Value) -> Value:
        """A tensor whose gradient flows through something that made no recorded call.

        A ``torch.autograd.Function`` whose forward was recorded is known by its calls. Of
        compiled code only what autograd knows can be said: what went in.
        """
        function = tensor.grad_fn
        assert function is not None  # noqa: S101 - for the type checker
        name = type(function).__name__.removesuffix("Backward")
        name = _SHARDINGS.get(name, name)
        if value.producer is not None and not value.tracked:
            self._mark_inside(value, name)
            value.tracked = True
            self.ownership.take(function, value.producer, self.ownership.inputs(function))
            return value
        reached = self.ownership.reached(function)
        if value.producer is not None and not reached:
            return value
        made = self._unseen_call(name, tuple(reached), tensor, Kind.DATA)
        if name not in _SHARDINGS.values() and made.producer is not None:
            made.producer.inside = name
        return made

    def _mark_inside(self, value: Value, name: str) -> None:
        """The calls inside a Function: those before it that gave no gradient."""
        stack = [value.producer]
        while stack:
            call = stack.pop()
            if call is None or call.inside is not None:
                continue
            if any(output.tracked for output in call.outputs):
                continue
            call.inside = name
            stack.extend(operand.producer for operand in call.operands)


def _opened(function: Callable[..., Any]) -> Callable[..., Any]:
    """A Python function of torch without its own check for modes, so that its body is seen."""
    assert isinstance(function, types.FunctionType)  # noqa: S101 - for the type checker
    namespace = {**function.__globals__, _OPENED_NAME: lambda *_: False}
    opened = types.FunctionType(
        function.__code__, namespace, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    opened.__kwdefaults__ = function.__kwdefaults__
    return opened


def _unseen(*_: object) -> None:
    """Stands for what made no recorded call; never called."""


def _storage(tensor: Tensor) -> int | None:
    try:
        address: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - data_ptr copies lazy clones
    except (NotImplementedError, RuntimeError):
        return None
    return address
