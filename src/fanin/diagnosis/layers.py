"""A row for each weight: what was measured there, against what keeps a signal's scale."""

from __future__ import annotations

from collections.abc import Sequence

from fanin.diagnosis.finding import Finding
from fanin.diagnosis.measures import Measures, Weight
from fanin.diagnosis.result import Layer


def layers(measures: Measures, findings: Sequence[Finding]) -> tuple[Layer, ...]:
    """One for each use of a weight or table, in the order of execution."""
    return tuple(_layer(weight, findings) for weight in measures.weights)


def _layer(weight: Weight, findings: Sequence[Finding]) -> Layer:
    use, signal = weight.use, weight.signal
    entering = None if signal is None else signal.entering
    forward = weight.forward
    step = forward / entering if forward is not None and entering else None
    gain = use.source.gain if use.source is not None else None
    units = None if signal is None else signal.units
    count = None if units is None else units.count
    is_saturating = units is not None and units.two_sided
    return Layer(
        name=weight.name,
        module=use.module,
        op=use.op,
        fan_in=use.fan_in,
        fan_out=use.fan_out,
        forward=forward,
        gradient=weight.gradient,
        weight=weight.parameter.rms,
        weight_gradient=weight.parameter.gradient_rms,
        step=step,
        expected=gain if _is_expected(weight) else None,
        units=count,
        dead=units.dead / units.count if units and units.dead is not None else None,
        duplicated=units.duplicated / units.count if units and units.count else None,
        saturated=units.flat if units is not None and is_saturating else None,
        correlation=None if signal is None else signal.correlation,
        findings=tuple(k for k, one in enumerate(findings) if weight.name in one.where),
    )


def _is_expected(weight: Weight) -> bool:
    """To keep the scale of its signal; the last weight of a branch is often small by design."""
    use = weight.use
    return (
        use.role == "weight"
        and use.norm_after is None
        and not use.last_of_branch
        and weight.parameter.rms != 0.0
    )
