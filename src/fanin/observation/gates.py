"""What happens inside recurrent operations: their gates, computed again for a few examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import torch
from torch import Tensor

from fanin.observation.graph import Call, Value

_NAMES: Final = {
    "lstm": ("input", "forget", "cell", "output"),
    "gru": ("reset", "update", "new"),
    "rnn_tanh": ("hidden",),
    "rnn_relu": ("hidden",),
}
_MOST_EXAMPLES: Final = 8
_MOST_STEPS: Final = 32
_EDGE_OF_SIGMOID: Final = 6.0
_EDGE_OF_TANH: Final = 3.0
"""Beyond these the slope is below a hundredth of the largest."""

RECURRENT: Final = frozenset(_NAMES)


@attrs.frozen
class Inside:
    """One gate of one layer.

    Args:
        weights: the parameters that it is computed from, as values of the recording.
        layer: counted from 0; of a backward direction likewise.
        gate: "input", "forget", "cell", "output", "reset", "update", "new" or "hidden".
        rms: of what enters its activation.
        low: share of it in the lower flat part (a closed gate; of ReLU, what is not above 0).
        high: share in the upper flat part (an open gate).
        states: RMS of the layer's hidden state at the first and at the last step.
    """

    weights: tuple[Value, ...]
    layer: int
    gate: str
    rms: float
    low: float
    high: float
    states: tuple[float, float]


def inside(call: Call, operands: Sequence[Tensor]) -> list[Inside]:
    """The gates of a recurrent operation or cell; none for another call."""
    op = call.op.removesuffix("_cell")
    if op not in RECURRENT:
        return []
    tensors = {
        id(value): tensor.detach() for value, tensor in zip(call.operands, operands, strict=False)
    }
    try:
        with torch.no_grad():
            if call.op.endswith("_cell"):
                return list(_of_cell(call, op, tensors))
            return list(_of_sequence(call, op, tensors))
    except (RuntimeError, IndexError, KeyError, TypeError, StopIteration):
        return []  # a form of the call that this does not know, e.g. packed sequences


def _of_cell(call: Call, op: str, tensors: dict[int, Tensor]) -> Iterator[Inside]:
    state = call.args[1]
    hidden = tensors[id(state[0] if isinstance(state, list | tuple) else state)]
    weights = [value for value in call.args[2:6] if isinstance(value, Value)]
    own = [tensors[id(value)].float() for value in weights]
    x = tensors[id(call.args[0])][:_MOST_EXAMPLES].float()
    h = hidden[:_MOST_EXAMPLES].float()
    size = _rms(hidden)
    yield from _gates(op, tuple(weights), 0, x, h, own, (size, size))


def _of_sequence(call: Call, op: str, tensors: dict[int, Tensor]) -> Iterator[Inside]:
    place = next(
        place
        for place, argument in enumerate(call.args)
        if isinstance(argument, list | tuple) and place > 0 and len(argument) > 1
        and isinstance(call.args[place + 1], bool)
    )  # fmt: skip
    if place != 2:
        return
    x: Tensor = tensors[id(call.args[0])]
    biases, layers, bidirectional = (call.args[place + k] for k in (1, 2, 5))
    batch_first = bool(call.args[-1])
    flat: list[Value] = list(call.args[place])
    if x.dim() == 2:
        x = x[:, None]
    elif batch_first:
        x = x.transpose(0, 1)
    x = x[:, :_MOST_EXAMPLES].float()
    directions = 2 if bidirectional else 1
    size = len(flat) // (layers * directions)
    for layer in range(layers):
        outputs = []
        for direction in range(directions):
            start = (layer * directions + direction) * size
            values = flat[start : start + size]
            own = [tensors[id(value)].float() for value in values]
            entering = x.flip(0) if direction else x
            states = _run(op, entering, own, biases=biases)
            before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
            steps = slice(None, None, max(1, len(x) // _MOST_STEPS))
            sizes = (_rms(states[0]), _rms(states[-1]))
            yield from _gates(
                op, tuple(values), layer, entering[steps].flatten(0, 1),
                before[steps].flatten(0, 1), own, sizes,
            )  # fmt: skip
            outputs.append(states.flip(0) if direction else states)
        x = torch.cat(outputs, -1)


def _run(op: str, x: Tensor, weights: Sequence[Tensor], *, biases: bool) -> Tensor:
    """The hidden states of one layer in one direction, from a state of zeros."""
    run: Any = getattr(torch, op)
    hidden = weights[1].shape[1]
    state: Any = x.new_zeros(1, x.shape[1], hidden)
    if op == "lstm":
        state = (state, x.new_zeros(1, x.shape[1], weights[1].shape[0] // 4))
    made: Tensor = run(x, state, list(weights), biases, 1, 0.0, False, False, False)[0]
    return made


def _gates(
    op: str,
    values: tuple[Value, ...],
    layer: int,
    x: Tensor,
    h: Tensor,
    weights: Sequence[Tensor],
    states: tuple[float, float],
) -> Iterator[Inside]:
    from_input = x @ weights[0].T
    from_state = h @ weights[1].T
    if len(weights) >= 4:
        from_input, from_state = from_input + weights[2], from_state + weights[3]
    names = _NAMES[op]
    parts = zip(
        names, from_input.chunk(len(names), -1), from_state.chunk(len(names), -1), strict=True
    )
    reset: Tensor | float = 1.0
    for name, one, other in parts:
        entering = one + (reset * other if name == "new" else other)
        if name == "reset":
            reset = entering.sigmoid()
        edge = _EDGE_OF_TANH if name in {"cell", "new", "hidden"} else _EDGE_OF_SIGMOID
        low, high = float((entering <= 0).float().mean()), 0.0
        if op != "rnn_relu":
            low = float((entering <= -edge).float().mean())
            high = float((entering >= edge).float().mean())
        yield Inside(values, layer, name, _rms(entering), low, high, states)


def _rms(tensor: Tensor) -> float:
    return float(tensor.float().square().mean().sqrt())
