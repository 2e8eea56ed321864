"""Records as plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from fanin.fans import Layout

INNER: Final[Mapping[str, bool]] = MappingProxyType({"inner": True})
"""Metadata of a field that is for recipes, and stays out of the plain values."""


def plain_dict(record: object) -> dict[str, Any]:
    """A record as a dict, and what it holds likewise."""
    made: dict[str, Any] = plain(record)
    return made


def plain(value: object) -> Any:
    """Records become dicts, tuples lists, numbers that are not finite strings."""
    kind: Any = type(value)
    if attrs.has(kind):
        return {
            field.name: plain(getattr(value, field.name))
            for field in attrs.fields(kind)
            if not field.metadata.get("inner")
        }
    if isinstance(value, Layout):
        return {name: plain(getattr(value, name)) for name in Layout.__slots__}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
