"""All schemes by name, and the reading of texts such as ``"normal:0.01"``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from fanin.errors import InputError, UnknownNameError
from fanin.schemes import (
    attention,
    blockwise,
    fixed,
    orthogonality,
    patterns,
    recurrence,
    sparsity,
    special,
    units,
    variance,
    wrappers,
)
from fanin.schemes.scheme import AbstractScheme, Scheme

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
            variance.variance_scaling,
            variance.xavier_normal,
            variance.xavier_uniform,
            variance.he_normal,
            variance.he_uniform,
            variance.lecun_normal,
            variance.lecun_uniform,
            orthogonality.orthogonal,
            orthogonality.delta_orthogonal,
            patterns.identity,
            patterns.dirac,
            patterns.zero_hadamard,
            sparsity.sparse,
            special.siren,
            special.spectral,
            special.torch_default,
            attention.mimetic,
            wrappers.looks_linear,
            wrappers.icnr,
            wrappers.scaled,
            wrappers.masked,
            blockwise.blocks,
            units.per_unit,
            patterns.given,
            recurrence.chrono_bias,
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
        "mirrored": "looks_linear",
    }
)


ENTRY_POINTS: Final = "fanin.schemes"
"""The group under which a package registers schemes of its own: name = "package.module:scheme"."""

Factory = Callable[..., Scheme]


def by_name(text: str) -> Scheme:
    """The scheme that a text names: ``"he_normal"``, or with its argument ``"normal:0.01"``.

    The argument is the std of a normal, the bound of a uniform (U[-b, b)), the value of a
    constant, the gain of Xavier and orthogonal, the negative slope of He, the scale of
    variance_scaling, the w0 of siren, the k of sparse, the steps of chrono_bias.

    Raises:
        UnknownNameError: no scheme bears the name; the nearest are offered.
        InputError: the argument is missing, is not a number, or the scheme takes none; or a
            registered scheme cannot be loaded.

    Example:
        >>> by_name("normal:0.01"), by_name("kaiming_uniform")
        (normal(std=0.01), he_uniform())
    """
    if not isinstance(text, str):
        raise InputError(f"a scheme is named by a text such as 'he_normal', got {text!r}")
    name, colon, argument = text.strip().partition(":")
    key = known_name(name)
    scheme = factory(key)
    if not colon:
        return _without_arguments(key, scheme)
    given = getattr(scheme, "argument", None)
    if given is None or not hasattr(scheme, "from_number"):
        raise InputError(f"scheme {key!r} takes no argument, got {text!r}")
    try:
        number = float(argument)
    except ValueError:
        raise InputError(
            f"the {given} of scheme {key!r} must be a number, got {argument!r}"
        ) from None
    return _require_scheme(key, scheme.from_number(number))


def known_name(name: str) -> str:
    """The name that the catalogue or another package knows a scheme by.

    Raises:
        UnknownNameError: there is none; the nearest are offered.
    """
    key = name.strip().lower()
    key = ALIASES.get(key, key)
    if key not in SCHEMES and key not in names():
        raise UnknownNameError("scheme", name, [*names(), *ALIASES])
    return key


def names() -> tuple[str, ...]:
    """Of all schemes: fanin's, then those that other packages registered."""
    return (*SCHEMES, *(name for name in _registered() if name not in SCHEMES))


def factory(name: str) -> Factory:
    """What makes the scheme of a name of ``names``: its class, or what a package registered.

    Raises:
        InputError: a package's scheme cannot be loaded, or makes none.
    """
    if name in SCHEMES:
        return SCHEMES[name]
    point = _registered()[name]
    package = point.dist.name if point.dist else "another package"
    try:
        made = point.load()
    except Exception as error:
        raise InputError(
            f"scheme {name!r} of {package} ({point.value}) cannot be loaded: {error}"
        ) from error
    if not callable(made):
        raise InputError(f"scheme {name!r} of {package} ({point.value}) cannot be called")
    result: Factory = made
    return result


def _registered() -> Mapping[str, EntryPoint]:
    return {point.name.lower(): point for point in entry_points(group=ENTRY_POINTS)}


def _without_arguments(name: str, scheme: Factory) -> Scheme:
    needed = [
        parameter.name
        for parameter in inspect.signature(scheme).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    argument = getattr(scheme, "argument", None)
    if needed and argument is not None:
        example = getattr(scheme, "example", "0.1")
        raise InputError(f"scheme {name!r} needs its {argument}, e.g. '{name}:{example}'")
    if needed:
        raise InputError(
            f"scheme {name!r} needs {' and '.join(needed)}, which a text cannot give: "
            f"fanin.schemes.{name}({', '.join(f'{word}=...' for word in needed)})"
        )
    return _require_scheme(name, scheme())


def _require_scheme(name: str, made: object) -> Scheme:
    if isinstance(made, type) or not isinstance(made, Scheme):
        raise InputError(f"scheme {name!r} made a {type(made).__name__}, which is no scheme")
    return made
