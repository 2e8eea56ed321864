"""One forward and backward pass of one plain model: the truth that batched training must meet,
and the signals at step 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fanin.ensembles.objective import Objective


@dataclass(frozen=True, slots=True)
class LayerSignal:
    """The scale of what leaves one layer before training.

    Args:
        layer: the module's name; ``#2`` behind it at its second call, and so on.
        kind: the module's class.
        forward: RMS of its output, for a weight layer the pre-activation.
        gradient: RMS of the gradient of one sample's loss with respect to that output.
    """

    layer: str
    kind: str
    forward: float
    gradient: float


@dataclass(frozen=True, slots=True)
class FirstPass:
    """Loss, gradients by parameter name, and signals by layer."""

    loss: float
    gradients: Mapping[str, Tensor]
    signals: tuple[LayerSignal, ...]


def first_pass(
    model: nn.Module,
    parameters: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
    batch: tuple[Tensor, Tensor],
    objective: Objective,
) -> FirstPass:
    """Run the model once with these parameters; buffers are copied, nothing is changed.

    Gradients of a parameter that the loss does not reach are zero.
    """
    leaves = {name: p.detach().clone().requires_grad_() for name, p in parameters.items()}
    state = {**leaves, **{name: b.clone() for name, b in buffers.items()}}
    seen: list[_Seen] = []
    calls: dict[str, int] = {}
    hooks = [
        module.register_forward_hook(_recorder(name, module, seen, calls))
        for name, module in model.named_modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    try:
        x, y = batch
        with torch.enable_grad():
            loss = objective.loss(functional_call(model, state, (x,)), y)
            gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    samples = len(x)
    return FirstPass(
        float(loss.detach()),
        {
            name: torch.zeros_like(leaf) if gradient is None else gradient
            for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
        },
        tuple(
            LayerSignal(record.layer, record.kind, record.forward, record.gradient * samples)
            for record in seen
        ),
    )


@dataclass(slots=True)
class _Seen:
    layer: str
    kind: str
    forward: float
    gradient: float = 0.0

    def take_gradient(self, gradient: Tensor) -> None:
        self.gradient = _rms(gradient)


def _recorder(
    name: str, module: nn.Module, seen: list[_Seen], calls: dict[str, int]
) -> Callable[[nn.Module, object, object], None]:
    def record(_: nn.Module, __: object, output: object) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if not isinstance(tensor, Tensor):
            return
        calls[name] = calls.get(name, 0) + 1
        label = name if calls[name] == 1 else f"{name}#{calls[name]}"
        entry = _Seen(label, type(module).__name__, _rms(tensor))
        seen.append(entry)
        if tensor.requires_grad:
            # Set now, before an activation in place: it is the pre-activation's gradient.
            tensor.register_hook(entry.take_gradient)  # type: ignore[no-untyped-call]

    return record


def _rms(tensor: Tensor) -> float:
    # float64: the square of a float32 beyond 1e19 would overflow.
    return float(tensor.detach().double().square().mean().sqrt())
