"""The numbers that the theory accepts, each refused by its own name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from fanin.errors import InputError

LARGEST = 1e100
"""A second moment beyond this counts as infinite: no number format of training holds it."""


def require_std(what: str, value: object) -> float:
    """A standard deviation: finite and at least 0.

    Raises:
        InputError: it is another value.
    """
    number = _number(what, value, "a standard deviation, e.g. 1.0")
    if not 0.0 <= number <= math.sqrt(LARGEST):
        raise InputError(f"{what} must be a finite number of at least 0, got {value!r}")
    return number


def require_square(what: str, value: object) -> float:
    """A second moment: finite and more than 0.

    Raises:
        InputError: it is another value.
    """
    number = _number(what, value, "a second moment, e.g. 1.0")
    if not 0.0 < number <= LARGEST:
        raise InputError(
            f"{what} is a mean of squares and must be a finite number above 0, got {value!r}"
        )
    return number


def require_correlation(what: str, value: object) -> float:
    """A correlation, from -1 to 1.

    Raises:
        InputError: it is another value.
    """
    number = _number(what, value, "a correlation, e.g. 0.5")
    if not -1.0 <= number <= 1.0:
        raise InputError(f"{what} must lie between -1 and 1, got {value!r}")
    return number


def require_count(what: str, value: object) -> int:
    """A number of layers, steps or units: a whole number of at least 1.

    Raises:
        InputError: it is another value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InputError(f"{what} must be a whole number of at least 1, got {value!r}")
    return int(value)


def require_counts(what: str, values: object, least: int) -> tuple[int, ...]:
    """Several numbers of units.

    Raises:
        InputError: they are no sequence, fewer than ``least``, or one is no positive integer.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise InputError(f"{what} must be a sequence such as (784, 256, 10), got {values!r}")
    if len(values) < least:
        raise InputError(f"{what} must hold at least {least} numbers, got {tuple(values)!r}")
    return tuple(require_count(f"{what}[{i}]", value) for i, value in enumerate(values))


def _number(what: str, value: object, example: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{what} must be {example}, got {value!r}")
    return float(value)
