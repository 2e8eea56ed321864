"""Docstrings are plain text with ``code`` and sections: what else would be markup is a sign."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(``.*?``|:\w+:`.*?`)")
_SIGNS = re.compile(r"[*|]|(?<=\w)_(?!\w)")
_ITEM = re.compile(r"\s*\d+\. ")


def escaped(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Runs before napoleon, whose own markup stays."""
    literal = example = False
    depth = item = 0
    for place, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            example = False
            continue
        literal = literal and indent > depth
        example = example or line.lstrip().startswith(">>>")
        if not literal and not example:
            lines[place] = _text(line)
        start = _ITEM.match(line)
        if start is not None:
            item = start.end()
        elif indent == 0:
            item = 0
        elif indent < item and not literal and not example:  # behind "10. " as behind "9. "
            lines[place] = " " * item + lines[place].lstrip()
        if line.endswith("::") and not literal:
            literal, depth = True, indent


def _text(line: str) -> str:
    parts = _CODE.split(line)
    parts[::2] = [_SIGNS.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def whole(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Runs behind napoleon, which takes the words before a colon for the type of an attribute."""
    types = [line for line in lines if line.startswith(":type: ")]
    if what in {"attribute", "data"} and types:
        said = " ".join(line for line in lines if line and line not in types)
        lines[:] = [f"{types[0].removeprefix(':type: ')}: {said}", ""]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", escaped, priority=100)
    app.connect("autodoc-process-docstring", whole, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
