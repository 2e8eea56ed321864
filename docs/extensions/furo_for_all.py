"""What furo's pages lack for people who use the keyboard or a reader of the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

# What the theme writes -> what it should: landmarks have names, headings have levels, what
# scrolls can be reached, a cell without words heads nothing.
_MENDED: Final = {
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="On this page">',
    '<aside class="toc-drawer no-toc">': '<aside class="toc-drawer no-toc" hidden>',
    'class="caption" role="heading">': 'class="caption" role="heading" aria-level="2">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    '<th class="head"><p></p></th>': "<td></td>",
    '<div id="search-results"></div>': '<h1>Search</h1>\n<div id="search-results"></div>',
}
# Of these each page has one: where the theme writes something else, the build says so.
_EVERYWHERE: Final = ('<aside class="sidebar-drawer"', '<aside class="toc-drawer', "aria-level")
# A signature over several lines is a list of definitions without terms.
_SIGNATURE: Final = {
    "<dl>": '<span class="parameters">', "</dl>": "</span>", "<dd>": '<span class="parameter">',
    "</dd>": "</span>",
}  # fmt: skip


class Translator(HTML5Translator):
    """What scrolls sideways can be reached by the keyboard; lists are lists."""

    def visit_literal_block(self, node: nodes.literal_block) -> None:
        before = len(self.body)
        try:
            super().visit_literal_block(node)
        finally:
            self._replace(before, {"<pre>": '<pre tabindex="0">'})

    def visit_desc_signature(self, node: nodes.Element) -> None:
        super().visit_desc_signature(node)
        self._signature = len(self.body)

    def depart_desc_signature(self, node: nodes.Element) -> None:
        self._replace(self._signature, _SIGNATURE)
        super().depart_desc_signature(node)

    def _replace(self, start: int, pairs: dict[str, str]) -> None:
        for place in range(start, len(self.body)):
            for old, new in pairs.items():
                self.body[place] = self.body[place].replace(old, new)


def mend(app: Sphinx, error: Exception | None) -> None:
    """Rewrite what the theme wrote."""
    if error is not None or app.builder.name != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        mended = text
        for old, new in _MENDED.items():
            if new not in mended:
                mended = mended.replace(old, new)
        missing = [mark for mark in _EVERYWHERE if mark not in mended]
        if missing:
            raise RuntimeError(f"furo writes other pages than it did: {path} has no {missing}")
        if mended != text:
            path.write_text(mended, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.set_translator("html", Translator)
    app.connect("build-finished", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
