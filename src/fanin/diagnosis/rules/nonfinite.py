"""Inf and NaN: the first operation that made one; gradients lost in half precision."""

from __future__ import annotations

import math

from fanin.diagnosis.finding import Finding
from fanin.diagnosis.limits import OVERFLOW_ERROR, UNDERFLOW_ERROR
from fanin.diagnosis.measures import Measures, Weight
from fanin.diagnosis.remedies import rows_for
from fanin.diagnosis.trend import responsible

_LARGEST = {"float16": 65504.0}


def judge(measures: Measures, _: tuple[Finding, ...]) -> tuple[Finding, ...]:
    found = _first(measures)
    if not found:
        return _underflow(measures)
    return (*found, *_grown(measures))


def _grown(measures: Measures) -> tuple[Finding, ...]:
    """What overflows float32 has grown on its way: the weights that let it grow are the cause."""
    observation = measures.observation
    sizes = [s.forward.rms for s in observation.signals if s.dtype in {"float32", "bfloat16"}]
    largest = max((size for size in sizes if math.isfinite(size)), default=0.0)
    causes = responsible(measures, small=False)
    if largest < OVERFLOW_ERROR.value or not causes:
        return ()
    names = tuple(dict.fromkeys(weight.name for weight in causes))
    return (
        Finding(
            "exploding", "error", names,
            f"signals grow to RMS {largest:.2g} before they overflow; {names[0]} is the first of "
            f"{len(names)} too large",
            "draw them at std gain / sqrt(fan_in), the gain that of the activation before",
            largest, OVERFLOW_ERROR, rows_for(names, measures),
        ),
    )  # fmt: skip


def _first(measures: Measures) -> tuple[Finding, ...]:
    observation = measures.observation
    bad = [one.name for one in observation.parameters
           if one.rms is not None and not math.isfinite(one.rms)]  # fmt: skip
    first = observation.nonfinite
    if first is None and not bad:
        return ()
    if bad:
        where = tuple(bad)
        evidence = f"{_named(bad)} holds Inf or NaN before the first step"
        if first is not None:
            evidence += f"; {first.op} in {first.module or 'the model'} reads it first"
        return (
            Finding(
                "nonfinite", "error", where, evidence,
                "draw it anew: no training recovers from a weight that is not finite",
                rows=rows_for(bad, measures),
            ),
        )  # fmt: skip
    assert first is not None  # noqa: S101 - or bad is not empty
    inside = first.module or "the model"
    own = tuple(
        dict.fromkeys(
            use.parameter
            for use in observation.uses
            if use.module == first.module and use.op == first.op
        )
    )
    where = own or ((first.module,) if first.module else first.parameters or (inside,))
    what = "the gradient of " if first.gradient else ""
    evidence = f"{what}{first.op} in {inside} gives {first.count} elements that are Inf or NaN"
    if first.operand:
        evidence += f", from {first.operand}"
    if first.dtype in _LARGEST and not first.gradient:
        evidence += f"; {first.dtype} ends at {_LARGEST[first.dtype]:.0f}"
    return (
        Finding(
            "nonfinite", "error", where, evidence,
            _remedy(first.op, first.dtype, gradient=first.gradient),
        ),
    )  # fmt: skip


def _remedy(op: str, dtype: str, *, gradient: bool) -> str:
    if dtype == "float16":
        return "run this part in bfloat16 or float32 (torch.autocast), or make its weights smaller"
    if op in {"log", "sqrt", "rsqrt", "div", "true_divide", "reciprocal", "pow", "norm", "log2"}:
        return f"keep what enters {op} away from 0: add a small eps, or clamp it"
    if op in {"exp", "sinh", "cosh", "exp2", "expm1"}:
        return f"bound what enters {op}, e.g. subtract the largest, or start its weights smaller"
    if op in {"softmax", "_softmax", "scaled_dot_product_attention"}:
        return "leave each row at least one place that the mask allows"
    if gradient:
        return f"bound what enters {op}: its slope is not finite there"
    return f"bound what enters {op}; torch.autograd.set_detect_anomaly shows the line"


def _underflow(measures: Measures) -> tuple[Finding, ...]:
    lost = [
        weight
        for weight in measures.weights
        if weight.signal is not None and weight.signal.dtype == "float16"
        and weight.parameter.trainable and _zeros(weight) >= UNDERFLOW_ERROR.value
    ]  # fmt: skip
    if not lost or not (measures.is_judged or measures.gets_nothing):
        return ()
    least = min(_zeros(w) for w in measures.weights if w.signal and w.parameter.trainable)
    is_lost = least >= UNDERFLOW_ERROR.value
    share, worst = max((_zeros(weight), weight.name) for weight in lost)
    return (
        Finding(
            "nonfinite", "error" if is_lost else "warning",
            tuple(dict.fromkeys(weight.name for weight in lost)),
            f"{share:.0%} of the gradient of {worst} are zero in float16, whose smallest "
            f"number is 6e-08",
            "scale the loss (torch.amp.GradScaler), or train in bfloat16 or float32",
            share, UNDERFLOW_ERROR,
        ),
    )  # fmt: skip


def _zeros(weight: Weight) -> float:
    """Share of zeros in the gradient of what it puts out."""
    if weight.signal is None or weight.signal.gradient is None:
        return 0.0
    return weight.signal.gradient.zeros


def _named(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
