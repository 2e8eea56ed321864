"""The loss at init against that of a guess that does not look at the input."""

from __future__ import annotations

import math

from fanin.diagnosis.finding import Finding, Limit
from fanin.diagnosis.limits import (
    LOSS_ERROR,
    LOSS_WARNING,
    OUTPUT_WARNING,
    SQUARES_WARNING,
    TARGETS_WARNING,
)
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.remedies import beside, rows_for
from fanin.observation.records import LossCall

_MOSTLY = 0.9
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
    value, limit, evidence, remedy, mends = max(judged, key=lambda one: one[0] / one[1].value)
    names = _heads(measures)
    is_error = limit.unit == LOSS_ERROR.unit and value >= LOSS_ERROR.value
    return (
        Finding(
            "output_scale", "error" if is_error else "warning", names, evidence, remedy, value,
            LOSS_ERROR if is_error else limit, rows_for(names, measures) if mends else (),
        ),
    )  # fmt: skip


def _judged(loss: LossCall) -> tuple[float, Limit, str, str, bool] | None:
    """The number, its limit, evidence, remedy, and whether drawing the head anew mends it."""
    if loss.uninformed is None or not loss.uninformed > 0 or not math.isfinite(loss.value):
        return None
    ratio = loss.value / loss.uninformed
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
        return ratio, LOSS_WARNING, said, smaller, True
    if not loss.target_spread > 0:
        return None
    mean = loss.target_mean or 0.0
    said += (
        f"; outputs have RMS {loss.scores:.3g}, targets mean {mean:.3g} and spread "
        f"{loss.target_spread:.3g}"
    )
    far = math.hypot(mean, loss.target_spread) / max(loss.scores, 1.0)
    if far >= TARGETS_WARNING.value:
        remedy = "standardise the targets, or set the last bias to their mean"
        return far, TARGETS_WARNING, said, remedy, False
    if ratio >= SQUARES_WARNING.value and loss.scores > loss.target_spread:
        return ratio, SQUARES_WARNING, said, smaller, True
    return None


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
    names = [name for head in measures.heads for name in (head.name, *beside(head, measures))]
    if names:
        return tuple(dict.fromkeys(names))
    return tuple(weight.name for weight in measures.weights[-1:])
