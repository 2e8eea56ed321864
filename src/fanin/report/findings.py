"""What is to be said of an observation in words, for terminal and page alike."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from fanin.observation.observed import Observation
from fanin.report import wording

_MOST_NAMED = 24

Finding = tuple[str, str]


def headline(observation: Observation) -> str:
    """The model, its mode and its size."""
    elements = sum(prod(one.shape) for one in observation.parameters)
    mode = "training" if observation.training else "evaluation"
    tensors = wording.counted(len(observation.parameters), "tensor")
    return wording.visible(
        f"{observation.model} in {mode} mode, {elements:,} parameters in {tensors}"
    )


def outcome(observation: Observation) -> str:
    """What came out, and how noisy gradients are."""
    output, noise = observation.output, observation.gradient_noise
    said = f"output RMS {wording.number(output.rms)}, largest {wording.number(output.largest)}"
    if noise is not None:
        said += f"; gradient noise {wording.number(noise)} (variance over squared mean)"
    return said


def findings(observation: Observation) -> list[list[Finding]]:
    """Title and text of each, grouped by kind; only what there is."""
    groups = [
        _nonfinite(observation),
        [
            ("Not understood", f"{one.parameter}, by {one.op}{_inside(one.module)}: {one.reason}")
            for one in observation.unmatched
        ],
        [("Unused", _listed(observation.unused))] if observation.unused else [],
        [("Identical copies", _listed(group)) for group in observation.identical],
        [("Note", note) for note in observation.notes],
    ]
    return [group for group in groups if group]


def _nonfinite(observation: Observation) -> list[Finding]:
    found = observation.nonfinite
    if found is None:
        return []
    what = "the gradient of" if found.gradient else ""
    count = wording.counted(found.count, "element")
    text = f"{what} {found.op}{_inside(found.module)}, {count}".strip()
    return [("First Inf or NaN", text)]


def _inside(module: str) -> str:
    return f" in {module}" if module else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    more = len(names) - _MOST_NAMED
    return f"{', '.join(names[:_MOST_NAMED])} and {more} more"
