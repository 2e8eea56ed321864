"""The claims, one a file; each module holds one ``CLAIM`` of the module's name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from fanin.errors import UnknownNameError
from fanin.guide.chapters import all_chapters
from fanin.guide.claim import Claim


def names() -> tuple[str, ...]:
    """Names of all claims, in the order of the chapters."""
    placed = [name for chapter in all_chapters() for name in chapter.claims]
    there = {module.name for module in iter_modules(__path__)}
    return tuple(name for name in placed if name in there) + tuple(sorted(there - set(placed)))


def claim_by_name(name: str) -> Claim[Any]:
    """The claim of that name.

    Raises:
        UnknownNameError: there is none; the nearest are offered.
    """
    key = name.strip().lower().replace("-", "_")
    if key not in names():
        raise UnknownNameError("claim", name, names())
    return _loaded(key)


def all_claims() -> tuple[Claim[Any], ...]:
    """All claims, in the order of the chapters."""
    return tuple(_loaded(name) for name in names())


@cache
def _loaded(name: str) -> Claim[Any]:
    found = import_module(f"{__name__}.{name}").CLAIM
    assert isinstance(found, Claim)  # noqa: S101 - for the type checker
    return found
