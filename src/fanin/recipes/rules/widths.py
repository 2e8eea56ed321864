"""How the weights of a model grow with its width: against a base width, or a base model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

import attrs
from torch import nn
from torch.nn.parameter import is_lazy

from fanin.errors import InputError, ModelError
from fanin.fans import Layout
from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.recurrent_layers import layers_of
from fanin.schemes import scaled, zeros


@attrs.frozen(repr=False)
class BaseModel:
    """The shapes of a model of the base width.

    Args:
        name: its class.
        shapes: names of parameters with their shapes.
    """

    name: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    def __repr__(self) -> str:
        size = sum(math.prod(shape) for _, shape in self.shapes)
        return f"<{self.name} of {size:,} parameters>"


Base = int | BaseModel
"""A width, or a model of the base width with the same names of parameters."""


def as_base(base: int | nn.Module | Base) -> Base:
    """A base; of a model its shapes.

    Raises:
        InputError: it is no positive whole number and no model, or a lazy one.
    """
    if isinstance(base, BaseModel):
        return base
    if isinstance(base, nn.Module):
        named = dict(base.named_parameters())
        lazy = [name for name, one in named.items() if is_lazy(one)]
        if lazy:
            raise InputError(
                f"parameter {lazy[0]!r} of the base model is lazy and has no shape yet. Run one "
                "forward pass of it first"
            )
        shapes = tuple((name, tuple(one.shape)) for name, one in named.items())
        return BaseModel(type(base).__name__, shapes)
    if isinstance(base, bool) or not isinstance(base, int | float) or base < 1 or base % 1:
        raise InputError(
            "base must be a width (the fan_in of hidden weights there), e.g. 256, or a model of "
            f"the base width, got {base!r}"
        )
    return int(base)


class Kind(Enum):
    """Which of a weight's sides grow with the width."""

    INPUT = "input"
    HIDDEN = "hidden"
    OUTPUT = "output"


@attrs.frozen
class Width:
    """One weight beside its base.

    Args:
        kind: which sides grow.
        growth: its fan_in over that of the base, m; 1 for input weights.
        base: fan_in of the base.
    """

    kind: Kind
    growth: float
    base: float


def widths(recipe: str, anatomy: Anatomy, base: Base) -> Mapping[str, Width]:
    """Every trainable weight, by name.

    With a base model the sides are compared by size, as its weights of the same names have
    them. With a number, or where the model has the width of its base, input weights are those
    that read the model's input, output weights those that feed the output from outside of
    residual branches, and all others are hidden.

    Raises:
        ModelError: the base lacks a parameter or has one of another kind, or every weight reads
            the input.
    """
    kinds = _kinds(anatomy)
    if all(kind is Kind.INPUT for kind in kinds.values()):
        raise ModelError(
            f"recipe {recipe!r} scales weights by their width, and every weight of "
            f"{type(anatomy.model).__name__} reads the model's input, so none has one. Take "
            "'lecun_normal'"
        )
    if isinstance(base, BaseModel):
        others = _matching(recipe, anatomy, base)
        made = {use.parameter: _beside(use, others[use.parameter]) for use in anatomy.weights}
        if any(width.growth != 1 for width in made.values()):
            return made
    return {
        use.parameter: _by_kind(_layout(use).fan_in, kinds[use.parameter], base)
        for use in anatomy.weights
    }


def _by_kind(fan_in: float, kind: Kind, base: Base) -> Width:
    other = base if isinstance(base, int) and kind is not Kind.INPUT else fan_in
    return Width(kind, fan_in / other, other)


def _kinds(anatomy: Anatomy) -> Mapping[str, Kind]:
    """The kinds of weights as the dataflow shows them."""
    inputs, found = _reading_inputs(anatomy), {}
    for use in anatomy.weights:
        output = use.feeds_output and use.branch is None and not use.recurrent
        hidden = Kind.OUTPUT if output else Kind.HIDDEN
        found[use.parameter] = Kind.INPUT if use.parameter in inputs else hidden
    return found


def _reading_inputs(anatomy: Anatomy) -> set[str]:
    """The weights whose fan_in is that of the data."""
    inside = {
        name for layer in layers_of(anatomy) for name in layer.weights if name != layer.from_input
    }
    return {
        use.parameter
        for use in anatomy.weights
        if use.source is not None and use.source.kind == "input" and use.parameter not in inside
    }


def _layout(use: Use) -> Layout:
    assert use.layout is not None  # noqa: S101 - weights of an anatomy have one
    return use.layout


def _matching(recipe: str, anatomy: Anatomy, base: BaseModel) -> Mapping[str, tuple[int, ...]]:
    found = dict(base.shapes)
    for name, parameter in anatomy.parameters.items():
        other = found.get(name)
        if other is None or len(other) != parameter.ndim or 0 in other:
            what = "has none" if other is None else f"has one of shape {other}"
            raise ModelError(
                f"recipe {recipe!r} finds the base of parameter {name!r} "
                f"{tuple(parameter.shape)} by its name, and the base model {what}. Build the "
                "base by the same code with other widths only"
            )
    return found


def _beside(use: Use, other: tuple[int, ...]) -> Width:
    layout = _layout(use)
    grown = [
        math.prod(layout.shape[a] for a in axes) / math.prod(other[a] for a in axes)
        for axes in (layout.in_axes, layout.out_axes)
    ]
    fan_in = layout.fan_in
    if grown[0] == 1:
        return Width(Kind.INPUT, 1.0, fan_in)
    return Width(Kind.OUTPUT if grown[1] == 1 else Kind.HIDDEN, grown[0], fan_in / grown[0])


def tied(anatomy: Anatomy) -> tuple[str, ...]:
    """The tables that are output weights as well."""
    return tuple(
        name
        for name in anatomy.of(Part.TABLE, Part.WEIGHT)
        if {use.role for use in anatomy.uses_of(name)} >= {"table", "weight"}
    )


def folded(row: Row, factor: float, why: str) -> Row:
    """A row whose tensor carries a factor of what it puts out: the same dynamics under Adam.

    W = factor V: V is drawn as before and moves by its rate, so W is drawn and moves by factor
    times that; and decays by rate x decay as before.
    """
    return replace(
        row,
        scheme=row.scheme if row.scheme == zeros() else scaled(row.scheme, factor),
        reason=f"{row.reason}; {why}",
        learning_rate=row.learning_rate * factor,
        weight_decay=row.weight_decay / factor,
    )
