"""The slots of recurrent operations and their cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fanin import fans
from fanin.observation.graph import Call, Value
from fanin.observation.slot import Slot

_GATES: Final = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def recurrent(call: Call) -> Iterator[Slot]:
    gates = _GATES[call.op]
    place = next(
        place
        for place, argument in enumerate(call.args)
        if isinstance(argument, list | tuple) and place > 0 and len(argument) > 1
        and isinstance(call.args[place + 1], bool)
    )  # fmt: skip
    flat = call.args[place]
    for argument in call.args[:place]:
        for value in argument if isinstance(argument, list | tuple) else (argument,):
            yield Slot(value, "input" if isinstance(value, Value) and value.is_weight else "signal")
    has_biases, layers, bidirectional = (call.args[place + k] for k in (1, 2, 5))
    size = len(flat) // (layers * (2 if bidirectional else 1))
    for start in range(0, len(flat), size):
        yield from _one_layer(flat[start : start + size], gates, biases=has_biases)


def _one_layer(weights: Sequence[Value], gates: int, *, biases: bool) -> Iterator[Slot]:
    for weight in weights[:2]:
        yield Slot(weight, "weight", fans.recurrent(weight.shape, gates))
    for bias in weights[2:4] if biases else ():
        yield Slot(bias, "bias")
    for projection in weights[4 if biases else 2 :]:
        yield Slot(projection, "weight", fans.linear(projection.shape))


def cell(call: Call) -> Iterator[Slot]:
    gates = _GATES[call.op.removesuffix("_cell")]
    yield Slot(call.args[0], "signal")
    states = call.args[1] if isinstance(call.args[1], list | tuple) else (call.args[1],)
    for state in states:
        yield Slot(state, "input" if isinstance(state, Value) and state.is_weight else "signal")
    weights = [value for value in call.args[2:] if isinstance(value, Value)]
    yield from _one_layer(weights[:4], gates, biases=True)
