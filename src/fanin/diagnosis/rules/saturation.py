"""Values in the flat parts of bounded functions: activations, attention, gates."""

from __future__ import annotations

from fanin.diagnosis.finding import Finding
from fanin.diagnosis.limits import (
    BOTH_SIDES_WARNING,
    CHAOS_WARNING,
    GATE_ERROR,
    GATE_WARNING,
    LOSS_ERROR,
    ONE_HOT_WARNING,
    SATURATION_ERROR,
    SATURATION_WARNING,
)
from fanin.diagnosis.measures import Measures, Weight
from fanin.diagnosis.remedies import beside, rows_for
from fanin.diagnosis.trend import is_cut_off, trend
from fanin.observation.readouts import Gate

_LEAST_KEYS = 4
_ONE_SIDED = 0.05
_OFF_HALF = 0.8
_CLOSED = {
    "input": "low", "output": "low", "forget": "low", "update": "high", "reset": "",
}  # fmt: skip
"""On which side a gate must not be stuck: an open forget gate keeps the memory by design."""


def judge(measures: Measures, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if any(one.kind in {"nonfinite", "symmetry"} and one.severity == "error" for one in before):
        return ()
    told = {name for one in before for name in one.where}
    return (*_activations(measures, told), *_attentions(measures), *_gates(measures))


def _activations(measures: Measures, told: set[str]) -> tuple[Finding, ...]:
    flat: list[tuple[float, Weight]] = []
    for weight in {w.use.signal: w for w in measures.weights}.values():
        units = weight.signal.units if weight.signal is not None else None
        if units is None or units.flat is None or weight.name in told:
            continue
        if not units.two_sided and (units.silent or not units.dead):
            continue
        # Of functions that are off on one side, as ReLU6, half of the values are there by design.
        if units.flat >= (_OFF_HALF if units.off_half else SATURATION_WARNING.value):
            flat.append((units.flat, weight))
    if not flat:
        return ()
    worst, weight = max(flat, key=lambda pair: pair[0])
    limit = SATURATION_ERROR if worst >= SATURATION_ERROR.value else SATURATION_WARNING
    is_lost = limit is SATURATION_ERROR and is_cut_off(measures)
    is_lost = is_lost or (measures.loss_ratio or 0.0) >= LOSS_ERROR.value
    is_lost = is_lost or (trend(measures).sensitivity or 0.0) >= CHAOS_WARNING.value
    names = tuple(dict.fromkeys(w.name for _, w in flat))
    biases = tuple(name for _, w in flat for name in beside(w, measures))
    after = ", ".join(weight.use.regions[0].ops) if weight.use.regions else "activation"
    more = f"; so in {len(names) - 1} more layers" if len(names) > 1 else ""
    return (
        Finding(
            "saturation", "error" if is_lost else "warning", (*names, *biases),
            f"{worst:.0%} of what {weight.name} puts out (RMS {weight.forward:.3g}) lie in the "
            f"flat parts of {after}, where its slope is below a hundredth of the largest{more}",
            "bring what enters the activation to RMS 1: weights at std gain / sqrt(fan_in), "
            "bias 0, inputs standardised",
            worst, limit, rows_for((*names, *biases), measures),
        ),
    )  # fmt: skip


def _attentions(measures: Measures) -> tuple[Finding, ...]:
    sharp = [
        one
        for one in measures.observation.attentions
        if one.queries and one.keys >= _LEAST_KEYS and one.largest >= ONE_HOT_WARNING.value
    ]
    if not sharp:
        return ()
    worst = max(sharp, key=lambda one: one.largest)
    names = tuple(dict.fromkeys(n for one in sharp for n in (*one.queries, *one.key_weights)))
    return (
        Finding(
            "saturation", "warning", names,
            f"the attention in {worst.module or worst.name} is one-hot: the largest of {worst.keys}"
            f" shares is {worst.largest:.2f} in the mean, so no gradient reaches queries and keys",
            "make the weights of queries and keys smaller, and divide scores by sqrt(head width)",
            worst.largest, ONE_HOT_WARNING, rows_for(names, measures),
        ),
    )  # fmt: skip


def _gates(measures: Measures) -> tuple[Finding, ...]:
    shut = [
        (share, gate)
        for gate in measures.observation.gates
        if (share := stuck_share(gate)) >= GATE_WARNING.value
        or (share := both_sides(gate)) >= BOTH_SIDES_WARNING.value
    ]
    if not shut:
        return ()
    worst, gate = max(shut, key=lambda pair: pair[0])
    limit = GATE_WARNING if worst >= GATE_WARNING.value else BOTH_SIDES_WARNING
    is_lost = worst >= GATE_WARNING.value and gate.rms >= GATE_ERROR.value
    names = tuple(dict.fromkeys(name for _, one in shut for name in one.parameters))
    return (
        Finding(
            "saturation", "error" if is_lost else "warning", names,
            f"the {gate.gate} gate of {gate.module or gate.op} is stuck: {worst:.0%} of what enters"
            f" it (RMS {gate.rms:.3g}) lie in the flat part of its activation",
            "draw its weights at std 1 / sqrt(hidden size), its bias 0 (a forget gate's 1)",
            worst, limit, rows_for(names, measures),
        ),
    )  # fmt: skip


def stuck_share(gate: Gate) -> float:
    """Share of a gate's values in a flat part that is not there by design."""
    if gate.gate in {"cell", "new", "hidden"} and not gate.op.startswith("rnn_relu"):
        return gate.low + gate.high
    return {"low": gate.low, "high": gate.high}.get(_CLOSED.get(gate.gate, ""), 0.0)


def both_sides(gate: Gate) -> float:
    """Share of a gate's values in either flat part, where both are taken: large weights."""
    return gate.low + gate.high if min(gate.low, gate.high) > _ONE_SIDED else 0.0
