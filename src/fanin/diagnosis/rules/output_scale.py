"""The loss at init against that of a guess that does not look at the input."""

from __future__ import annotations

import math

from fanin.diagnosis.finding import Finding, Limit
from fanin.diagnosis.limits import (
    LOSS_ERROR,
    LOSS_WARNING,
    OUTPUT_WARNING,
    SQUARES_WARNING,
    TARGET_MEAN_WARNING,
    TARGETS_WARNING,
)
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.remedies import beside, rows_for
from fanin.observation.readouts import LossCall

_MOSTLY = 0.9
_LEAST_SHARE = 0.01
_LARGER = 2.0
_SMALL = 0.1
_LOUD = 4.0  # of several heads, those within this factor of the largest output
_CAUSES = {"nonfinite", "exploding", "symmetry"}


def judge(measures: Measures, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if any(one.kind in _CAUSES and one.severity == "error" for one in before):
        return ()
    if any(one.kind in {"exploding", "saturation"} for one in before):
        return ()
    judged = [found for loss in measures.observation.losses if (found := _judged(loss))]
    if not measures.observation.losses:
        return _by_size(measures)
    if not judged:
        return ()
    value, limit, evidence, remedy, factor = max(judged, key=lambda one: one[0] / one[1].value)
    if value < LOSS_ERROR.value and _has_temperature(measures):
        return ()
    names = _heads(measures)
    is_error = limit.unit == LOSS_ERROR.unit and value >= LOSS_ERROR.value
    return (
        Finding(
            "output_scale", "error" if is_error else "warning", names, evidence, remedy, value,
            LOSS_ERROR if is_error else limit,
            () if factor is None else rows_for(names, measures, factor=factor, gain=1.0),
        ),
    )  # fmt: skip


def _judged(loss: LossCall) -> tuple[float, Limit, str, str, float | None] | None:
    """The number, its limit, evidence, remedy, and the factor of std 1 / sqrt(fan_in) that mends.

    None where no draw of the head does.
    """
    if loss.uninformed is None or not loss.uninformed > 0 or not math.isfinite(loss.value):
        return None
    mean, spread = loss.target_mean or 0.0, loss.target_spread or 0.0
    # What is nearly nothing is no scale: soft targets near to uniform, targets that hardly differ.
    least = _LEAST_SHARE * (math.log(loss.classes) if loss.classes else mean * mean)
    ratio = loss.value / max(loss.uninformed, least)
    said = (
        f"{loss.op} is {loss.value:.3g} at init, {ratio:.3g} times the {loss.uninformed:.3g} of a "
        f"guess that does not look at the input"
    )
    smaller = "draw the last weight at std 1 / sqrt(fan_in) or smaller, its bias 0"
    if loss.target_spread is None:
        if ratio < LOSS_WARNING.value:
            return None
        shape = "the same for all examples" if loss.bias > _MOSTLY * loss.scores else "of the input"
        said += f"; the scores have RMS {loss.scores:.3g}, mostly {shape}"
        return ratio, LOSS_WARNING, said, smaller, 1.0
    if not loss.target_spread > 0:
        return None
    said += (
        f"; outputs have RMS {loss.scores:.3g}, targets mean {mean:.3g} and spread "
        f"{loss.target_spread:.3g}"
    )
    own = max(loss.scores, 1.0)
    for number, limit in (
        (abs(mean) / own, TARGET_MEAN_WARNING), (spread / own, TARGETS_WARNING),
    ):  # fmt: skip
        if number >= limit.value:
            remedy = "standardise the targets, or set the last bias to their mean"
            return number, limit, said, remedy, None
    if ratio >= SQUARES_WARNING.value and loss.scores > _LARGER * math.hypot(mean, spread):
        if math.hypot(mean, spread) < _SMALL:
            return ratio, SQUARES_WARNING, said, "standardise the targets: they are small", None
        return ratio, SQUARES_WARNING, said, smaller, min(1.0, spread)
    return None


def _has_temperature(measures: Measures) -> bool:
    """The last weights are normalised, or what they put out is: the scale is chosen elsewhere."""
    return bool(measures.heads) and all(
        head.use.norm_after is not None or any("norm" in op for op in head.use.through)
        for head in measures.heads
    )


def _by_size(measures: Measures) -> tuple[Finding, ...]:
    """Without a loss that is known, only outputs that are far off can be told."""
    output = measures.observation.output
    if not output.rms >= OUTPUT_WARNING.value:
        return ()
    names = _heads(measures)
    return (
        Finding(
            "output_scale", "warning", names,
            f"the output has RMS {output.rms:.3g}, largest {output.largest:.3g}",
            "draw the last weight at std 1 / sqrt(fan_in) or smaller, or give the loss so that "
            "its scale can be judged",
            output.rms, OUTPUT_WARNING, rows_for(names, measures),
        ),
    )  # fmt: skip


def _heads(measures: Measures) -> tuple[str, ...]:
    largest = max((head.forward or 0.0 for head in measures.heads), default=0.0)
    loud = [h for h in measures.heads if (h.forward or 0.0) >= largest / _LOUD]
    names = [name for head in loud for name in (head.name, *beside(head, measures))]
    if names:
        return tuple(dict.fromkeys(names))
    return tuple(weight.name for weight in measures.weights[-1:])
