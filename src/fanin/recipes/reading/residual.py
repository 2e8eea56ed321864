"""What residual branches end in: the norms and factors that multiply all of their output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fanin.observation.operations import MOVEMENTS
from fanin.observation.records import Branch, Use
from fanin.recipes.reading.anatomy import Anatomy, Part

_MULTIPLYING: Final = frozenset({"mul", "div", "neg", "positive"})
_ODD: Final = frozenset({"tanh", "sin", "erf", "softsign", "atan", "arctan"})
"""What a factor may pass on its way: 0 stays 0."""


def ends(anatomy: Anatomy, branch: Branch) -> frozenset[str]:
    """The steps of a branch of which 0 makes its whole output 0, and not for ever.

    That is what reaches the join by multiplications alone: through an activation the gradient
    of 0 may be 0.
    """
    kinds = {step.name: step for step in anatomy.observation.steps}
    found: set[str] = set()
    stack = [branch.join]
    while stack:
        at = stack.pop()
        for edge in anatomy.observation.edges:
            if edge.target != at or not set(edge.ops) <= _MULTIPLYING or edge.source in found:
                continue
            step = kinds[edge.source]
            if step.kind in {"weight", "norm"}:
                found.add(edge.source)
            elif step.kind == "pool" or (step.kind == "join" and step.op == "mul"):
                found.add(edge.source)
                stack.append(edge.source)
    return frozenset(found)


def last_factors(anatomy: Anatomy, branch: Branch, part: Part) -> tuple[str, ...]:
    """The trainable scales that multiply the output of a branch.

    Args:
        anatomy: of the model.
        branch: one of its branches.
        part: ``GATE``, or ``NORM_SCALE`` for those of norms.
    """
    there = ends(anatomy, branch)
    names = anatomy.of(part)

    def multiplies(use: Use) -> bool:
        return (
            use.role == "scale"
            and use.branch == branch.index
            and use.signal in there
            and set(use.through) <= MOVEMENTS | _MULTIPLYING | _ODD
        )

    return tuple(name for name in names if any(map(multiplies, anatomy.uses_of(name))))


def described(anatomy: Anatomy, branch: Branch) -> str:
    """A branch as messages call it, e.g. "the branch of '1.c1.weight' to '1.c2.weight'"."""
    own = own_weights(anatomy, branch) or branch.weights
    to = f" to {own[-1]!r}" if len(own) > 1 else ""
    return f"the residual branch of {own[0]!r}{to}"


def own_weights(anatomy: Anatomy, branch: Branch) -> tuple[str, ...]:
    """The weights of a branch that are in no branch inside it, in the order of execution."""
    return tuple(
        name
        for name in branch.weights
        if name in anatomy.parameters
        and any(
            use.branch == branch.index and use.role == "weight" for use in anatomy.uses_of(name)
        )
    )


def heads(anatomy: Anatomy) -> frozenset[str]:
    """The weights after which nothing follows but the output: classifiers, not whole streams."""
    onward: dict[str, list[str]] = {}
    for edge in anatomy.observation.edges:
        onward.setdefault(edge.source, []).append(edge.target)
    before: set[str] = set()
    for step in reversed(anatomy.observation.steps):  # against the order of execution
        if step.kind == "weight" or any(target in before for target in onward.get(step.name, ())):
            before.add(step.name)
    return frozenset(
        use.parameter
        for use in anatomy.weights
        if use.feeds_output
        and use.branch is None
        and not any(target in before for target in onward.get(use.signal or "", ()))
    )


def layers(anatomy: Anatomy, branch: Branch) -> int:
    """The longest chain of weights in a branch: layers side by side count once."""
    own = set(own_weights(anatomy, branch))
    depth: dict[str, int] = {}
    into: dict[str, list[str]] = {}
    for edge in anatomy.observation.edges:
        into.setdefault(edge.target, []).append(edge.source)
    for step in anatomy.observation.steps:  # in the order of execution
        before = max((depth.get(source, 0) for source in into.get(step.name, ())), default=0)
        if step.name == branch.start:
            depth[step.name] = 0
        else:
            depth[step.name] = before + (step.kind == "weight" and bool(own & {*step.parameters}))
    return max(depth.get(branch.join, 0), 1)


def some(things: Iterable[str], most: int = 3) -> str:
    """The first few of many, and how many more there are."""
    names = list(things)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
