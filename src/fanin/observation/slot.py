"""A slot: one operand of an operation, and what it is to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from fanin.errors import FanError
from fanin.fans import Layout


@attrs.frozen
class Slot:
    """One operand.

    Args:
        value: the operand; what is no value is no operand of interest.
        role: as ``Use.role``; "signal" for what may be data.
        layout: of a weight or a table.
    """

    value: Any
    role: str
    layout: Layout | None = None


def fans_of(make: Callable[..., Layout], *args: Any, **kwargs: Any) -> Layout | None:
    """A layout, or None where the operation reads the weight in a way that has no fans."""
    try:
        return make(*args, **kwargs)
    except FanError:
        return None
