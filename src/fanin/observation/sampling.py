"""Sampling: what is kept of each signal while it is alive, forward and backward."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final

import attrs
import torch
from torch import Tensor

from fanin.observation.gates import RECURRENT, Inside, inside
from fanin.observation.graph import Call
from fanin.observation.operations import (
    ATTENTIONS,
    GATHERING,
    LOSSES,
    NORMS,
    POINTWISE,
    PRODUCTS,
    SOFTMAXES,
    WEIGHT_OPS,
)
from fanin.observation.references import Judged
from fanin.observation.softmaxes import Sharpness, sharpness

_SAMPLE: Final = 8192
_SAMPLE_OF_GRADIENT: Final = 2048
_MOST_UNITS: Final = 1024
_MOST_EXAMPLES: Final = 64
_CONVOLUTION: Final = re.compile(r"conv(?:_transpose)?([123])d")
_HALF: Final = frozenset({torch.float16, torch.bfloat16})
# Below it the squares of single precision, which a sum of squares adds up, fall to zero.
_LEAST: Final = 1e-15
_CHANNELS_FIRST: Final = frozenset({"batch_norm", "group_norm", "instance_norm"})
_MEASURED: Final = WEIGHT_OPS | NORMS | ATTENTIONS
_SOFTMAXES: Final = SOFTMAXES | ATTENTIONS
_COMBINING: Final = POINTWISE | GATHERING | {"rdiv"}


@attrs.define(eq=False)
class Shown:
    """What one tensor showed.

    Args:
        shape: of the tensor.
        dtype: of the tensor.
        norm: its Euclidean norm, exact.
        nonfinite: number of elements that are Inf or NaN, exact.
        sample: a copy of (examples, positions, units).
        unit_axis: of the tensor.
        gradient: what its gradient showed.
        entering: RMS of a sample of what a weight's operation read.
        whole: the sample is all of it.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    norm: float
    nonfinite: int
    sample: Tensor
    unit_axis: int
    gradient: Shown | None = None
    entering: float | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def whole(self) -> bool:
        return self.sample.numel() == self.size


class Probe:
    """Watches a recording: measures what weights, norms, products and joins put out."""

    def __init__(self) -> None:
        self.shown: dict[int, Shown] = {}
        self.softmaxes: dict[int, Sharpness] = {}
        self.gates: dict[int, list[Inside]] = {}
        self.losses = Judged()
        self.last_linear: tuple[Call, Tensor] | None = None
        self.gradient_of_last: Tensor | None = None

    def see(self, call: Call, operands: Sequence[Tensor], results: Sequence[Tensor]) -> None:
        if call.op in _SOFTMAXES:
            sharp = sharpness(call, operands, results)
            if sharp is not None:
                self.softmaxes[call.index] = sharp
        elif call.op in LOSSES:
            self.losses.see(call, operands, results)
        if not _is_measured(call):
            return
        tensor = results[0]
        if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.numel() == 0:
            return
        shown = measured(tensor, self._unit_axis(call, tensor))
        if shown is None:
            return
        self.shown[call.index] = shown
        if call.op in WEIGHT_OPS or call.op in PRODUCTS:
            shown.entering = _entering(call, operands)
        if call.op.removesuffix("_cell") in RECURRENT:
            self.gates[call.index] = inside(call, operands)
        if call.op == "linear" and operands[0].dim() in {2, 3}:
            self.last_linear = (call, operands[0].detach())
        if tensor.requires_grad and torch.is_grad_enabled():

            def keep(gradient: Tensor | None) -> None:
                if gradient is not None:  # a function may give none back
                    shown.gradient = measured_gradient(gradient)
                    if self.last_linear is not None and self.last_linear[0] is call:
                        self.gradient_of_last = gradient.detach()

            watch: Any = tensor.register_hook
            watch(keep)

    def _unit_axis(self, call: Call, tensor: Tensor) -> int:
        spatial = _CONVOLUTION.fullmatch(call.op)
        if spatial is not None:
            return 0 if tensor.dim() == int(spatial[1]) + 1 else 1  # an image without a batch
        if call.op in _CHANNELS_FIRST:
            return 1 if tensor.dim() > 1 else 0
        if call.op in _COMBINING:
            for operand in call.operands:
                source = self.shown.get(operand.root)
                if source is not None and len(source.shape) == tensor.dim():
                    return source.unit_axis
        return tensor.dim() - 1


def _is_measured(call: Call) -> bool:
    """A weight's operation, a norm, or where signals of different roots meet."""
    if not call.outputs or not (call.outputs[0].is_data or call.outputs[0].pending):
        return False
    if call.op in _MEASURED:
        return True
    return call.op in _COMBINING and call.outputs[0].root == call.index


def _entering(call: Call, operands: Sequence[Tensor]) -> float | None:
    for value, tensor in zip(call.operands, operands, strict=False):
        if value.is_data and tensor.is_floating_point() and tensor.numel():
            plain = _plain(tensor)
            if plain is None:
                return None
            flat = plain.reshape(-1) if plain.is_contiguous() else plain.flatten()
            sample = flat[:: max(1, flat.numel() // _SAMPLE_OF_GRADIENT) | 1].float()
            return norm_of(sample)[0] / math.sqrt(len(sample))
    return None


def measured(tensor: Tensor, unit_axis: int) -> Shown | None:
    """Norm and count of the whole tensor, and a sample of it by examples, positions and units."""
    plain = _plain(tensor)
    if plain is None:
        return None
    norm, nonfinite = norm_of(_whole(tensor, plain))
    axis = min(unit_axis, plain.dim() - 1)
    sample = _sample(plain, axis)
    return Shown(tuple(tensor.shape), tensor.dtype, norm, nonfinite, sample, axis)


def measured_gradient(gradient: Tensor) -> Shown | None:
    """Norm and count of the whole tensor, and evenly spread numbers of it."""
    plain = _plain(gradient)
    if plain is None:
        return None
    norm, nonfinite = norm_of(_whole(gradient, plain))
    size = plain.numel()
    step = max(1, size // _SAMPLE_OF_GRADIENT) | 1  # odd, so that it does not keep to some units
    sample = plain.reshape(-1)[::step].to(torch.float32, copy=True).view(1, 1, -1)
    return Shown(tuple(gradient.shape), gradient.dtype, norm, nonfinite, sample, 0)


def rms_of(tensors: Sequence[Tensor]) -> list[float | None]:
    """Exact; None where a tensor has no numbers to read."""
    with torch.no_grad():
        local = [_plain(tensor) for tensor in tensors]
        plain = [
            None if one is None else _whole(tensor, one)
            for tensor, one in zip(tensors, local, strict=True)
        ]
        there = [one for one in plain if one is not None and one.is_floating_point()]
        whole = [one for one in there if one.dtype not in _HALF]
        # As clip_grad_norm_ does: one call for all.
        quick = iter(torch._foreach_norm(whole) if whole else ())  # noqa: SLF001
        found: list[float | None] = []
        for one in plain:
            if one is None or not one.is_floating_point():
                found.append(None)
                continue
            norm = math.inf if one.dtype in _HALF else float(next(quick))
            if not _LEAST < norm < math.inf:
                norm = norm_of(one)[0]
            found.append(norm / math.sqrt(one.numel()))
        return found


def _plain(tensor: Tensor) -> Tensor | None:
    plain = tensor.detach()
    if type(plain) is not Tensor and hasattr(plain, "to_local"):
        plain = plain.to_local()
    if plain.is_complex():
        plain = torch.view_as_real(plain.resolve_conj())
    if _is_inside_functorch(plain):
        return None
    if plain.is_meta or plain.layout is not torch.strided or plain.numel() == 0:
        return None
    return plain


def _whole(tensor: Tensor, plain: Tensor) -> Tensor:
    """Of a tensor that several processes hold parts of, all of it; every process asks for it."""
    if type(tensor) is Tensor:
        return plain
    gather = getattr(tensor.detach(), "full_tensor", None)
    whole: Tensor = plain if gather is None else gather()
    return whole


def norm_of(plain: Tensor) -> tuple[float, int]:
    """The Euclidean norm, and how many elements are Inf or NaN."""
    if plain.dtype is torch.float32 and plain.is_contiguous():
        flat = plain.view(-1)
        norm = math.sqrt(float(torch.dot(flat, flat)))  # twice as quick as vector_norm
    else:
        half = torch.float32 if plain.dtype in _HALF else None
        norm = float(torch.linalg.vector_norm(plain, dtype=half))
    if _LEAST < norm < math.inf:
        return norm, 0
    nonfinite = plain.numel() - int(torch.isfinite(plain).sum())
    if not nonfinite:
        norm = float(torch.linalg.vector_norm(plain, dtype=torch.float64))
    return norm, nonfinite


def _sample(tensor: Tensor, unit_axis: int) -> Tensor:
    """A copy of (examples, positions, units): the first examples, positions evenly spread."""
    if tensor.dim() < 2:
        return tensor.reshape(-1)[:_SAMPLE].to(torch.float32, copy=True).view(1, 1, -1)
    if unit_axis != tensor.dim() - 1:
        tensor = tensor.movedim(unit_axis, -1)
    shape = tensor.shape
    units = min(shape[-1], _MOST_UNITS)
    examples = min(shape[0], _MOST_EXAMPLES, max(1, _SAMPLE // units))
    if examples < shape[0] or units < shape[-1]:
        tensor = tensor[:examples, ..., :units]
    positions = math.prod(shape[1:-1])
    allowed = max(1, _SAMPLE // (examples * units))
    if positions > allowed:
        axes = len(shape) - 2
        step = math.ceil((positions / allowed) ** (1 / axes))
        tensor = tensor[(slice(None), *[slice(None, None, step)] * axes)]
    kept = torch.empty(tensor.shape, dtype=torch.float32, device=tensor.device).copy_(tensor)
    return kept.view(examples, -1, units)


def _is_inside_functorch(tensor: Tensor) -> bool:
    """Tensors of vmap have no numbers of their own that could be read."""
    asked = getattr(torch._C, "_functorch", None)  # noqa: SLF001 - there is no public question
    return asked is not None and bool(asked.is_functorch_wrapped_tensor(tensor))
