"""A page for each scheme, and the list of them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fanin.cli.schemes_verb import _scheme as example_of
from fanin.errors import FanError
from fanin.fans import conv, linear
from fanin.report.histogram import Drawn, draw
from fanin.schemes import ALIASES, SCHEMES, AbstractScheme
from generator import markdown as md
from generator.formulas import latex
from generator.weight_picture import weight_picture

_EACH = 8
_ROOT = Path(inspect.getfile(AbstractScheme)).parents[3]


def pages() -> dict[str, str]:
    """Names and texts of all pages."""
    made = {f"schemes/{name}.md": _page(name, scheme) for name, scheme in SCHEMES.items()}
    rows = [(f"[{name}]({name}.md)", md.plain(s.formula), s.use) for name, s in SCHEMES.items()]
    made["schemes/index.md"] = "\n\n".join(
        (
            "# Schemes, one by one",
            (
                f"{len(SCHEMES)} schemes, in the order of the field's history, as `fanin schemes` "
                "lists them. What all of them share, layouts, wrappers and a scheme of your own: "
                "[schemes](../schemes.md)."
            ),
            md.table(("scheme", "formula", "when"), rows),
            md.toctree(SCHEMES),
        )
    )
    return made


def source_of(thing: Any) -> str:
    """The code of a class, with the file that it stands in as its caption."""
    place = Path(inspect.getfile(thing)).relative_to(_ROOT)
    return md.fence("python", inspect.getsource(thing)) + f"\n\nFrom `{place}`."


def _page(name: str, scheme: type[AbstractScheme]) -> str:
    example: Any = example_of(name)
    drawn = draw(example, None, 0)
    aliases = ", ".join(f"`{alias}`" for alias, known in ALIASES.items() if known == name)
    facts = [("when", md.plain(scheme.use)), ("source", md.plain(scheme.citation))]
    if aliases:
        facts.append(("also called", aliases))
    if scheme.argument is not None:
        facts.append(("as text", f"`{name}:NUMBER` sets `{scheme.argument}`"))
    facts.append(("needs a layout", "yes" if example.needs_layout else "no"))
    facts.append(("in a shell", f"`fanin schemes show {name}`"))
    return "\n\n".join(
        (
            f"# {name}",
            md.formulas(latex(scheme.formula)),
            md.facts(facts),
            "## Arguments",
            md.rst(f".. autoclass:: fanin.schemes.{name}\n"),
            "## Drawn",
            md.figure(weight_picture(_weight(example), drawn), _caption(drawn), "pair"),
            "## Code",
            source_of(scheme),
        )
    )


def _caption(drawn: Drawn) -> str:
    zeros = f"; without the {drawn.zeros:.1%} that are zeros" if drawn.zeros else ""
    return (
        f"{drawn.scheme} on {drawn.weight}, seed 0. First: every {_EACH}th row and column, the "
        f"middle tap of a kernel; blue is negative, vermilion positive. Second: all elements"
        f"{zeros}. Std promised {drawn.promised}, drawn {drawn.std:.5g}."
    )


def _weight(scheme: Any) -> NDArray[np.float32]:
    """The weight that the histogram is of, thinned out."""
    try:
        layout = linear((256, 512))
        weight = scheme.init_(torch.empty(layout.shape), seed=0, name="weight", layout=layout)
    except FanError:
        layout = conv((128, 64, 3, 3))
        weight = scheme.init_(torch.empty(layout.shape), seed=0, name="weight", layout=layout)
        weight = weight[:, :, 1, 1]
    return weight[::_EACH, ::_EACH].numpy()
