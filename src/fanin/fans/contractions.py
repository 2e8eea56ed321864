"""Layouts of weights with batch axes: stacks of matrices, and whatever einsum can say."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from fanin.errors import FanError
from fanin.fans.layout import Layout
from fanin.fans.shapes import axes_of, sizes_of


def experts(shape: Sequence[int], *, transposed: bool = False) -> Layout:
    """A stack of matrices: expert e gives x W_e with W of shape (experts, in, out).

    fan_in = in and fan_out = out: each expert is a weight of its own.

    Args:
        shape: of the stack.
        transposed: the shape is (experts, out, in) and expert e gives x W_e^T.

    Raises:
        FanError: the shape has not three axes.

    Example:
        >>> layout = experts((6, 24, 40))  # torch.nn.init would take (960, 240)
        >>> layout.fan_in, layout.fan_out
        (24, 40)
    """
    meaning = "(experts, out, in)" if transposed else "(experts, in, out)"
    sizes = axes_of("experts", shape, 3, meaning)
    in_, out = (2, 1) if transposed else (1, 2)
    return Layout("experts", sizes, sizes[in_], sizes[out], (out,), (in_,), (0,))


def matmul(shape: Sequence[int]) -> Layout:
    """X @ W with W of shape (..., in, out); x has the leading axes too.

    fan_in = in, fan_out = out; the leading axes are batch.

    Raises:
        FanError: the shape has fewer than two axes.

    Example:
        >>> matmul((8, 64, 16)).batch_axes
        (0,)
    """
    sizes = sizes_of("matmul", shape)
    if len(sizes) < 2:
        raise FanError(f"the weight of matmul has shape (..., in, out), got {sizes}")
    last = len(sizes) - 1
    return Layout(
        "matmul", sizes, sizes[-2], sizes[-1], (last,), (last - 1,), tuple(range(last - 1))
    )


def einsum(equation: str, shape: Sequence[int], operand: int = 1) -> Layout:
    """The weight in ``torch.einsum(equation, x, W)``.

    An index of the weight is in where another operand has it and the output has not, out
    where the output has it and no other operand, batch where both have it. fan_in is the
    product of the sizes of the in indices. fan_out is the product of those that the other
    operand lacks: the out indices. With several other operands it is as the first of them
    feels it, as for ``bilinear``. An index that the weight lacks adds up outputs or repeats
    inputs, and does not count.

    Args:
        equation: as for ``torch.einsum``, with its output or without; ``...`` may stand for
            axes that the weight lacks.
        shape: of the weight.
        operand: which of the operands is the weight, from 0.

    Raises:
        FanError: the equation cannot be read, it does not fit the shape, or the weight has
            an index twice or one that nothing else has.

    Example:
        >>> layout = einsum("bthd,hde->bte", (4, 8, 20))  # heads back to the model's width
        >>> layout.fan_in, layout.fan_out, layout.in_axes  # torch.nn.init would take 160, 80
        (32, 20, (0, 1))
    """
    where = f"the weight of einsum {equation!r}"
    sizes = sizes_of(f"einsum {equation!r}", shape)
    terms, output = _terms(equation)
    if len(terms) < 2 or not 0 <= operand < len(terms):
        raise FanError(
            f"{where} cannot be operand {operand}: it has {len(terms)} operands, and needs the "
            "weight, counted from 0, and another"
        )
    own = terms[operand]
    others = [term for place, term in enumerate(terms) if place != operand]
    if "." in own:
        raise FanError(f"{where} has axes without an index: write '...' out in {own!r}")
    if len(own) != len(sizes):
        raise FanError(f"{where} has {len(own)} indices, {own!r}, but shape {sizes}")
    if len(set(own)) < len(own):
        raise FanError(
            f"{where} has an index twice, {own!r}, so that only its diagonal is used. Give the "
            "layout of the diagonal"
        )
    elsewhere = set("".join(others))
    alone = [index for index in own if index not in elsewhere and index not in output]
    if alone:
        raise FanError(
            f"{where} is summed over its own index {alone[0]!r} before any input meets it. Sum "
            "it first, and give the layout of the sum"
        )
    out = tuple(axis for axis, index in enumerate(own) if index not in elsewhere)
    in_ = tuple(axis for axis, index in enumerate(own) if index not in output)
    batch = tuple(axis for axis in range(len(own)) if axis not in (*out, *in_))
    return Layout(
        "einsum",
        sizes,
        math.prod(sizes[axis] for axis in in_),
        math.prod(size for size, index in zip(sizes, own, strict=True) if index not in others[0]),
        out,
        in_,
        batch,
    )


_TERM = re.compile(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*")


def _terms(equation: str) -> tuple[list[str], str]:
    """The indices of each operand, and those of the output.

    Raises:
        FanError: this is no equation of einsum.
    """
    text = "".join(equation.split()) if isinstance(equation, str) else ""
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if not text or not all(_TERM.fullmatch(term) for term in (*terms, output)):
        raise FanError(
            f"einsum {equation!r} cannot be read: letters, commas, '...' and one '->' are known, "
            "e.g. 'bi,io->bo'"
        )
    counts = Counter(left.replace(",", "").replace(".", ""))
    if not arrow:
        output = "".join(sorted(index for index, count in counts.items() if count == 1))
    letters = output.replace(".", "")
    unknown = [index for index in letters if index not in counts]
    if unknown or len(set(letters)) < len(letters):
        raise FanError(
            f"einsum {equation!r} has an output {output!r} with an index twice, or with one "
            "that no operand has"
        )
    return terms, output
