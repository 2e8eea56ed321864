"""All schemes by name, and the reading of texts such as ``"normal:0.01"``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from fanin.errors import InputError, UnknownNameError
from fanin.schemes import fixed, scaled
from fanin.schemes.scheme import AbstractScheme

SCHEMES: Final[Mapping[str, type[AbstractScheme]]] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            fixed.zeros,
            fixed.ones,
            fixed.constant,
            fixed.normal,
            fixed.uniform,
            fixed.truncated_normal,
            scaled.variance_scaling,
            scaled.xavier_normal,
            scaled.xavier_uniform,
            scaled.he_normal,
            scaled.he_uniform,
            scaled.lecun_normal,
            scaled.lecun_uniform,
        )
    }
)
"""Name -> class, in the order of the field's history."""

ALIASES: Final = MappingProxyType(
    {
        "glorot_normal": "xavier_normal",
        "glorot_uniform": "xavier_uniform",
        "kaiming_normal": "he_normal",
        "kaiming_uniform": "he_uniform",
    }
)


def by_name(text: str) -> AbstractScheme:
    """The scheme that a text names: ``"he_normal"``, or with its argument ``"normal:0.01"``.

    The argument is the std of a normal, the bound of a uniform (U[-b, b)), the value of a
    constant, the gain of Xavier, the negative slope of He, the scale of variance_scaling.

    Raises:
        UnknownNameError: no scheme bears the name; the nearest are offered.
        InputError: the argument is missing, is not a number, or the scheme takes none.

    Example:
        >>> by_name("normal:0.01"), by_name("kaiming_uniform")
        (normal(std=0.01), he_uniform())
    """
    if not isinstance(text, str):
        raise InputError(f"a scheme is named by a text such as 'he_normal', got {text!r}")
    name, colon, argument = text.strip().partition(":")
    key = name.strip().lower()
    key = ALIASES.get(key, key)
    if key not in SCHEMES:
        raise UnknownNameError("scheme", name, [*SCHEMES, *ALIASES])
    scheme = SCHEMES[key]
    if not colon:
        if any(field.default is attrs.NOTHING for field in scheme.parameters()):
            raise InputError(f"scheme {key!r} needs its {scheme.argument}, e.g. '{key}:0.1'")
        return scheme()
    if scheme.argument is None:
        raise InputError(f"scheme {key!r} takes no argument, got {text!r}")
    try:
        number = float(argument)
    except ValueError:
        raise InputError(
            f"the {scheme.argument} of scheme {key!r} must be a number, got {argument!r}"
        ) from None
    return scheme.from_number(number)
