"""How signals change along depth, and which weights are responsible."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from fanin.diagnosis.limits import REACH_ERROR, VARYING_ERROR
from fanin.diagnosis.measures import Measures, Weight

_TINY = 1e-45
_OF_THE_BATCH = frozenset({"batch_norm", "native_batch_norm"})
_FEWEST = 16  # numbers that a batch norm averages in one channel
_SILENCED = 1e-3
_TABLE = 1e-3  # tables are drawn at 0.02 to 1; below this one is at fault where signals vanish
_LEAST_DEVIATION = math.log(1.2)


@attrs.frozen
class Trend:
    """From the inputs to the outputs and back.

    Args:
        reach: the largest reach of a trainable weight before the last.
        least: the smallest.
        first_reach: the largest of the weights and tables that read the input.
        head_reach: the largest of the last weights.
        varying: share of the mean square that differs between examples, at the last signal
            where it is largest; None for a batch of one.
        growth: RMS of what the last weights read over that of what the first reads, or over 1
            where that is less; None where a norm stands before them.
        sensitivity: how much more a relative change of a hidden signal, in a random direction,
            changes the loss than one of the output: RMS times norm of the gradient, the largest
            over that of the outputs. Scales of weights drop out; it grows with depth where
            training is chaotic. None where batch norms see too few numbers for it to mean much.
        most_sensitive: the name of the signal where it is largest.
        is_cut: weights that read the input get a gradient of exactly zero, whatever moves.
    """

    reach: float | None
    least: float | None
    first_reach: float | None
    head_reach: float | None
    varying: float | None
    growth: float | None
    sensitivity: float | None
    most_sensitive: str
    is_cut: bool


def trend(measures: Measures) -> Trend:
    """Of the weights that are trained."""
    hidden = [
        weight.reach
        for weight in measures.hidden
        if weight.reach is not None and weight.parameter.trainable and weight.use.role == "weight"
    ]
    heads = [weight.reach for weight in measures.heads if weight.reach is not None]
    return Trend(
        max(hidden, default=None),
        min(hidden, default=None),
        _first_reach(measures),
        max(heads, default=None),
        _varying(measures),
        _growth(measures),
        *_sensitivity(measures),
        _is_cut(measures),
    )


def reading_input(measures: Measures) -> list[Weight]:
    """Weights before the last that read the input, and tables."""
    return [
        weight
        for weight in measures.hidden
        if weight.use.role == "table"
        or weight.use.source is None
        or weight.use.source.kind == "input"
    ]


def entering_first(measures: Measures) -> float:
    """RMS of the largest input that a weight reads; 0 where none does."""
    return max((_entering(weight) or 0.0 for weight in reading_input(measures)), default=0.0)


def _first_reach(measures: Measures) -> float | None:
    first = [w.reach for w in reading_input(measures) if w.parameter.trainable]
    return max((reach for reach in first if reach is not None), default=None)


def _is_cut(measures: Measures) -> bool:
    trained = [w for w in reading_input(measures) if w.parameter.trainable]
    stuck = set(measures.observation.stuck)
    return bool(trained) and all(weight.name in stuck for weight in trained)


def _sensitivity(measures: Measures) -> tuple[float | None, str]:
    ends = {weight.use.signal for weight in measures.heads} | _after_the_last_weight(measures)
    # The first layer of coordinate networks takes a wide input on purpose.
    first = {w.use.signal for w in measures.hidden if w.use.source and w.use.source.kind == "input"}
    hidden, outputs = [(0.0, "")], [0.0]
    for signal in measures.observation.signals:
        is_end = signal.name in ends
        if signal.gradient is None or not (is_end or signal.kind in {"weight", "norm"}):
            continue  # scores of attention hold the infinities of masks
        size = signal.forward.rms * signal.gradient.rms * math.sqrt(signal.forward.size)
        if is_end:
            outputs.append(size)
        elif signal.name not in first:
            hidden.append((size, signal.name))
    if norms_are_starved(measures):
        return None, ""
    (most, name), output = max(hidden), max(outputs)
    return (most / output, name) if output > 0 and most > 0 else (None, "")


def _after_the_last_weight(measures: Measures) -> set[str]:
    """Norms and joins that only the output follows."""
    found: set[str] = set()
    for signal in reversed(measures.observation.signals):
        if signal.kind in {"weight", "table"}:
            break
        found.add(signal.name)
    return found


def norms_are_starved(measures: Measures) -> bool:
    """A batch norm over two or eight numbers puts out little more than their signs."""
    return any(
        signal.op in _OF_THE_BATCH
        and len(signal.shape) > 1
        and signal.forward.size < _FEWEST * signal.shape[1]
        for signal in measures.observation.signals
        if signal.kind == "norm"
    )


def _varying(measures: Measures) -> float | None:
    """At the heads and at what they read: a head of zeros hides nothing that way."""
    names = {weight.use.signal for weight in measures.heads}
    names |= {w.use.source.name for w in measures.heads if w.use.source is not None}
    if measures.hidden:
        names.add(measures.hidden[-1].use.signal)
    seen = [measures.signals[name].varying for name in names if name and name in measures.signals]
    return max((share for share in seen if share is not None), default=None)


def _growth(measures: Measures) -> float | None:
    """Behind a norm there is none, and inputs below 1 have room to grow to it."""
    first = next((e for w in measures.weights if (e := _entering(w))), None)
    last = [e for w in measures.heads if w.use.norm_before is None and (e := _entering(w))]
    return max(last) / max(first, 1.0) if first and last else None


def _entering(weight: Weight) -> float | None:
    return None if weight.signal is None else weight.signal.entering


def responsible(measures: Measures, *, small: bool) -> tuple[Weight, ...]:
    """The weights whose scale is too small (or too large), in the order of flow.

    Those before a norm are left out, for it takes their scale away, unless its eps does. Among
    the rest those that deviate at least half as much as the worst, on a log scale.
    """
    found: list[tuple[float, Weight]] = []
    for weight in _one_each(measures.weights):
        scale = weight.scale
        if weight.use.role == "table" and (weight.parameter.rms or 0.0) < _TABLE:
            scale = weight.parameter.rms
        if scale is None or (weight.use.norm_after is not None and not _is_below_eps(weight)):
            continue
        deviation = math.log(max(scale, _TINY)) * (-1 if small else 1)
        if deviation > _LEAST_DEVIATION:
            found.append((deviation, weight))
    if not found:
        return ()
    worst = max(deviation for deviation, _ in found)
    return tuple(weight for deviation, weight in found if deviation >= worst / 2)


def _is_below_eps(weight: Weight) -> bool:
    """So small that the eps of the norm behind it outweighs its signal."""
    return weight.forward is not None and weight.forward < _SILENCED


def _one_each(weights: Sequence[Weight]) -> list[Weight]:
    return list({weight.name: weight for weight in reversed(weights)}.values())[::-1]


def last_of_branches(measures: Measures) -> tuple[Weight, ...]:
    """The last weights of residual branches that no norm follows."""
    return tuple(
        weight
        for weight in _one_each(measures.weights)
        if weight.use.last_of_branch and weight.use.norm_after is None
    )


def silencing(measures: Measures) -> tuple[Weight, ...]:
    """The weight after which most of its signal is lost on the way to what reads it."""
    found: list[tuple[float, Weight]] = []
    readers = {w.use.source.name: w for w in measures.weights if w.use.source is not None}
    for weight in measures.hidden:
        reader = readers.get(weight.use.signal or "")
        entering = None if reader is None else _entering(reader)
        if entering is not None and weight.forward:
            found.append((entering / weight.forward, weight))
    if not found:
        return ()
    least, weight = min(found, key=lambda pair: pair[0])
    return (weight,) if least <= _SILENCED else ()


def zero_gains(measures: Measures) -> tuple[str, ...]:
    """Scales of norms that are zero, or so small that they take their signal away."""
    return tuple(
        dict.fromkeys(
            use.parameter
            for use in measures.observation.uses
            if use.role == "scale" and use.parameter in measures.parameters
            and (measures.parameters[use.parameter].rms or 0.0) < _TABLE
        )
    )  # fmt: skip


def opens_later(measures: Measures) -> bool:
    """A weight or gain of zero cuts the trunk, and gets a gradient: one step opens it."""
    stuck = set(measures.observation.stuck)
    return any(
        use.role in {"weight", "scale"}
        and use.branch is None
        and not use.recurrent
        and not use.feeds_output
        and use.parameter in measures.parameters
        and measures.parameters[use.parameter].rms == 0.0
        and bool(measures.parameters[use.parameter].gradient_rms)
        and use.parameter not in stuck
        for use in measures.observation.uses
    )


def is_cut_off(measures: Measures) -> bool:
    """Nothing comes through: no gradient to the weights that read the input, or no input on."""
    seen = trend(measures)
    if measures.gets_nothing or seen.is_cut:
        return True
    if opens_later(measures):
        return False
    if seen.first_reach is not None and seen.first_reach <= REACH_ERROR.value:
        return True
    return (
        measures.observation.examples_differ
        and seen.varying is not None
        and seen.varying <= VARYING_ERROR.value
    )
