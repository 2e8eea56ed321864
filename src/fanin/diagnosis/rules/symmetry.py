"""Units that are equal as functions and stay equal, and products of zeros that never move."""

from __future__ import annotations

from fanin.diagnosis.finding import Finding, Kind
from fanin.diagnosis.limits import TWINS_ERROR
from fanin.diagnosis.measures import Measures, Weight
from fanin.diagnosis.remedies import rows_for

_EQUAL = 1e-6


def judge(measures: Measures, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if any(one.kind == "nonfinite" for one in before):
        return ()
    zeros = _zeros(measures)
    return (*zeros, *_twins(measures, zeros), *_copies(measures))


def _zeros(measures: Measures) -> tuple[Finding, ...]:
    """Weights of zeros whose gradient is zero whatever the others do."""
    stuck = set(measures.observation.stuck)
    names = tuple(
        dict.fromkeys(
            use.parameter
            for use in measures.observation.uses
            if use.parameter in stuck
            and use.role in {"weight", "scale", "magnitude"}
            and measures.parameters[use.parameter].rms == 0.0
        )
    )
    if not names:
        return ()
    roles = {use.role for use in measures.observation.uses if use.parameter in names}
    kind: Kind = "vanishing" if roles == {"scale"} else "symmetry"
    trained = [w for w in measures.weights if w.parameter.trainable and w.use.role == "weight"]
    first = [w.name in names for w in trained if _reads_input(w)]
    reads_input = bool(first) and all(first)
    most = sum(w.name in names for w in trained) >= len(trained) / 2
    count = f"{names[0]} and {len(names) - 1} more are" if len(names) > 1 else f"{names[0]} is"
    return (
        Finding(
            kind, "error" if reads_input or most else "warning", names,
            f"{count} zero and get{'' if len(names) > 1 else 's'} a gradient of exactly zero, also "
            f"after every parameter that has one moved",
            "draw at least one of the factors at random: where all are zero none can start",
            rows=rows_for(names, measures),
        ),
    )  # fmt: skip


def _reads_input(weight: Weight) -> bool:
    return weight.use.source is None or weight.use.source.kind == "input"


def _twins(measures: Measures, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    told = {name for one in before for name in one.where}
    found = [one for one in measures.observation.twins if one.parameter not in told]
    if not found:
        return ()
    worst = min(found, key=lambda one: (not one.gradients, one.distinct / one.count))
    names = tuple(one.parameter for one in found)
    more = f" (so in {len(names) - 1} more weights)" if len(names) > 1 else ""
    then = (
        "and get the same gradient: they stay copies however long you train"
        if worst.gradients
        else "and are told apart by the next weight alone"
    )
    uses = measures.observation.uses_of(worst.parameter)
    is_bypassed = any(use.branch is not None for use in uses)
    is_error = worst.gradients and worst.distinct <= TWINS_ERROR.value and not is_bypassed
    return (
        Finding(
            "symmetry", "error" if is_error else "warning", names,
            f"{worst.units} of the {worst.count} units of {worst.parameter} equal another unit"
            f"{more} {then}; different ones: {worst.distinct}",
            "draw the weights at random: units have to differ before they can learn to differ",
            float(worst.distinct), TWINS_ERROR if is_error else None, rows_for(names, measures),
        ),
    )  # fmt: skip


def _copies(measures: Measures) -> tuple[Finding, ...]:
    """Modules that are copies and get equal gradients: they do the same thing side by side."""
    found = []
    for group in measures.observation.identical:
        names = [_weights_in(path, measures) for path in group]
        alike = [
            place
            for place, own in enumerate(names)
            if any(
                own and _gradients_equal(own, other, measures)
                for at, other in enumerate(names)
                if at != place
            )
        ]
        if len(alike) < 2:
            continue
        where = tuple(name for place in alike for name in names[place])
        paths = ", ".join(group[place] for place in alike[:4])
        found.append(
            Finding(
                "symmetry", "warning", where,
                f"{paths} are {len(alike)} copies with equal gradients: they stay one and the same",
                "draw each copy from noise of its own, e.g. by building each anew",
                float(len(alike)), None, rows_for(where, measures),
            )
        )  # fmt: skip
    return tuple(found)


def _weights_in(path: str, measures: Measures) -> list[str]:
    names = [
        one.name
        for one in measures.observation.parameters
        if one.name.startswith(f"{path}.") and one.trainable and one.gradient_rms
    ]
    weights = {use.parameter for use in measures.observation.uses if use.role == "weight"}
    return [name for name in names if name in weights]


def _gradients_equal(own: list[str], other: list[str], measures: Measures) -> bool:
    if len(own) != len(other):
        return False
    pairs = [
        (measures.parameters[a].gradient_rms or 0.0, measures.parameters[b].gradient_rms or 0.0)
        for a, b in zip(own, other, strict=True)
    ]
    return all(abs(a - b) <= _EQUAL * max(a, b) for a, b in pairs)
