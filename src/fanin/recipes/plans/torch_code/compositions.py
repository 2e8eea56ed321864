"""Schemes made of others, and of given numbers, in plain torch code."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from fanin import schemes
from fanin.fans import Layout
from fanin.recipes.plans.torch_code.drawing import Drawing, Target, Writing, draws_its_law
from fanin.recipes.plans.torch_code.statements import literal
from fanin.schemes import IndependentScheme
from fanin.schemes.scheme import needed_layout


def _scaled(drawing: Drawing, scheme: schemes.scaled, layout: Layout | None, at: Target) -> None:
    if isinstance(scheme.base, IndependentScheme) and draws_its_law(scheme.base):
        drawing.independent(scheme.base, layout, at, scheme.factor)
        return
    drawing.draw(scheme.base, layout, at)
    if scheme.factor != 1.0:
        drawing.call(at, f"{at.text}.mul_", literal(scheme.factor))


def _masked(drawing: Drawing, scheme: schemes.masked, layout: Layout | None, at: Target) -> None:
    drawing.draw(scheme.base, layout, at)
    kept = tuple(int(one) for one in scheme.mask.flatten().tolist())
    if not all(kept):
        mask = drawing.numbers(scheme, at, "mask", kept)
        drawing.call(at, f"{at.text}.mul_", f"{at.text}.new_tensor({mask}).view_as({at.text})")


def _icnr(drawing: Drawing, scheme: schemes.icnr, layout: Layout | None, at: Target) -> None:
    known = needed_layout(scheme, layout)
    of_base, axis = scheme.layout_of_base(known), known.out_axes[0]
    copies = drawing.named(at, "copies", f"{at.text}.unflatten({axis}, (-1, {scheme.r**2}))")
    first = drawing.named(at, "first", f"{copies}.select({axis + 1}, 0)")
    drawing.draw(scheme.base, of_base, replace(at, text=first, shape=of_base.shape, strided=True))
    drawing.line(at, f"{copies}.copy_({first}.clone().unsqueeze({axis + 1}))")


def _looks_linear(
    drawing: Drawing, scheme: schemes.looks_linear, layout: Layout | None, at: Target
) -> None:
    known = needed_layout(scheme, layout)
    part = scheme.layout_of_base(known)
    halved = {"first": known.out_axes, "last": known.in_axes, "hidden": ()}[scheme.place]
    axes = [axis[0] for axis in (known.out_axes, known.in_axes)]
    axes = [axis for axis in axes if not halved or axis in halved]
    # From the smallest part to the whole: each half is the negative of the other.
    wholes = [at.text]
    for axis in axes:
        size = part.shape[axis]
        wholes.append(drawing.named(at, "half", f"{wholes[-1]}.narrow({axis}, 0, {size})"))
    drawn = replace(at, text=wholes[-1], shape=part.shape, strided=True)
    drawing.draw(scheme.base_of(known), part, drawn)
    for axis, whole, half in reversed(list(zip(axes, wholes, wholes[1:], strict=False))):
        size = part.shape[axis]
        drawing.line(at, f"{whole}.narrow({axis}, {size}, {size}).copy_(-{half})")


def _blocks(drawing: Drawing, scheme: schemes.blocks, layout: Layout | None, at: Target) -> None:
    axis, parts = scheme.parts(at.shape, layout)
    if len(parts) == 1:
        drawing.draw(parts[0][0], parts[0][2], at)
        return
    if all(part == parts[0] for part in parts):
        one, size, of_one = parts[0]
        along = f", dim={axis}" if axis else ""
        shape = (*at.shape[:axis], size, *at.shape[axis + 1 :])
        over = f"chunk({len(parts)}{along})"
        drawing.draw(one, of_one, drawing.loop(at, "block", over, shape, strided=axis > 0))
        return
    views = drawing.parts(at, tuple(size for _, size, _ in parts), axis)
    for (inner, _, part), view in zip(parts, views, strict=True):
        drawing.draw(inner, part, view)


def _per_unit(
    drawing: Drawing, scheme: schemes.per_unit, layout: Layout | None, at: Target
) -> None:
    axis = scheme.axis(at.shape, layout)
    drawing.draw(scheme.base, layout, at)
    runs = [(factor, len(list(run))) for factor, run in itertools.groupby(scheme.factors)]
    if len(runs) == 1:
        drawing.call(at, f"{at.text}.mul_", literal(runs[0][0]))
        return
    values, counts = (tuple(column) for column in zip(*runs, strict=True))
    short = 2 * len(values) < len(scheme.factors)
    name = drawing.numbers(scheme, at, "factors", values if short else scheme.factors)
    factors = f"{at.text}.new_tensor({name})"
    if short:
        repeats = drawing.numbers(scheme, at, "units", counts)
        factors = f"{factors}.repeat_interleave(torch.tensor({repeats}))"
    ones = ", 1" * (len(at.shape) - axis - 1)
    factors = drawing.named(at, "column", f"{factors}.view(-1{ones})")
    drawing.call(at, f"{at.text}.mul_", factors)


def _given(drawing: Drawing, scheme: schemes.given, layout: Layout | None, at: Target) -> None:
    scheme.require_fit(at.shape, layout)
    values = tuple(scheme.values.flatten().tolist())
    if len(set(values)) == 1:
        drawing.constant(at, values[0])
        return
    name = drawing.numbers(scheme, at, "values", values)
    tensor = f"torch.tensor({name}, dtype=torch.float64)"
    if len(at.shape) > 1:
        tensor += f".view({', '.join(map(str, at.shape))})"
    drawing.call(at, f"{at.text}.copy_", tensor)


def _chrono_bias(
    drawing: Drawing, scheme: schemes.chrono_bias, layout: Layout | None, at: Target
) -> None:
    scheme.require_fit(at.shape, layout)
    gates = drawing.named(at, "gates", f"{at.text}.chunk({scheme.count})")
    drawing.call(at, "nn.init.zeros_", at.text)
    drawing.line(at, f"nn.init.uniform_({gates}[1], 1.0, {literal(scheme.steps - 1)}).log_()")
    if scheme.gates == "lstm":
        drawing.line(at, f"{gates}[0].copy_(-{gates}[1])")


COMPOSITIONS: Final[Mapping[type, Writing]] = MappingProxyType(
    {
        schemes.scaled: _scaled,
        schemes.masked: _masked,
        schemes.icnr: _icnr,
        schemes.looks_linear: _looks_linear,
        schemes.blocks: _blocks,
        schemes.per_unit: _per_unit,
        schemes.given: _given,
        schemes.chrono_bias: _chrono_bias,
    }
)
"""By the scheme's class."""
