"""Pages of the Python API: what each module exports, from its docstrings."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Final

from fanin.recipes import recipe_names
from fanin.schemes import ALIASES, SCHEMES
from generator import markdown as md

# Module -> what stands at the head of its page.
MODULES: Final = {
    "fanin": "The verbs. Everything else is in the modules beside them.",
    "fanin.schemes": (
        "One tensor. The schemes themselves have [a page each](../schemes/index.md)."
    ),
    "fanin.recipes": (
        "A whole model. The recipes themselves have [a page each](../recipes/index.md)."
    ),
    "fanin.fans": "Which axes of a weight are in and out, as its operation uses them.",
    "fanin.theory": "What deep networks of an activation do to a signal: [theory](../theory.md).",
    "fanin.observation": "What one pass of a model shows: [observation](../observation.md).",
    "fanin.diagnosis": "What is wrong with a network: [check](../check.md).",
    "fanin.ensembles": "Many trainings and what they allow to be said.",
    "fanin.testing": "Contracts for schemes and recipes of yours, and a check as an assertion.",
    "fanin.nn_init": "`torch.nn.init` with one import changed.",
    "fanin.noise": "Numbers by seed, name and index: [noise](../noise.md).",
    "fanin.errors": "Every error that is raised on purpose.",
}

# Described on pages of their own.
_ELSEWHERE: Final = {"fanin.schemes": (*SCHEMES, *ALIASES), "fanin.recipes": ("Default",)}


def public(module: ModuleType) -> dict[str, object]:
    """What a module exports and its page describes."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name in vars(module) if not name.startswith("_")]
    described = {name: getattr(module, name) for name in names}
    return {
        name: thing
        for name, thing in described.items()
        if not isinstance(thing, ModuleType)
        and not (module.__name__ == "fanin" and isinstance(thing, type | str))
    }


def pages() -> dict[str, str]:
    """Names and texts of all pages."""
    verbs = public(importlib.import_module("fanin"))
    made = {}
    for name, head in MODULES.items():
        left_out = _ELSEWHERE.get(name, ())
        if name != "fanin":
            left_out = (*left_out, *verbs)
        made[f"reference/{name}.md"] = "\n\n".join(
            (f"# {name}", head, md.rst(_directive(name, left_out)))
        )
    rows = [(f"[`{name}`]({name}.md)", head) for name, head in MODULES.items()]
    made["reference/index.md"] = "\n\n".join(
        (
            "# Reference",
            (
                "What each module exports is public and described here, from its docstrings; what "
                "lies inside a package is not."
            ),
            md.table(("module", "for"), rows),
            (
                f"Beside them: the [command line](commands.md), "
                f"[{len(SCHEMES)} schemes](../schemes/index.md), "
                f"[{len(recipe_names())} recipes](../recipes/index.md), and "
                "[the findings of a check](../findings/index.md)."
            ),
            md.toctree((*MODULES, "commands")),
        )
    )
    return made


def _directive(name: str, left_out: tuple[str, ...]) -> str:
    if name == "fanin":
        verbs = public(importlib.import_module("fanin"))
        return "\n".join(f".. autofunction:: fanin.{verb}" for verb in verbs)
    lines = [f".. automodule:: {name}", "   :members:"]
    if left_out:
        lines.append(f"   :exclude-members: {', '.join(left_out)}")
    return "\n".join(lines)
