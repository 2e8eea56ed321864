"""The rows of an observation's tables, as texts for the page."""

from __future__ import annotations

from fanin.observation.observed import Observation
from fanin.observation.readouts import Signal
from fanin.observation.records import Parameter, Source, Use
from fanin.report import wording

Row = dict[str, str]


def use_table(observation: Observation) -> list[Row]:
    """A row for each use of each parameter."""
    return [_use(use) for use in observation.uses]


def _use(use: Use) -> Row:
    call = f" ({use.call + 1} of {use.calls})" if use.calls > 1 else ""
    tied = [name for name in use.names if name != use.parameter]
    return {
        "parameter": wording.visible(use.parameter + call),
        "tied": wording.visible(", ".join(tied)),
        "op": wording.visible(" < ".join((use.op, *reversed(use.through)))),
        "role": wording.visible(use.role),
        "fan_in": "" if use.layout is None else wording.fan(use.fan_in),
        "fan_out": "" if use.layout is None else wording.fan(use.fan_out),
        "source": _source(use.source),
        "then": wording.follows(use) if use.regions else "",
        "where": wording.visible(_where(use)),
        "reason": wording.visible("; ".join(r.reason for r in use.regions if r.reason)),
    }


def _source(source: Source | None) -> str:
    if source is None:
        return ""
    functions = f" {' '.join(source.ops)}" if source.ops else ""
    return wording.visible(f"{source.kind} {source.name}{functions}")


def _where(use: Use) -> str:
    parts = []
    if use.branch is not None:
        parts.append(f"branch {use.branch}{', last' if use.last_of_branch else ''}")
    if use.attention is not None:
        parts.append(use.attention)
    if use.norm_before is not None:
        parts.append(f"after {use.norm_before.op}")
    if use.norm_after is not None:
        parts.append(f"before {use.norm_after.op}")
    if use.feeds_output:
        parts.append("feeds the output")
    if use.recurrent:
        steps = f", {use.time_steps} steps" if use.time_steps is not None else ""
        parts.append(f"recurrent{steps}")
    if not use.seen:
        parts.append("not in this pass")
    return "; ".join(parts)


def signal_table(observation: Observation) -> list[Row]:
    """A row for each signal, in the order of execution."""
    return [_signal(signal) for signal in observation.signals]


def _signal(signal: Signal) -> Row:
    forward, gradient, units = signal.forward, signal.gradient, signal.units
    return {
        "name": wording.visible(signal.name),
        "kind": signal.kind,
        "shape": _shape(signal.shape),
        "dtype": signal.dtype,
        "rms": wording.number(forward.rms),
        "largest": wording.number(forward.largest),
        "nonfinite": str(forward.nonfinite) if forward.nonfinite else "",
        "zeros": _share(forward.zeros),
        "gradient": _gradient(None if gradient is None else gradient.rms),
        "gradient_zeros": "" if gradient is None else _share(gradient.zeros),
        "flat": "" if units is None else _share(units.flat),
        "dead": "" if units is None else _of(units.dead, units.count),
        "duplicated": "" if units is None else _of(units.duplicated, units.count),
        "correlation": "" if signal.correlation is None else wording.number(signal.correlation, 2),
    }


def parameter_table(observation: Observation) -> list[Row]:
    """A row for each parameter, in the model's order."""
    unused = set(observation.unused)
    return [_parameter(one, unused=one.name in unused) for one in observation.parameters]


def _parameter(parameter: Parameter, *, unused: bool) -> Row:
    remarks = [f"also {name}" for name in parameter.names if name != parameter.name]
    remarks += ["frozen"] * (not parameter.trainable) + ["unused"] * unused
    remarks += ["not understood"] * (not parameter.matched)
    return {
        "name": wording.visible(parameter.name),
        "shape": _shape(parameter.shape),
        "dtype": parameter.dtype,
        "rms": wording.number(parameter.rms),
        "gradient": _gradient(parameter.gradient_rms),
        "remarks": wording.visible("; ".join(remarks)),
    }


def _gradient(rms: float | None) -> str:
    return "none" if rms is None else wording.number(rms)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _share(value: float | None) -> str:
    if value is None:
        return ""
    return "0" if value == 0 else f"{100 * value:.2g} %"


def _of(count: int | None, total: int) -> str:
    return "" if count is None else "0" if count == 0 else f"{count} of {total}"
