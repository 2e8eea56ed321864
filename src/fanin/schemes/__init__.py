"""One tensor: a scheme is a frozen object that draws it from named noise."""

import difflib

from fanin.schemes.catalogue import ALIASES, SCHEMES, by_name
from fanin.schemes.fixed import constant, normal, ones, truncated_normal, uniform, zeros
from fanin.schemes.scaled import (
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
)
from fanin.schemes.scheme import AbstractScheme, Scheme


def __getattr__(name: str) -> object:
    near = difflib.get_close_matches(name, [*SCHEMES, *ALIASES], n=3, cutoff=0.5)
    offer = f". Did you mean {' or '.join(near)}?" if near else ""
    raise AttributeError(f"module 'fanin.schemes' has no scheme {name!r}{offer}")


kaiming_normal = he_normal
kaiming_uniform = he_uniform
glorot_normal = xavier_normal
glorot_uniform = xavier_uniform

__all__ = [
    "ALIASES",
    "SCHEMES",
    "AbstractScheme",
    "Scheme",
    "by_name",
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
