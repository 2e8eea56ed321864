"""A formula as a class states it, in one line of text, as formulas of LaTeX.

``w ~ N(0, 2 / ((1 + a^2) fan_in))`` is text that a terminal shows. Fractions, roots, scripts and
words are read from it; what is no mathematics stays words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<name>[A-Za-z]+(?:_[A-Za-z]+|_\d)?\d?)"
    r"|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<operator>\.\.\.|<=|>=|[-+*/^~=<>,;:.])"
    r"|(?P<open>[(\[])"
    r"|(?P<close>[)\]])"
    r"|(?P<other>.)"
)
_OPERATORS: Final = {
    "~": r"\sim", "<=": r"\le", ">=": r"\ge", "*": r"\cdot", "...": r"\ldots", ",": r",\;",
    ";": r";\;", "<": r"\lt", ">": r"\gt",
}  # fmt: skip
_UPRIGHT: Final = {
    "fan_in": r"\mathrm{fan}_{\mathrm{in}}", "fan_out": r"\mathrm{fan}_{\mathrm{out}}",
    "log2": r"\log_2",
    "ln": r"\ln", "Var": r"\operatorname{Var}", "w0": r"\omega_0",
}  # fmt: skip
# Words that are quantities: they multiply. All others are prose.
_QUANTITIES: Final = {
    "gain", "scale", "std", "fan", "mean", "low", "high", "value", "values", "out", "in", "centre",
    "mask", "base", "factor", "factors", "schemes",
}  # fmt: skip


@dataclass(slots=True)
class _Atom:
    """A piece: ``kind`` is "math", "word", "operator" or "group"; a group keeps its inside."""

    kind: str
    text: str
    inside: str = ""


def latex(text: str) -> list[str]:
    """The formulas of a text, one for each statement."""
    return [_read(part) for part in _statements(text)]


def _statements(text: str) -> Iterator[str]:
    """Cut at semicolons and commas outside of brackets, where another equation begins."""
    depth, start = 0, 0
    for place, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        rest = text[place + 1 :]
        ends = sign == ";" or (sign == "," and re.match(r" [\w\[\], :^]+ [=~] ", rest))
        if depth == 0 and ends:
            yield text[start:place].strip()
            start = place + 1
    yield text[start:].strip()


def _read(text: str) -> str:
    tokens = [(found.lastgroup or "", found[0]) for found in _TOKEN.finditer(text)]
    atoms, rest = _atoms(tokens)
    if rest:
        raise ValueError(f"the formula {text!r} closes a bracket that it does not open")
    return _joined(_divided(atoms))


def _atoms(tokens: list[tuple[str, str]]) -> tuple[list[_Atom], list[tuple[str, str]]]:
    made: list[_Atom] = []
    while tokens:
        kind, text = tokens.pop(0)
        if kind == "space":
            continue
        if kind == "close":
            return made, [(kind, text), *tokens]
        if kind == "open":
            atom, tokens = _group(text, tokens)
        elif kind == "name" and text == "sqrt":
            atom, tokens = _root(tokens)
        elif kind == "name":
            atom = _name(text)
        elif kind == "operator" and text != "^":
            atom = _Atom("operator", text)
        elif text == "^":
            tokens = _raise(made, tokens)
            continue
        else:
            atom = _Atom("math", text)
        made.append(atom)
    return made, []


def _group(opened: str, tokens: list[tuple[str, str]]) -> tuple[_Atom, list[tuple[str, str]]]:
    inside, rest = _atoms(tokens)
    if not rest:
        raise ValueError(f"a formula does not close its {opened!r}")
    text = _joined(_divided(inside))
    closed = rest[0][1]
    return _Atom("group", rf"\left{opened}{text}\right{closed}", text), rest[1:]


def _root(tokens: list[tuple[str, str]]) -> tuple[_Atom, list[tuple[str, str]]]:
    while tokens[0][0] == "space":
        tokens = tokens[1:]
    kind, text = tokens[0]
    if kind == "open":
        group, rest = _group(text, tokens[1:])
        return _Atom("math", rf"\sqrt{{{group.inside}}}"), rest
    return _Atom("math", rf"\sqrt{{{_name(text).text}}}"), tokens[1:]


def _raise(made: list[_Atom], tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    _, text = tokens[0]
    power = {"T": r"\top"}.get(text, text)
    made[-1] = _Atom(made[-1].kind, rf"{made[-1].text}^{{{power}}}", "")
    return tokens[1:]


def _name(text: str) -> _Atom:
    if text in _UPRIGHT:
        return _Atom("math", _UPRIGHT[text])
    stem, _, below = text.partition("_")
    if below:
        under = below if len(below) == 1 else rf"\mathrm{{{below}}}"
        return _Atom("math", rf"{stem}_{{{under}}}" if len(stem) == 1 else text)
    if len(text) == 1:
        return _Atom("math", text)
    if text in _QUANTITIES:
        return _Atom("math", rf"\mathrm{{{text}}}")
    return _Atom("word", text)


def _divided(atoms: list[_Atom]) -> list[_Atom]:
    """With each ``a b / c`` as one fraction."""
    made: list[_Atom] = []
    waiting = list(atoms)
    while waiting:
        atom = waiting.pop(0)
        if atom.text != "/" or not waiting:
            made.append(atom)
            continue
        above: list[_Atom] = []
        while made and made[-1].kind in {"math", "group"}:
            above.insert(0, made.pop())
        above.sort(key=lambda one: not one.text[0].isdigit())
        below = waiting.pop(0)
        top = above[0].inside if len(above) == 1 and above[0].inside else _joined(above)
        made.append(_Atom("math", rf"\frac{{{top}}}{{{below.inside or below.text}}}"))
    return made


def _joined(atoms: list[_Atom]) -> str:
    parts: list[str] = []
    for place, atom in enumerate(atoms):
        before = atoms[place - 1] if place else None
        if atom.kind == "operator":
            parts.append(_OPERATORS.get(atom.text, atom.text))
        elif atom.kind == "word":
            parts.append(rf"\text{{ {atom.text} }}")
        else:
            applied = atom.kind == "group" and before is not None and before.text in "NUWHM"
            product = before is not None and before.kind in {"math", "group"} and not applied
            parts.append(rf"\,{atom.text}" if product else atom.text)
    return " ".join(parts).replace(" }} \\text{ ".replace("}}", "}"), " ")
