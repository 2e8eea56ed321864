"""Units that no example activates, beyond what chance explains."""

from __future__ import annotations

from scipy.stats import binom

from fanin.diagnosis.finding import Finding
from fanin.diagnosis.limits import DEAD_ERROR, DEAD_WARNING
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.remedies import beside, rows_for
from fanin.diagnosis.trend import is_cut_off, norms_are_starved
from fanin.observation.readouts import Signal, Units

_RARE = 1e-3
_RARE_IF_MANY, _MANY = 5e-3, 0.4
_NONE_ACTIVE = 0.9999


def judge(measures: Measures, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if any(one.kind == "nonfinite" for one in before):
        return ()
    told = {name for one in before for name in one.where}
    found = []
    for signal in measures.observation.signals:
        finding = _judged(signal, measures, told)
        if finding is not None:
            found.append(finding)
    told |= {name for one in found for name in one.where}
    return _joined(found + _silent(measures, told))


def _judged(signal: Signal, measures: Measures, told: set[str]) -> Finding | None:
    units = signal.units
    if units is None or not units.dead or not units.silent:
        return None  # where the flat part gives no zeros it saturates
    if units.two_sided and not _is_silent(signal, measures):
        return None
    if signal.kind == "norm" and norms_are_starved(measures):
        return None
    names = blamed(signal, measures)
    gains = {use.parameter for use in measures.observation.uses
             if use.module == signal.module and use.role == "scale"}  # fmt: skip
    if not names or told & {*names, *gains}:
        return None
    share, always = units.dead / units.count, (units.always or 0) / units.count
    # Weights without a preferred sign make as many units that are always on as always off.
    one_sided = units.dead + (units.always or 0)
    chance = float(binom.sf(units.dead - 1, one_sided, 0.5))
    is_chance = chance > (_RARE_IF_MANY if share - always >= _MANY else _RARE)
    is_whole = share >= DEAD_ERROR.value
    # A layer that is dead as a whole is cut off, whatever made it so.
    is_chance = is_chance and not (share == 1.0 and (_are_enough(units) or measures.gets_nothing))
    if is_chance or not (is_whole or share - always >= DEAD_WARNING.value):
        return None
    limit = DEAD_ERROR if is_whole else DEAD_WARNING
    is_bypassed = is_whole and not is_cut_off(measures)
    few = " (one is too few to tell most of them)" if units.observations == 1 else ""
    return Finding(
        "dead", "error" if is_whole and not is_bypassed else "warning", names,
        f"{units.dead} of the {units.count} units of {names[0]} are active for no example of this "
        f"batch and get no gradient: {share:.0%}, where chance makes as many as are always active, "
        f"{always:.0%}; {units.observations} observations a unit{few}",
        "centre what enters the activation: bias 0, weights of mean 0",
        share, limit, rows_for(names, measures),
    )  # fmt: skip


def _are_enough(units: Units) -> bool:
    """For a layer that is dead as a whole: narrow ones on few examples are so by chance."""
    return units.count * units.observations >= 64 and units.observations >= 8


def _is_silent(signal: Signal, measures: Measures) -> bool:
    """What reads it gets zeros."""
    return any(
        one.use.source is not None
        and one.use.source.name == signal.name
        and one.signal is not None
        and one.signal.entering == 0.0
        for one in measures.weights
    )


def _silent(measures: Measures, told: set[str]) -> list[Finding]:
    """Weights that read nothing but zeros, though what comes before them puts something out."""
    if any(one.kind == "norm" and one.forward.rms == 0.0 for one in measures.observation.signals):
        return []  # a gain of zero: nothing is dead, and whether it can start is told elsewhere
    if norms_are_starved(measures):
        return []
    found = []
    for weight in measures.weights:
        signal, source = weight.signal, weight.use.source
        if signal is None or signal.entering != 0.0 or source is None:
            continue
        before = measures.signals.get(source.name)
        if before is None:
            near = [w.signal for w in measures.upstream(source.name) if w.signal is not None]
            before = near[0] if near else None
        if before is None or not before.forward.rms:
            continue
        few = before.units is not None and not _are_enough(before.units)
        if few and not measures.gets_nothing:
            continue
        if before.kind == "norm" and norms_are_starved(measures):
            continue
        names = blamed(before, measures)
        if not names or told & set(names):
            continue
        told |= set(names)
        found.append(
            Finding(
                "dead", "error" if is_cut_off(measures) else "warning", names,
                f"{weight.name} reads zeros alone: nothing that {names[0]} shifts is active for "
                f"any example of this batch",
                "centre what enters the activation: bias 0, weights of mean 0",
                1.0, DEAD_ERROR, rows_for(names, measures),
            )
        )  # fmt: skip
    return found + _recurrent(measures)


def blamed(signal: Signal, measures: Measures) -> tuple[str, ...]:
    """The weight that puts a signal out, and the parameters that shift it."""
    uses = [use for use in measures.observation.uses if use.module == signal.module]
    own = [use.parameter for use in uses if use.signal == signal.name and use.role == "weight"]
    shifts = [
        use.parameter
        for use in uses
        if use.role in {"bias", "shift"} and use.signal in {signal.name, None}
    ]
    if not own and not shifts:
        before = measures.upstream(signal.name)
        return tuple(n for w in before for n in (*beside(w, measures), w.name))
    if signal.kind != "weight" or not own:
        own, shifts = shifts, own
    return tuple(dict.fromkeys((*own, *shifts)))


def _recurrent(measures: Measures) -> list[Finding]:
    """Recurrent nets of ReLU, whose units are not seen one by one."""
    return [
        Finding(
            "dead", "error", gate.parameters,
            f"{gate.low:.0%} of what enters the ReLU of layer {gate.layer} of {gate.module} are "
            f"not above zero",
            "draw its weights with mean 0, its bias 0",
            gate.low, DEAD_ERROR, rows_for(gate.parameters, measures),
        )
        for gate in measures.observation.gates
        if gate.op.startswith("rnn_relu") and gate.low >= _NONE_ACTIVE
    ]  # fmt: skip


def _joined(found: list[Finding]) -> tuple[Finding, ...]:
    """One finding where many layers are alike: the first speaks for them."""
    made = []
    for severity in ("error", "warning"):
        own = [one for one in found if one.severity == severity]
        if not own:
            continue
        first = own[0]
        more = f"; so in {len(own) - 1} more layers" if len(own) > 1 else ""
        made.append(
            Finding(
                "dead", first.severity, tuple(n for one in own for n in one.where),
                first.evidence + more, first.remedy, first.value, first.limit,
                tuple(row for one in own for row in one.rows),
            )
        )  # fmt: skip
    return tuple(made)
