"""Maximal update parametrization."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import attrs
from torch import nn

from fanin.errors import InputError, ModelError
from fanin.observation import observe
from fanin.observation.records import Use
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice, Part
from fanin.recipes.reading.matched import listed
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.widths import Base, BaseModel, Kind, Width, as_base, folded, tied, widths
from fanin.schemes import normal, zeros
from fanin.schemes.scheme import as_float


def _positive(_: object, field: attrs.Attribute[float], value: object) -> None:
    if not isinstance(value, float) or not 0 < value < 1e18:
        raise InputError(f"{field.alias} must be a positive number, got {value!r}")


@attrs.frozen(repr=False)
class mup(ObservedRecipe):
    """muP: rates that are best at the base width are best at every width, under Adam.

    In the form of Table 3, which needs no factor in the model's own code. With m = fan_in /
    fan_in of the base, and g the gain of the activation before the weight (1 where none is):

    - weights that read the input: std g / sqrt(fan_in), learning rate x 1; tables: N(0, 1), x 1;
    - hidden weights: std g / sqrt(fan_in), rate / m;
    - output weights: std g sqrt(base fan_in) / fan_in, which at m = 1 is that of a hidden
      weight, rate / m;
    - biases and norms: 0 and 1, rate x 1.

    Where the rate is divided by m the weight decay is multiplied by it, so that their product,
    which AdamW shrinks a weight by, stays. ``plan.param_groups(lr)`` has these factors.

    muP also wants attention logits q.k / d instead of q.k / sqrt(d), d the head dimension. That
    matters where heads get wider. Where they get more, the two differ by a constant, and
    nothing is done. What the head dimension grows by is not seen in a pass: give it as
    ``head_growth``; then queries are drawn 1 / sqrt(growth) times as large, with a rate smaller
    by the same factor, which under Adam is the factor in the logits.

    Args:
        base: fan_in of hidden weights at the width where the rate was tuned, or a model of that
            width, made by the same code: then each weight has its own m, found by its name. With
            a number a weight that reads four widths has m four times as large, at every width.
        head_growth: head dimension over that of the base.
        zero_readout: output weights start at 0, as the authors advise.
        tied: "error", or "table": a table that is the output weight too is drawn as a table, and
            a note gives the factor that the logits then need in the model's code.

    Raises:
        InputError: the base is neither, or an argument out of range.
        ModelError: from ``plan``: a table tied to the output, a base without a parameter's
            counterpart, nothing that grows, a weight normalised by its length, or one weight
            for queries and more where ``head_growth`` is not 1.

    References:
        Yang et al., Tensor Programs V, 2022, arXiv:2203.03466, Table 3 and appendix B.
    """

    base: Base = attrs.field(default=256, converter=as_base)
    head_growth: float = attrs.field(default=1.0, converter=as_float, validator=_positive)
    zero_readout: bool = False
    tied: str = attrs.field(default="error", validator=attrs.validators.in_(("error", "table")))

    name = "mup"
    rule = (
        "input std 1/sqrt(fan_in), rate x 1; hidden std 1/sqrt(fan_in), rate / m; output std "
        "sqrt(base)/fan_in, rate / m; m = fan_in / base"
    )
    use = "tuning a rate on a narrow model for a wide one; under Adam, with plan.param_groups(lr)"
    citation = (
        "Yang et al. Tensor Programs V: tuning large neural networks via zero-shot hyperparameter "
        "transfer. 2022. arXiv:2203.03466, Table 3"
    )
    argument = "base"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        self.require_inputs(inputs)
        anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        rows = self.rows(anatomy)
        return anatomy.planned(str(self), rows, self.citation, width_notes(self, anatomy))

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        return width_rows(self.name, self, anatomy)


def width_rows(recipe: str, rule: mup, anatomy: Anatomy) -> list[Row]:
    """The rows of muP, for a recipe that builds on it.

    Raises:
        ModelError: it does not apply, naming the part.
    """
    both = tied(anatomy)
    if both and rule.tied == "error":
        raise ModelError(
            f"recipe {recipe!r}: the table {listed(both)} is the output weight as well, and the "
            "two ask for other scales and rates. Untie them, or multiply the logits by base / "
            f"width in forward and give {recipe}(tied='table')"
        )
    lengths = anatomy.of(Part.MAGNITUDE)
    if lengths:
        raise ModelError(
            f"recipe {recipe!r} sets the scale of weights, and {listed(lengths)} normalises one "
            "by its length: the rules of muP are for plain weights. Remove weight_norm"
        )
    known = widths(recipe, anatomy, rule.base)

    def weight(use: Use) -> Choice:
        return _drawn(use, known[use.parameter], rule)

    rows = anatomy.rows(
        weight,
        table=lambda _: (normal(std=1.0), "a row of a table is read alone: N(0, 1) at any width"),
        source=rule.citation,
    )
    made = [_with_rate(row, known.get(row.parameter)) for row in rows]
    return _with_queries(recipe, made, anatomy, rule.head_growth)


def _drawn(use: Use, width: Width, rule: mup) -> Choice:
    assert use.layout is not None  # noqa: S101 - weights of an anatomy have one
    gain = use.source.gain if use.source is not None else None
    square = 1.0 if gain is None else gain**2
    std = (square / use.layout.fan_in) ** 0.5
    m = f"m = {use.layout.fan_in:g}/{width.base:g} = {width.growth:g}"
    if width.kind is Kind.INPUT:
        return normal(std=std), "its fan_in does not grow with the width: rate x 1"
    if width.kind is Kind.HIDDEN:
        return normal(std=std), f"hidden, {m}: variance {square:.3g}/fan_in, rate / m"
    if rule.zero_readout:
        return zeros(), f"an output weight that starts at 0, {m}: rate / m"
    return (
        normal(std=std / width.growth**0.5),
        f"an output weight, {m}: variance {square:.3g} base/fan_in^2, rate / m",
    )


def _with_rate(row: Row, width: Width | None) -> Row:
    if width is None or width.kind is Kind.INPUT:
        return row
    return replace(row, learning_rate=1 / width.growth, weight_decay=width.growth)


def _with_queries(recipe: str, rows: list[Row], anatomy: Anatomy, growth: float) -> list[Row]:
    """The factor 1/sqrt(growth) of the logits, folded into the queries."""
    if growth == 1:
        return rows
    roles = {
        use.parameter: use.attention
        for use in anatomy.observation.uses
        if use.attention is not None and "query" in use.attention
    }
    packed = [name for name, role in roles.items() if role != "query"]
    if packed or not roles:
        raise ModelError(
            f"recipe {recipe!r}: head_growth={growth:g} asks for smaller queries with a smaller "
            + (
                f"rate, and {listed(packed)} holds keys or values too, whose rate it shares. "
                if packed
                else f"rate, and {type(anatomy.model).__name__} has no attention. "
            )
            + "Divide the logits by the head dimension in forward and leave head_growth at 1"
        )
    factor = growth**-0.5
    return [
        folded(row, factor, f"times {factor:.3g} for logits q.k/d") if row.parameter in roles
        else row
        for row in rows
    ]  # fmt: skip


def width_notes(rule: mup, anatomy: Anatomy) -> list[str]:
    """What muP asks for that no plan can set."""
    adam = (
        "the factors of rates are for Adam: give the optimizer plan.param_groups(lr), where lr is "
        "the best rate at the base width"
    )
    notes = [adam]
    for name in tied(anatomy):
        layout = next(use.layout for use in anatomy.uses_of(name) if use.role == "weight")
        if isinstance(rule.base, BaseModel) or layout is None:
            factor = "the width of the base over this one"
        else:
            factor = f"{rule.base / layout.fan_in:g}, the base over this width"
        notes.append(f"{name!r} is drawn as a table: multiply the logits by {factor} in forward")
    attends = any(use.attention and "query" in use.attention for use in anatomy.observation.uses)
    if attends and rule.head_growth == 1:
        notes.append(
            "attention logits of q.k/sqrt(d) are right while the head dimension d is that of the "
            "base; where it grows, give head_growth, or divide by d in forward"
        )
    return notes
