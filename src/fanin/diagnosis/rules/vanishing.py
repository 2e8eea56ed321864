"""Signals that fade on their way forward, gradients that fade on their way back."""

from __future__ import annotations

from fanin.diagnosis.finding import Finding, Limit, Severity
from fanin.diagnosis.limits import (
    FIRST_REACH_ERROR,
    MEMORY_WARNING,
    PLAIN_MEMORY_WARNING,
    REACH_ERROR,
    REACH_WARNING,
    VARYING_ERROR,
    VARYING_WARNING,
)
from fanin.diagnosis.measures import Measures, Weight
from fanin.diagnosis.remedies import at_fault, beside, rows_for
from fanin.diagnosis.trend import (
    Trend,
    entering_first,
    norms_are_starved,
    opens_later,
    reading_input,
    responsible,
    silencing,
    trend,
    zero_gains,
)
from fanin.recipes.plans.row import Row

_FAINT = 1e-3  # RMS of an input below which the input is to blame
_CAUSES = {"nonfinite", "symmetry", "dead", "saturation", "exploding"}


def judge(measures: Measures, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if any(one.kind in _CAUSES and one.severity == "error" for one in before):
        return ()
    if any(one.kind in {"saturation", "nonfinite"} for one in before):
        return ()
    if measures.gets_nothing and not before:
        return _nothing(measures)
    if not measures.is_judged or not measures.hidden or norms_are_starved(measures):
        return ()
    seen = trend(measures)
    if opens_later(measures) and len(zero_gains(measures)) < 2:
        return _forgetting(measures)
    judged = _judged(seen, examples_differ=measures.observation.examples_differ)
    if judged is None:
        return _forgetting(measures)
    severity, value, limit, evidence = judged
    causes = responsible(measures, small=True)
    names = tuple(dict.fromkeys(n for weight in causes for n in at_fault(weight, measures)))
    rows: tuple[Row, ...] = ()
    lost = silencing(measures)
    gains = zero_gains(measures)
    if 0.0 < entering_first(measures) < _FAINT:
        names = tuple(w.name for w in reading_input(measures)) or names
        evidence += f"; the input itself has RMS {entering_first(measures):.1e}"
        remedy = "standardise the inputs: mean 0, standard deviation 1"
    elif gains:
        names = gains
        evidence += f"; the norms multiply by zero: {gains[0]} is the first of {len(gains)}"
        remedy = "start gains of norms at 1, but for the last norm of a residual branch"
        rows = rows_for(gains, measures)
    elif lost:
        (weight,) = lost
        names = (weight.name, *beside(weight, measures))
        evidence += f"; nearly nothing of what {weight.name} puts out reaches the next weight"
        remedy = "centre what enters the activation after it: bias 0, weights of mean 0"
        rows = rows_for(names, measures)
    elif names:
        scale = causes[0].scale or 0.0
        evidence += (
            f"; {names[0]} is the first of {len(names)} too small: RMS times sqrt(fan_in) over "
            f"the gain before it is {scale:.2g}, where 1 keeps the signal"
        )
        remedy = "draw them at std gain / sqrt(fan_in), the gain that of the activation before"
        biases = tuple(name for weight in causes for name in beside(weight, measures))
        rows = rows_for((*names, *biases), measures)
    else:
        names = tuple(dict.fromkeys(weight.name for weight in measures.hidden))
        remedy = (
            "no scale mends this at such depth: add norms or residual branches, or an activation "
            "whose slope is near 1 (ReLU and its kin, tanh)"
        )
    return (Finding("vanishing", severity, names, evidence, remedy, value, limit, rows),)


def _nothing(measures: Measures) -> tuple[Finding, ...]:
    """Not one parameter gets a gradient."""
    names = tuple(one.name for one in measures.observation.parameters if one.trainable)
    return (
        Finding(
            "vanishing", "error" if measures.observation.loss else "warning", names,
            f"none of {len(names)} trained parameters gets a gradient from a loss of "
            f"{measures.observation.loss:.3g}",
            "see that the loss follows from the outputs by functions with a slope: no detach, "
            "no_grad, argmax, round or sign on the way, and no output that is flat everywhere",
        ),
    )  # fmt: skip


def _forgetting(measures: Measures) -> tuple[Finding, ...]:
    """Recurrent weights so small that a state does not outlast one step."""
    thin = [
        (weight, limit)
        for weight in measures.weights
        if (limit := _memory(weight)) is not None and weight.scale is not None
        and 0.0 < weight.scale <= limit.value and weight.parameter.trainable
    ]  # fmt: skip
    if not thin:
        return ()
    names = tuple(dict.fromkeys(weight.name for weight, _ in thin))
    first, limit = thin[0]
    scale = first.scale or 0.0
    return (
        Finding(
            "vanishing", "warning", names,
            f"{names[0]} has RMS times sqrt(hidden size) {scale:.2g}: what a state carries shrinks "
            f"by about that factor at each step",
            "draw recurrent weights orthogonal, or at std 1 / sqrt(hidden size)",
            scale, limit, rows_for(names, measures),
        ),
    )  # fmt: skip


def _memory(weight: Weight) -> Limit | None:
    """What recurrent weights are judged by; gates carry a state without them."""
    if "hh" not in weight.name:
        return None
    if weight.use.op.startswith("rnn_"):
        return PLAIN_MEMORY_WARNING
    return MEMORY_WARNING if weight.use.op.startswith(("lstm", "gru")) else None


def _judged(seen: Trend, *, examples_differ: bool) -> tuple[Severity, float, Limit, str] | None:
    # Exactly zero is not faded: a weight starts at zero, and what can never start is symmetry.
    varying = seen.varying if examples_differ else None
    if varying is not None and 0.0 < varying <= VARYING_WARNING.value:
        # Where the first weights get a gradient they can bring the input back.
        is_cut = seen.first_reach is None or seen.first_reach <= FIRST_REACH_ERROR.value
        is_lost = varying <= VARYING_ERROR.value and is_cut
        limit = VARYING_ERROR if is_lost else VARYING_WARNING
        said = (
            f"the input fades: {varying:.1e} of the last signal's mean square differ between "
            f"examples, the rest is the same for all"
        )
        return "error" if limit is VARYING_ERROR else "warning", varying, limit, said
    known = [one for one in (seen.reach, seen.head_reach) if one is not None]
    if seen.is_cut and examples_differ:
        said = (
            "not one of the trained weights that read the input gets a gradient, though the last "
            "weights do: something on the way has no slope"
        )
        return "error", 0.0, FIRST_REACH_ERROR, said
    if not known:
        return None  # of the weights none is trained
    reach = max(known)
    if reach <= REACH_WARNING.value:
        limit = REACH_ERROR if reach <= REACH_ERROR.value else REACH_WARNING
        said = (
            f"no weight is reached by the loss: the largest gradient of one is {reach:.1e} of that "
            f"at the output, per sqrt(fan_in), where 1 is usual"
        )
        return "error" if limit is REACH_ERROR else "warning", reach, limit, said
    return None
