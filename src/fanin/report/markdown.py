"""Markdown with formulas: as a part of a page, with MathML that needs no network, or as text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import latex2mathml.converter
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pylatexenc.latex2text import (
    LatexNodes2Text,
    MacroTextSpec,
    get_default_latex_context_db,
)

_BARE_FRACTION = re.compile(r"\\[td]?frac\s*(\d)(\d)")
_SUM = re.compile(r"[+-]")
_PRODUCT = re.compile(r"[ +·/-]")
_INLINE = re.compile(r"(?<![\\$])\$(?!\s)([^$]+?)(?<!\s)\$")


def html(text: str, *, inline: bool = False) -> Markup:
    """Markdown as HTML; markup in the text itself is shown, not used.

    Args:
        text: CommonMark with tables; ``$...$`` and ``$$...$$`` are LaTeX.
        inline: whether it is part of a paragraph.
    """
    made = _parser().renderInline(text) if inline else _parser().render(text)
    return Markup(made)  # noqa: S704 - the parser escapes what is not Markdown


def mathml(latex: str, *, block: bool = False) -> Markup:
    """A formula as MathML, with its LaTeX for those who cannot see it."""
    made = latex2mathml.converter.convert(latex, display="block" if block else "inline")
    return Markup(made)  # noqa: S704 - the converter escapes the symbols


def latex_text(latex: str) -> str:
    """A formula as a line of text, for a terminal."""
    latex = _BARE_FRACTION.sub(r"\\frac{\1}{\2}", latex)
    return " ".join(str(_converter().latex_to_text(latex)).split())


def terminal_text(text: str) -> str:
    """Markdown for a terminal: formulas as text, the rest as it is."""
    return _INLINE.sub(lambda found: latex_text(found.group(1)), text)


@cache
def _converter() -> LatexNodes2Text:
    symbols = get_default_latex_context_db()
    fractions = [
        MacroTextSpec(name, simplify_repl=_fraction) for name in ("frac", "tfrac", "dfrac")
    ]
    symbols.add_context_category("fractions", macros=fractions, prepend=True)
    return LatexNodes2Text(
        latex_context=symbols, keep_braced_groups=True, keep_braced_groups_minlen=2
    )


def _fraction(node: Any, l2tobj: LatexNodes2Text) -> str:
    """Brackets where a line would bind otherwise than the fraction did."""
    above, below = (_unbraced(l2tobj.nodelist_to_text([one])) for one in node.nodeargd.argnlist)
    above = f"({above})" if _SUM.search(above) else above
    return f"{above}/({below})" if _PRODUCT.search(below) else f"{above}/{below}"


def _unbraced(group: str) -> str:
    text = " ".join(group.split())
    return text[1:-1] if text.startswith("{") and text.endswith("}") else text


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return parser.use(dollarmath_plugin, renderer=_formula, allow_space=False)


def _formula(content: str, options: dict[str, Any]) -> str:
    return str(mathml(content, block=bool(options.get("display_mode"))))
