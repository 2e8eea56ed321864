"""The weights that put out what a model is asked for, with the biases beside them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import attrs

from fanin.errors import ModelError
from fanin.observation.records import Use
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.matched import listed


@attrs.frozen
class Head:
    """One output layer.

    Args:
        weight: the use of its weight.
        bias: the name of the bias of the same operation; None where it has none.
    """

    weight: Use
    bias: str | None


def heads_of(anatomy: Anatomy) -> tuple[Head, ...]:
    """The weights, frozen ones too, from which the output follows with no other weight between.

    Weights inside residual branches are none: what they add is not the output's alone. Nor are
    those that other weights read too, as the first one of a residual stream that is the output.
    """
    found: dict[str, Head] = {}
    uses = [use for use in anatomy.observation.uses if use.feeds_output and use.branch is None]
    for use in uses:
        if use.role != "weight" or use.recurrent or use.layout is None or goes_on(anatomy, use):
            continue
        beside = [
            one.parameter
            for one in uses
            if one.role == "bias"
            and (one.module, one.op, one.call, one.signal)
            == (use.module, use.op, use.call, use.signal)
        ]
        found.setdefault(use.parameter, Head(use, beside[0] if beside else None))
    return tuple(found.values())


def goes_on(anatomy: Anatomy, use: Use) -> bool:
    """Other weights read what a use puts out."""
    ways = anatomy.residual.ways
    return use.signal is not None and bool(ways.first_weights(use.signal, ways.after))


def require_heads(recipe: str, anatomy: Anatomy, pattern: str | None) -> Sequence[Head]:
    """The heads, or those that a pattern names by parameter or module.

    Raises:
        ModelError: there is none.
    """
    heads = heads_of(anatomy)
    chosen = [head for head in heads if pattern is None or _is_named(head, pattern)]
    if chosen:
        return chosen
    kind = type(anatomy.model).__name__
    if not heads:
        raise ModelError(
            f"recipe {recipe!r} is for an output layer, and no weight of {kind} feeds its output "
            "from outside of residual branches: it has no head. Add one"
        )
    raise ModelError(
        f"recipe {recipe!r}: no head of {kind} is called {pattern!r}. It has "
        f"{listed(head.weight.parameter for head in heads)}"
    )


def is_called(name: str, pattern: str) -> bool:
    """Whether a pattern is that of a parameter, or the path of a module that holds it."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _is_named(head: Head, pattern: str) -> bool:
    names = (*head.weight.names, *([head.bias] if head.bias else []))
    return any(is_called(name, pattern) for name in names)
