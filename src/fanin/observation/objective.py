"""The loss of a pass: the caller's, the model's own, or a projection that stands in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import torch
from torch import Tensor

from fanin.errors import InputError
from fanin.noise import normal
from fanin.observation.graph import Call, tensors_in
from fanin.observation.operations import LOSSES
from fanin.observation.readouts import Objective

_BESIDE: Final = frozenset(
    {
        "loss",
        "past_key_values",
        "past_buckets_states",
        "hidden_states",
        "attentions",
        "decoder_hidden_states",
        "decoder_attentions",
        "cross_attentions",
        "encoder_hidden_states",
        "encoder_attentions",
        "router_logits",
        "mems",
        "state",
        "cache_params",
        "reshaped_hidden_states",
        "all_hidden_states",
        "all_attentions",
        "encoder_last_hidden_state",
        "encoder_router_logits",
        "decoder_router_logits",
        "rnn_state",
        "buffers",
    }
)
"""Fields of an output that are kept beside what the model is asked for."""


@attrs.frozen
class Loss:
    """A loss and where it came from."""

    value: Tensor
    kind: str
    note: str = ""


def main_outputs(output: object) -> list[Tensor]:
    """The tensors that a model is asked for: its logits, or all but caches and states."""
    if isinstance(output, Mapping):
        if output.get("logits") is not None:
            return list(tensors_in(output["logits"]))
        found = list(tensors_in([output[key] for key in output if key not in _BESIDE]))
        return found or list(tensors_in(list(output.values())))
    return list(tensors_in(output))


def loss_of(output: object, targets: object, loss: Callable[..., Any] | None) -> Loss:
    """The loss of an output.

    Raises:
        InputError: the loss is no scalar.
    """
    if loss is not None:
        made = loss(output) if _takes_one(loss) else loss(output, targets)
        return Loss(_scalar(made, "loss(outputs, targets)"), "given")
    own = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if isinstance(own, Tensor) and own.numel() > 1 and own.is_floating_point():
        shape = tuple(own.shape)
        return Loss(
            own.mean(), "model", f"the output's .loss has shape {shape}: its mean was taken"
        )
    if isinstance(own, Tensor):
        return Loss(_scalar(own, "the output's .loss"), "model")
    return Loss(_projection(output), "projection")


def _takes_one(loss: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [
        parameter
        for parameter in parameters
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    ]
    return len(needed) == 1 and not any(p.kind == p.VAR_POSITIONAL for p in parameters)


def _scalar(made: object, what: str) -> Tensor:
    if not isinstance(made, Tensor):
        raise InputError(f"{what} must give a tensor with one number, got {type(made).__name__}")
    if made.numel() != 1:
        raise InputError(
            f"{what} must give one number, got a tensor of shape {tuple(made.shape)}. "
            "Take its mean, as the losses of torch do without reduction='none'"
        )
    if not made.is_floating_point():
        raise InputError(f"{what} must give a floating point number, got {made.dtype}")
    return made.reshape(())


def _projection(output: object) -> Tensor:
    """The output's numbers, each times fixed noise, over the square root of their number."""
    tensors = [
        torch.view_as_real(tensor) if tensor.is_complex() else tensor
        for tensor in main_outputs(output)
        if tensor.is_floating_point() or tensor.is_complex()
    ]
    carrying = [tensor for tensor in tensors if tensor.requires_grad] or tensors
    if not carrying:
        raise InputError(
            "the model's output has no floating point tensor, so there is nothing to "
            "differentiate. Give loss=..., a function of (outputs, targets)"
        )
    size = max(sum(tensor.numel() for tensor in carrying), 1)
    total = carrying[0].new_zeros((), dtype=torch.float32)
    for place, tensor in enumerate(carrying):
        noise = torch.from_numpy(normal(0, f"observe.projection.{place}", 0, tensor.numel()))
        total = total + (tensor.float() * noise.view(tensor.shape).to(tensor.device)).sum()
    projected: Tensor = total / size**0.5
    return projected


def objective_of(calls: Sequence[Call], kind: str, value: float) -> Objective:
    """The losses among the calls; classes by the one that has them."""
    losses = [call for call in calls if call.op in LOSSES]
    classes = None
    for call in losses:
        scores = call.operands[0].shape
        if call.op in {"cross_entropy", "nll_loss"} and scores:
            classes = scores[1] if len(scores) > 1 else scores[0]
    names = dict.fromkeys(call.op for call in losses)
    return Objective(kind, "+".join(names), value, classes)
