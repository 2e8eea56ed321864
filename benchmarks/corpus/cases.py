"""All cases, from the modules that are there."""

from __future__ import annotations

import importlib
import importlib.util

from benchmarks.corpus.case import Case

MODULES = ("feedforward", "sequences")


def gathered(modules: tuple[str, ...] = MODULES) -> tuple[Case, ...]:
    """The cases of these modules; names are unique, and siblings are there and without fault."""
    cases: list[Case] = []
    for name in modules:
        path = f"{__package__}.{name}"
        if importlib.util.find_spec(path) is not None:
            cases.extend(importlib.import_module(path).CASES)
    named = {case.name: case for case in cases}
    if len(named) < len(cases):
        names = [case.name for case in cases]
        raise ValueError(f"names twice: {sorted({it for it in names if names.count(it) > 1})}")
    for case in cases:
        if case.sibling is None:
            continue
        if case.sibling not in named:
            raise ValueError(f"{case.name}: there is no case {case.sibling}")
        if named[case.sibling].fault is not None:
            raise ValueError(f"{case.name}: its sibling {case.sibling} has a fault")
    return tuple(cases)
