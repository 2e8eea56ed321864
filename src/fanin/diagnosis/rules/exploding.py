"""Signals that grow on their way forward, gradients that grow on their way back."""

from __future__ import annotations

from fanin.diagnosis.finding import Finding, Limit, Severity
from fanin.diagnosis.limits import (
    CHAOS_ERROR,
    CHAOS_WARNING,
    GROWTH_ERROR,
    GROWTH_SHARE,
    GROWTH_WARNING,
    LOSS_ERROR,
    LOSS_WARNING,
    PLAIN_CHAOS_WARNING,
)
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.remedies import at_fault, beside, rows_for
from fanin.diagnosis.trend import Trend, last_of_branches, responsible, trend

_CLEARLY = 2.0  # a scale that is too large by itself
_CAUSES = {"nonfinite", "symmetry"}


def judge(measures: Measures, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if any(one.kind in _CAUSES and one.severity == "error" for one in before):
        return ()
    explained = any(one.kind in {"saturation", "dead", "symmetry"} for one in before)
    if not measures.is_judged or not measures.hidden:
        return ()
    causes = responsible(measures, small=False)
    judged = _judged(measures, trend(measures))
    if judged is None or (explained and judged[2] not in {GROWTH_ERROR, GROWTH_WARNING}):
        return ()  # what saturates, or is half dead, is sensitive, too
    severity, value, limit, evidence = judged
    branches = last_of_branches(measures)
    factor = 1.0
    adds_up = len(branches) > 1 and all((w.scale or 0.0) < _CLEARLY for w in causes)
    if causes and not adds_up:
        scale = causes[0].scale or 0.0
        evidence += (
            f"; {causes[0].name} is the first of {len(causes)} too large: RMS times sqrt(fan_in) "
            f"over the gain before it is {scale:.2g}, where 1 keeps the signal"
        )
        remedy = "draw them at std gain / sqrt(fan_in), the gain that of the activation before"
    elif branches and limit not in {CHAOS_ERROR, CHAOS_WARNING, PLAIN_CHAOS_WARNING}:
        causes = branches
        factor = len(branches) ** -0.5
        evidence += f"; {len(branches)} residual branches without norm add up"
        remedy = f"scale the last weight of each branch by 1 / sqrt({len(branches)}), or to zero"
    else:
        remedy = (
            "no scale of the weights mends this: add residual branches, use fewer layers, or "
            "another norm"
        )
    names = tuple(dict.fromkeys(n for weight in causes for n in at_fault(weight, measures)))
    biases = tuple(name for weight in causes for name in beside(weight, measures))
    rows = rows_for((*names, *biases), measures, factor=factor)
    where = names or tuple(dict.fromkeys(weight.name for weight in measures.hidden))
    return (Finding("exploding", severity, where, evidence, remedy, value, limit, rows),)


def _judged(measures: Measures, seen: Trend) -> tuple[Severity, float, Limit, str] | None:
    if seen.growth is not None and seen.growth >= GROWTH_WARNING.value:
        limit = GROWTH_ERROR if seen.growth >= GROWTH_ERROR.value else GROWTH_WARNING
        said = f"the signal grows {seen.growth:.2g} times from the first weight to the last"
        return "error" if limit is GROWTH_ERROR else "warning", seen.growth, limit, said
    ratio = measures.loss_ratio
    if (
        ratio is not None and ratio >= LOSS_WARNING.value
        and seen.growth is not None and seen.growth >= GROWTH_SHARE.value
    ):  # fmt: skip
        limit = LOSS_ERROR if ratio >= LOSS_ERROR.value else LOSS_WARNING
        said = (
            f"the loss is {ratio:.2g} times that of a guess that does not look at the input, for "
            f"the signal grows {seen.growth:.2g} times before the last weight"
        )
        return "error" if limit is LOSS_ERROR else "warning", ratio, limit, said
    chaos = seen.sensitivity
    # Networks with norms were seen to train at more than those without.
    has_norms = any(signal.kind == "norm" for signal in measures.observation.signals)
    least = CHAOS_WARNING if has_norms else PLAIN_CHAOS_WARNING
    if chaos is not None and chaos >= least.value:
        limit = CHAOS_ERROR if chaos >= CHAOS_ERROR.value else least
        said = (
            f"the gradient grows on its way back: a relative change of {seen.most_sensitive} "
            f"changes the loss {chaos:.2g} times as much as one of the output"
        )
        return "error" if limit is CHAOS_ERROR else "warning", chaos, limit, said
    return None
