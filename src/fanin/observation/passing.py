"""One recorded pass: forward, loss and backward of a model on a batch."""

from __future__ import annotations

import gc
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.observation.graph import Kind, Value, tensors_in
from fanin.observation.objective import Loss, loss_of, main_outputs
from fanin.observation.recording import Recorder, Watcher
from fanin.observation.whereabouts import Named, Whereabouts


@attrs.frozen
class Pass:
    """What one pass left.

    Args:
        recorder: with its calls.
        inputs: by name, each with whether it is an index.
        outputs: the values of the model's main outputs.
        tensors: these outputs.
        loss: None where only the forward pass ran.
        loss_value: of the loss, in the graph.
        forward_calls: how many calls the model itself made.
    """

    recorder: Recorder
    inputs: dict[str, tuple[Value, bool]]
    outputs: list[Value]
    tensors: list[Tensor]
    loss: Loss | None
    loss_value: Value | None
    forward_calls: int

    @property
    def ends(self) -> list[Value]:
        """What the pass was for: the outputs and the loss."""
        return [*self.outputs, *([] if self.loss_value is None else [self.loss_value])]


def arguments_of(inputs: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How ``model`` is called: a tuple is positional, a mapping holds keyword arguments."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    if isinstance(inputs, tuple) and not hasattr(inputs, "_fields"):
        return inputs, {}
    return (inputs,), {}


def run(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss: Callable[..., Any] | None,
    parameters: Iterable[Named],
    watcher: Watcher,
    *,
    with_loss: bool = True,
) -> Pass:
    """Record one forward pass and its loss.

    Raises:
        Exception: whatever model or loss raise, with a note that says where.
    """
    losses = {"loss": loss} if isinstance(loss, nn.Module) else {}
    whereabouts = Whereabouts(model, **losses)
    recorder = Recorder(parameters, whereabouts, watcher)
    args, kwargs = _copied(arguments_of(inputs), {})
    declared = _declared(recorder, model, args, kwargs)
    with whereabouts.followed(), recorder:
        with explained("the model's own forward pass", whereabouts):
            output = model(*args, **kwargs)
        tensors = main_outputs(output)
        outputs = [recorder.value_of(tensor) for tensor in tensors]
        forward_calls = len(recorder.calls)
        if not with_loss:
            return Pass(recorder, declared, outputs, tensors, None, None, forward_calls)
        with explained("the loss", whereabouts):
            made = loss_of(output, targets, loss)
        value = recorder.value_of(made.value)
    return Pass(recorder, declared, outputs, tensors, made, value, forward_calls)


def _copied(container: Any, known: dict[int, Tensor]) -> Any:
    """Tensors in plain containers anew, one for one: forward may write into what it gets."""
    if isinstance(container, Tensor):
        if id(container) not in known:
            copy = container.detach().clone().requires_grad_(container.requires_grad)
            known[id(container)] = copy
        return known[id(container)]
    if type(container) in {tuple, list}:
        return type(container)(_copied(item, known) for item in container)
    if type(container) is dict:
        return {key: _copied(item, known) for key, item in container.items()}
    return container


def _declared(
    recorder: Recorder, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, tuple[Value, bool]]:
    found: dict[str, tuple[Value, bool]] = {}
    seen: set[int] = set()
    for name, container in named_arguments(model, args, kwargs):
        tensors = list(tensors_in(container))
        for place, tensor in enumerate(tensors):
            full = name if len(tensors) == 1 else f"{name}[{place}]"
            is_index = not (tensor.is_floating_point() or tensor.is_complex())
            if id(tensor) not in seen:
                found[full] = (recorder.declare(tensor, Kind.DATA, full), is_index)
                seen.add(id(tensor))
    return found


def named_arguments(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The arguments by the names that ``forward`` gives them."""
    try:
        names = [
            parameter.name
            for parameter in inspect.signature(model.forward).parameters.values()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
    except (TypeError, ValueError):
        names = []
    for place, argument in enumerate(args):
        yield (names[place] if place < len(names) else f"input {place}"), argument
    yield from kwargs.items()


@contextmanager
def explained(what: str, whereabouts: Whereabouts | None = None) -> Iterator[None]:
    """An exception passes as it is, with one note: whose it is and in which module it arose."""
    from fanin.errors import FaninError

    try:
        yield
    except FaninError:
        raise
    except Exception as error:
        failed = None if whereabouts is None else whereabouts.failed
        place = ""
        if failed is not None and failed[0] is error:
            path, kind = failed[1], type(failed[2]).__name__
            place = f", in module {path!r} ({kind})" if path else f", in {kind}"
        error.add_note(f"fanin: raised by {what}{place}, not by fanin")
        raise


@contextmanager
def ordinary_surroundings() -> Iterator[None]:
    """Gradients on, compiled parts run eagerly, reentrant checkpoints run plainly."""
    with ExitStack() as stack:
        stack.enter_context(_uncollected())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_plain_checkpoints())
        stack.enter_context(warnings.catch_warnings())
        # The hooks that tell which module runs are ours, and compiled parts run eagerly.
        warnings.filterwarnings("ignore", message="Using `torch.compile.* global hooks")
        yield


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection: thousands of small records are made, and none of them is garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _plain_checkpoints() -> Iterator[None]:
    """A reentrant checkpoint hides its parameters from autograd.grad, so it is run through."""
    from torch.utils.checkpoint import CheckpointFunction

    def apply(function: Callable[..., Any], _: bool, *args: Any) -> Any:
        return function(*args)

    setattr(CheckpointFunction, "apply", staticmethod(apply))  # noqa: B010 - a method is replaced
    try:
        yield
    finally:
        delattr(CheckpointFunction, "apply")
