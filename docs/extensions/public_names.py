"""A reference to what a package exports finds it, wherever inside the package it is defined.

Signatures name ``fanin.fans.layout.Layout``; the page describes ``fanin.fans.Layout``. What a
package does not export has no page: its name stays text. A name that is not there at all is left
to sphinx, which warns.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from docutils import nodes
from generator.api import MODULES, public
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


@cache
def homes() -> dict[str, str]:
    """Every name by which an exported thing may be called -> the name on its page."""
    made: dict[str, str] = {}
    for module in MODULES:
        for name, thing in public(importlib.import_module(module)).items():
            home = f"{module}.{name}"
            defined = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', name)}"
            for known in (defined, name, home):
                made.setdefault(known, home)
    return made


def found(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, inner: nodes.TextElement
) -> nodes.Element | None:
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    stem, _, member = target.rpartition(".")
    home = homes().get(target) or (f"{homes()[stem]}.{member}" if stem in homes() else None)
    if home is None or home == target:
        return inner if _is_inside(stem, member) else None
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, "obj", home, node, inner
    )


def _is_inside(module: str, name: str) -> bool:
    """Whether a module of ours has the name, for itself or for a type checker."""
    if not module.startswith("fanin."):
        return False
    try:
        return hasattr(importlib.import_module(module), name)
    except ImportError:
        return False


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("missing-reference", found)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
