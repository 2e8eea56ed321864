"""What a scheme becomes in plain torch code: statements that fill one tensor."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fanin.errors import InputError
from fanin.fans import Layout, of_plain_weight
from fanin.noise import Constant, Distribution, Normal, TruncatedNormal, Uniform
from fanin.recipes.plans.torch_code.statements import (
    Call,
    Line,
    Numbers,
    Statement,
    literal,
    tuple_of,
)
from fanin.schemes import AbstractScheme, IndependentScheme, Scheme

MOST_NUMBERS = 256
"""Numbers that code spells out; more belong into a file of weights."""

# A cut that begins further out has too few digits in float32, in which trunc_normal_ works.
_TAIL = 1.0

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A tensor to fill.

    Args:
        text: an expression for it.
        shape: its shape.
        depth: how far statements about it are indented.
        repeated: it is one of several that a loop runs over.
        strided: its elements may not lie in memory one after the other.
    """

    text: str
    shape: Shape
    depth: int = 0
    repeated: bool = False
    strided: bool = False


Writing = Callable[["Drawing", Any, Layout | None, Target], None]


@dataclass
class Drawing:
    """The statements that draw one parameter, as they are found.

    Args:
        parameter: its name, for messages.
        writings: what writes schemes that are no independent draws, by their class.
        statements: found so far.
        functions: names of those of ``functions`` that they call.
    """

    parameter: str
    writings: Mapping[type, Writing]
    statements: list[Statement] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def draw(self, scheme: Scheme, layout: Layout | None, at: Target) -> None:
        """Fill a tensor by a scheme.

        Raises:
            InputError: the scheme has no plain torch code.
        """
        if layout is None and isinstance(scheme, AbstractScheme) and scheme.needs_layout:
            layout = of_plain_weight(at.shape)
        writing = self.writings.get(type(scheme))
        if writing is not None:
            writing(self, scheme, layout, at)
        elif isinstance(scheme, IndependentScheme) and draws_its_law(scheme):
            self.independent(scheme, layout, at)
        else:
            raise self.refusal(scheme, "it is a scheme of another package")

    def refusal(self, scheme: Scheme, why: str) -> InputError:
        return InputError(
            f"parameter {self.parameter!r}: {scheme!r} has no plain torch code, as {why}. Save the "
            "weights themselves instead: fanin init TARGET --recipe NAME --output FILE"
        )

    def call(self, at: Target, head: str, *arguments: str) -> None:
        self.statements.append(Call(head, arguments, at.depth))

    def line(self, at: Target, text: str) -> None:
        self.statements.append(Line(text, at.depth))

    def fresh(self, name: str) -> str:
        """A name that no statement has yet."""
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        new = next(one for one in itertools.chain([name], numbered) if one not in self.names)
        self.names.add(new)
        return new

    def named(self, at: Target, name: str, expression: str) -> str:
        """A new name for what an expression gives."""
        new = self.fresh(name)
        self.line(at, f"{new} = {expression}")
        return new

    def numbers(self, scheme: Scheme, at: Target, name: str, values: tuple[float, ...]) -> str:
        """A new name for a tuple of numbers.

        Raises:
            InputError: they are too many for code.
        """
        if len(values) > MOST_NUMBERS:
            raise self.refusal(scheme, f"{len(values)} numbers are too many for code")
        new = self.fresh(name)
        self.statements.append(Numbers(new, values, at.depth))
        return new

    def parts(self, at: Target, sizes: Shape, axis: int) -> list[Target]:
        """The parts of these sizes along an axis, under a new name."""
        along = f", dim={axis}" if axis else ""
        equal = len(set(sizes)) == 1
        cut = f"chunk({len(sizes)}{along})" if equal else f"split({tuple_of(sizes)}{along})"
        name = self.named(at, "parts", f"{at.text}.{cut}")
        return [
            replace(
                at,
                text=f"{name}[{i}]",
                shape=(*at.shape[:axis], size, *at.shape[axis + 1 :]),
                strided=at.strided or axis > 0,
            )
            for i, size in enumerate(sizes)
        ]

    def loop(self, at: Target, name: str, over: str, shape: Shape, *, strided: bool) -> Target:
        """What a loop over parts of a tensor runs over."""
        new = self.fresh(name)
        self.line(at, f"for {new} in {at.text}.{over}:")
        return Target(new, shape, at.depth + 1, repeated=True, strided=at.strided or strided)

    def independent(
        self, scheme: IndependentScheme, layout: Layout | None, at: Target, factor: float = 1.0
    ) -> None:
        """Independent draws of a scheme's law, block by block where the blocks differ."""
        packed = layout is not None and layout.blocks and scheme.needs_layout and scheme.by_block
        parts = layout.parts() if layout is not None and packed else (layout,)
        laws = [scheme.law(part) for part in parts]
        if factor != 1.0:
            laws = [law.times(factor) for law in laws]
        if layout is None or len(set(laws)) == 1:
            self._law(scheme, laws[0], at)
            return
        for law, part in zip(laws, self.parts(at, layout.blocks, layout.out_axes[0]), strict=True):
            self._law(scheme, law, part)

    def _law(self, scheme: Scheme, law: Distribution, at: Target) -> None:
        if isinstance(law, Constant) or law.std == 0:
            self.constant(at, law.mean)
        elif isinstance(law, Normal):
            mean = (f"mean={literal(law.mean)}",) if law.mean else ()
            self.call(at, "nn.init.normal_", at.text, *mean, f"std={literal(law.std)}")
        elif isinstance(law, Uniform):
            self.call(at, "nn.init.uniform_", at.text, literal(law.low), literal(law.high))
        elif isinstance(law, TruncatedNormal) and (law.low > _TAIL or law.high < -_TAIL):
            self.functions.add("tail_")
            numbers = (law.loc, law.scale, law.low, law.high)
            self.call(at, "tail_", at.text, *map(literal, numbers))
        elif isinstance(law, TruncatedNormal):
            low, high = (law.loc + law.scale * end for end in (law.low, law.high))
            named = {"mean": law.loc, "std": law.scale, "a": low, "b": high}
            said = (f"{name}={literal(value)}" for name, value in named.items())
            self.call(at, "nn.init.trunc_normal_", at.text, *said)
        else:
            raise self.refusal(scheme, f"torch does not draw {law!r}")

    def constant(self, at: Target, value: float) -> None:
        """One number everywhere."""
        if value in (0.0, 1.0):
            self.call(at, "nn.init.zeros_" if value == 0 else "nn.init.ones_", at.text)
        else:
            self.call(at, "nn.init.constant_", at.text, literal(value))


def draws_its_law(scheme: Scheme) -> bool:
    """Whether the elements of a tensor are independent draws of ``law``."""
    return isinstance(scheme, IndependentScheme) and (
        type(scheme).draw_ is IndependentScheme.draw_
        and type(scheme).init_ is IndependentScheme.init_
    )
