"""What a loss would be for a guess that does not look at the input: the same call, run again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import attrs
import torch
from torch import Tensor

from fanin.observation.graph import Call, Value, mapped
from fanin.observation.operations import LOSSES
from fanin.observation.readouts import LossCall

_FROM_SCORES: Final = frozenset(
    [
        "cross_entropy",
        "binary_cross_entropy_with_logits",
        "multi_margin_loss",
        "multilabel_margin_loss",
        "multilabel_soft_margin_loss",
        "soft_margin_loss",
    ]
)
_FROM_VALUES: Final = frozenset(["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
_FROM_LOGS: Final = frozenset(["nll_loss", "nll_loss_nd", "ctc_loss", "kl_div"])


@attrs.define(eq=False)
class Judged:
    """The losses of one pass, each with its reference, while their tensors are alive."""

    found: dict[int, LossCall] = attrs.field(factory=dict)

    def see(self, call: Call, operands: Sequence[Tensor], results: Sequence[Tensor]) -> None:
        if call.op not in LOSSES or not operands:
            return
        with torch.no_grad():
            made = _judged(call, operands, results[0])
        if made is not None:
            self.found[call.index] = made


def _judged(call: Call, operands: Sequence[Tensor], result: Tensor) -> LossCall | None:
    tensors = {
        id(value): tensor.detach() for value, tensor in zip(call.operands, operands, strict=False)
    }
    scores = operands[0].detach()
    if type(scores) is not Tensor or not scores.is_floating_point() or scores.numel() == 0:
        return None
    argument = next((v for v in _arguments(call) if id(v) in tensors), None)
    if argument is not None and argument.is_data and argument.root >= 0:
        return None  # two results of the model are compared: nothing is known of their scale
    target = None if argument is None else tensors[id(argument)]
    guess = _guess(call.op, scores, target)
    value = float(result.detach().float().mean())
    reference = None
    if guess is not None:
        tensors[id(call.operands[0])] = guess
        reference = _again(call, tensors)
    numbers = scores.float()
    classes = _classes(call.op, numbers)
    spread = numbers if classes is None else numbers - numbers.mean(classes, keepdim=True)
    mean = level = None
    if call.op in _FROM_VALUES and target is not None and target.is_floating_point():
        mean = float(target.float().mean())
        level = float((target.float() - _constant(target.float())).square().mean().sqrt())
    return LossCall(
        op=call.op,
        module=call.module,
        value=value,
        uninformed=reference,
        classes=None if classes is None else numbers.shape[classes],
        scores=_rms(numbers),
        spread=_rms(spread),
        bias=_shared(numbers),
        target_mean=mean,
        target_spread=level,
    )


def _arguments(call: Call) -> Iterator[Value]:
    for argument in (*call.args[1:], *call.kwargs.values()):
        if isinstance(argument, Value) and argument is not call.operands[0]:
            yield argument


def _classes(op: str, scores: Tensor) -> int | None:
    """The axis of the classes."""
    if op in {"cross_entropy", "nll_loss", "nll_loss_nd"}:
        return 1 if scores.dim() > 1 else 0
    if op in {"ctc_loss", "kl_div", "multi_margin_loss"}:
        return scores.dim() - 1
    return None


def _guess(op: str, scores: Tensor, target: Tensor | None) -> Tensor | None:
    if op in _FROM_SCORES:
        return torch.zeros_like(scores)
    if op in _FROM_LOGS:
        axis = _classes(op, scores)
        return torch.full_like(scores, -math.log(scores.shape[axis or 0]))
    if op == "binary_cross_entropy":
        return torch.full_like(scores, 0.5)
    if op in _FROM_VALUES and target is not None and target.is_floating_point():
        return _constant(target).expand_as(scores).to(scores.dtype).clone()
    return None


def _constant(target: Tensor) -> Tensor:
    """The best guess that is the same for every example: for each output its mean."""
    if target.dim() > 1 and target.shape[0] > 1:
        return target.mean(0, keepdim=True)
    return target.mean()


def _shared(scores: Tensor) -> float:
    """RMS of the part of the scores that is the same for every example."""
    if scores.dim() < 2:
        return abs(float(scores.mean()))
    return _rms(scores.flatten(1).mean(0) if scores.shape[0] > 1 else scores)


def _again(call: Call, tensors: dict[int, Tensor]) -> float | None:
    def put(leaf: Any) -> Any:
        if not isinstance(leaf, Value):
            return leaf
        return tensors.get(id(leaf), leaf.tensor)

    function: Callable[..., Any] = call.function
    try:
        made = function(*mapped(call.args, put), **mapped(call.kwargs, put))
        number = float(made.float().mean())
    except (RuntimeError, TypeError, ValueError, AttributeError):
        return None  # a reference that cannot be had is no reason to fail
    return number if math.isfinite(number) else None


def _rms(tensor: Tensor) -> float:
    return float(tensor.square().mean().sqrt())
