"""What was noticed and is no fault: one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from fanin.diagnosis.measures import Measures
from fanin.diagnosis.trend import norms_are_starved

_MOST_NAMED = 4


def notes(measures: Measures) -> tuple[str, ...]:
    """Unused, frozen and unmatched parameters, and what could not be judged for which reason."""
    observation = measures.observation
    frozen = [one.name for one in observation.parameters if not one.trainable]
    told = [*observation.notes]
    if observation.unused:
        told.append(f"no output depends on {_named(observation.unused)}")
    if frozen:
        told.append(f"frozen, and left alone: {_named(frozen)}")
    unused = set(observation.unused)
    cut = [
        one.name
        for one in observation.parameters
        if one.trainable and one.gradient_rms is None and one.matched and one.name not in unused
    ]
    if cut and not measures.gets_nothing:
        told.append(
            f"trained, but without a gradient from this loss (detach, no_grad, or an output that "
            f"it does not use): {_named(cut)}"
        )
    told += [
        f"not judged: {one.parameter}, read by {one.op}: {one.reason}"
        for one in observation.unmatched
    ]
    sizes = [one.examples for one in observation.signals if one.examples]
    if sizes and max(sizes) < 2:
        told.append(
            "the batch has one example: whether examples stay apart, and which units are dead, "
            "takes more"
        )
    if norms_are_starved(measures):
        told.append(
            "a batch norm averages fewer than 16 numbers a channel here and puts out little more "
            "than signs: whether signals vanish or explode takes a larger batch"
        )
    return tuple(told)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
