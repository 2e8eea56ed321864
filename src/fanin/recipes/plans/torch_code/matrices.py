"""Schemes of whole matrices in plain torch code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from fanin import schemes
from fanin.fans import Layout
from fanin.recipes.plans.torch_code.drawing import Drawing, Target, Writing
from fanin.recipes.plans.torch_code.statements import literal, quoted
from fanin.schemes.scheme import needed_layout

OfOne = Callable[[Drawing, Any, Target], None]


def _each(write: OfOne) -> Writing:
    """What writes a scheme for each weight in a tensor."""

    def writing(drawing: Drawing, scheme: Any, layout: Layout | None, at: Target) -> None:
        for matrix in _matrices(drawing, needed_layout(scheme, layout), at):
            write(drawing, scheme, matrix)

    return writing


def _matrices(drawing: Drawing, layout: Layout, at: Target) -> Iterator[Target]:
    """Each weight within a tensor, as a tensor (out, in, *kernel); statements stay in its loop."""
    for block, inside in _blocks(drawing, layout, at):
        one, here = block, inside
        if block.groups > 1:
            shape = (block.shape[0] // block.groups, *block.shape[1:])
            one = replace(block, shape=shape, groups=1)
            here = drawing.loop(here, "group", f"chunk({block.groups})", shape, strided=False)
        for axis in sorted(one.batch_axes, reverse=True):
            shape = (*here.shape[:axis], *here.shape[axis + 1 :])
            here = drawing.loop(here, "matrix", f"unbind({axis or ''})", shape, strided=axis > 0)
        yield from _turned(drawing, one, here)


def _blocks(drawing: Drawing, layout: Layout, at: Target) -> Iterator[tuple[Layout, Target]]:
    parts = layout.parts()
    if not layout.blocks:
        yield layout, at
    elif len(set(layout.blocks)) == 1:
        axis = layout.out_axes[0]
        along = f", dim={axis}" if axis else ""
        over, shape = f"chunk({len(parts)}{along})", parts[0].shape
        yield parts[0], drawing.loop(at, "part", over, shape, strided=axis > 0)
    else:
        yield from zip(parts, drawing.parts(at, layout.blocks, layout.out_axes[0]), strict=True)


def _turned(drawing: Drawing, layout: Layout, at: Target) -> Iterator[Target]:
    """The weight with its axes in the order out, in, kernel, and one of out and of in."""
    left = [axis for axis in range(len(layout.shape)) if axis not in layout.batch_axes]
    units = (*layout.out_axes, *layout.in_axes)
    taps = tuple(axis for axis in left if axis not in units)
    order = [left.index(axis) for axis in (*units, *taps)]
    text = at.text
    if order == [1, 0]:
        text = f"{text}.T"
    elif order != sorted(order):
        text = f"{text}.permute({', '.join(map(str, order))})"
    strided = at.strided or text != at.text
    if len(layout.out_axes) == len(layout.in_axes) == 1:
        shape = tuple(layout.shape[axis] for axis in (*units, *taps))
        yield replace(at, text=text, shape=shape, strided=strided)
        return
    sizes = [math.prod(layout.shape[axis] for axis in axes) for axes in
             (layout.out_axes, layout.in_axes)]  # fmt: skip
    sizes += [layout.shape[axis] for axis in taps]
    whole = drawing.named(at, "whole", text) if text != at.text else text
    flat = drawing.named(at, "flat", f"{whole}.new_empty({', '.join(map(str, sizes))})")
    yield replace(at, text=flat, shape=tuple(sizes), strided=False)
    drawing.line(at, f"{whole}.copy_({flat}.view_as({whole}))")


def _gain(scheme: Any) -> tuple[str, ...]:
    return () if scheme.gain == 1.0 else (f"gain={literal(scheme.gain)}",)


def _orthogonal(drawing: Drawing, scheme: Any, at: Target) -> None:
    if at.strided and len(at.shape) > 2:
        drawing.functions.add("orthogonal_")
        drawing.call(at, "orthogonal_", at.text, *_gain(scheme))
    else:
        drawing.call(at, "nn.init.orthogonal_", at.text, *_gain(scheme))


def _delta_orthogonal(drawing: Drawing, scheme: Any, at: Target) -> None:
    drawing.functions.add("delta_orthogonal_")
    drawing.call(at, "delta_orthogonal_", at.text, *_gain(scheme))


def _identity(drawing: Drawing, scheme: Any, at: Target) -> None:
    drawing.call(at, "nn.init.eye_", at.text)
    if scheme.gain != 1.0:
        drawing.call(at, f"{at.text}.mul_", literal(scheme.gain))


def _dirac(drawing: Drawing, scheme: Any, layout: Layout | None, at: Target) -> None:
    known = needed_layout(scheme, layout)
    if known.out_axes == (0,) and known.in_axes == (1,) and not known.blocks:
        # torch counts groups of outputs that copy the same inputs, and so do grouped weights.
        _one_dirac(drawing, schemes.dirac(scheme.groups * known.groups), at)
        return
    for matrix in _matrices(drawing, known, at):
        _one_dirac(drawing, scheme, matrix)


def _one_dirac(drawing: Drawing, scheme: Any, at: Target) -> None:
    groups = () if scheme.groups == 1 else (f"groups={scheme.groups}",)
    drawing.call(at, "nn.init.dirac_", at.text, *groups)


def _zero_hadamard(drawing: Drawing, _: Any, at: Target) -> None:
    drawing.functions.add("zero_hadamard_")
    drawing.call(at, "zero_hadamard_", at.text)


def _sparse(drawing: Drawing, scheme: Any, at: Target) -> None:
    drawing.functions.add("sparse_")
    nonzero = scheme.nonzero(math.prod(at.shape[1:]))
    drawing.call(at, "sparse_", at.text, str(nonzero), literal(scheme.std_of_nonzero))


def _mimetic(drawing: Drawing, scheme: Any, at: Target) -> None:
    if at.repeated:
        raise drawing.refusal(scheme, "it is for one weight, not for several in one tensor")
    drawing.functions.add("mimetic_")
    words = (quoted(scheme.part), quoted(scheme.pair))
    numbers = map(literal, (scheme.heads, *scheme.product()))
    drawing.call(at, "mimetic_", at.text, *words, *numbers, "shared")


MATRICES: Final[Mapping[type, Writing]] = MappingProxyType(
    {
        schemes.orthogonal: _each(_orthogonal),
        schemes.delta_orthogonal: _each(_delta_orthogonal),
        schemes.identity: _each(_identity),
        schemes.dirac: _dirac,
        schemes.zero_hadamard: _each(_zero_hadamard),
        schemes.sparse: _each(_sparse),
        schemes.mimetic: _each(_mimetic),
    }
)
"""By the scheme's class."""
