"""Records of what lies inside operations: softmaxes of attention, gates of recurrent layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fanin.observation.assembly import Findings
from fanin.observation.dataflow import Stage
from fanin.observation.gates import Inside
from fanin.observation.readouts import Attention, Gate
from fanin.observation.roles import scorers
from fanin.observation.softmaxes import Sharpness


def attentions(found: Findings, seen: Mapping[int, Sharpness]) -> tuple[Attention, ...]:
    """One for each softmax that was seen, in the order of execution."""
    if not seen:
        return ()
    stages = {stage.call.index: stage for stage in found.dataflow.stages if stage.call is not None}
    sides = scorers(found.dataflow)
    output = {id(value) for _, value in found.dataflow.output.inputs}
    made = []
    for index in sorted(seen):
        stage = stages.get(index)
        if stage is None:
            continue
        queries, keys = sides.get(index, ((), ()))
        sharp = seen[index]
        made.append(
            Attention(
                stage.name, stage.module, stage.op, sharp.keys, sharp.rows, sharp.largest,
                sharp.entropy, _weights(queries, found), _weights(keys, found),
                any(id(value) in output for value in stage.values),
            )
        )  # fmt: skip
    return tuple(made)


def gates(found: Findings, seen: Mapping[int, Sequence[Inside]]) -> tuple[Gate, ...]:
    """One for each gate of each recurrent call, in the order of execution."""
    modules = {stage.call.index: stage for stage in found.dataflow.stages if stage.call is not None}
    made = []
    for index in sorted(seen):
        stage = modules.get(index)
        for one in seen[index]:
            names = (value.name or "" for value in one.weights)
            made.append(
                Gate(
                    tuple(found.names[n].name if n in found.names else n for n in names if n),
                    "" if stage is None else stage.module, "" if stage is None else stage.op,
                    one.layer, one.gate, one.rms, one.low, one.high, *one.states,
                )
            )  # fmt: skip
    return tuple(made)


def _weights(stages: Iterable[Stage], found: Findings) -> tuple[str, ...]:
    names = dict.fromkeys(
        found.names[reading.name].name if reading.name in found.names else reading.name
        for stage in stages
        for reading in stage.readings
        if reading.role == "weight"
    )
    return tuple(names)
