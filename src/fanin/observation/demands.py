"""What an observation needs of a model and its inputs, said in one sentence where it lacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from fanin.errors import InputError, ModelError
from fanin.observation.graph import tensors_in
from fanin.observation.passing import arguments_of, named_arguments
from fanin.observation.whereabouts import Named


def require_observable(
    model: object, inputs: object, loss: object, parameters: Sequence[Named]
) -> None:
    """Refuse what cannot be observed, before anything runs.

    Raises:
        ModelError: no module, no parameters, lazy ones, or several devices that do not fit.
        InputError: inputs that are absent, not finite, or on another device.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"observe takes a torch.nn.Module, got {type(model).__name__}. Of a function, make "
            "a module whose forward calls it"
        )
    if loss is not None and not callable(loss):
        raise InputError(
            f"loss is a function of (outputs, targets) that gives one number, got {loss!r}"
        )
    if not parameters:
        raise ModelError(
            f"{type(model).__name__} has no parameters, so there is nothing to observe"
        )
    for named in parameters:
        if is_lazy(named.tensor):
            raise ModelError(
                f"parameter {named.name!r} is lazy and has no shape yet. Run one forward pass "
                "first, then observe"
            )
    if inputs is None:
        raise InputError(
            "observe needs inputs: a tensor, a tuple of positional arguments of forward, or a "
            "dict of its keyword arguments"
        )
    args, kwargs = arguments_of(inputs)
    devices = {named.tensor.device for named in parameters}
    for name, container in named_arguments(model, args, kwargs):
        for tensor in tensors_in(container):
            _require_usable(name, tensor, devices)
    for named in parameters:
        if named.tensor.is_meta:
            raise ModelError(
                f"parameter {named.name!r} is on the meta device and holds no numbers. Put the "
                "model on a device first: model.to_empty(device=...), then fanin.init_"
            )


def _require_usable(name: str, tensor: Tensor, devices: set[torch.device]) -> None:
    if len(devices) == 1 and tensor.device.type != next(iter(devices)).type:
        (device,) = devices
        raise InputError(
            f"input {name!r} is on {tensor.device}, the model on {device}. Move one of them: "
            f"{name}.to({str(device)!r})"
        )
    if tensor.is_meta or not (tensor.is_floating_point() or tensor.is_complex()):
        return
    if tensor.layout is not torch.strided:
        return
    wrong = tensor.numel() - int(torch.isfinite(tensor.detach()).sum())
    if wrong:
        raise InputError(
            f"input {name!r} has {wrong} of {tensor.numel()} elements that are NaN or infinite: "
            "what a model makes of them says nothing about its weights"
        )


def notes_on(
    model: nn.Module, inputs: object, targets: object, *, loss_given: bool, kind: str
) -> list[str]:
    """What the caller should know of how the pass was made."""
    notes = []
    args, kwargs = arguments_of(inputs)
    tensors = list(tensors_in([args, kwargs]))
    if kind == "projection":
        notes.append(
            "no loss was given and the output has none: a fixed random projection of the output "
            "stands in, so the scale of gradients is relative"
        )
    if targets is not None and not loss_given:
        notes.append("targets were given without a loss: they were not used")
    if any(tensor.dim() and tensor.shape[0] == 1 for tensor in tensors):
        notes.append(
            "a batch of one: correlation between examples and gradient noise need two, and "
            "units that look dead or duplicated may only look so"
        )
    if not model.training:
        notes.append("the model was observed in evaluation mode, as it was given")
    return notes


def examples_differ(inputs: object) -> bool:
    """Along the first axis of any input; True where there is none to look at."""
    tensors = [tensor for tensor in tensors_in([*arguments_of(inputs)]) if tensor.dim()]
    if not tensors:
        return True
    return any(
        len(tensor) > 1
        and (tensor.layout is not torch.strided or bool((tensor[1:] != tensor[:1]).any()))
        for tensor in tensors
    )
