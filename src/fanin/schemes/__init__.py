"""One tensor: a scheme is a frozen object that draws it from named noise."""

import difflib
from collections.abc import Callable

from fanin.schemes.attention import mimetic
from fanin.schemes.blockwise import blocks
from fanin.schemes.catalogue import ALIASES, SCHEMES, by_name, factory, names
from fanin.schemes.fixed import constant, normal, ones, truncated_normal, uniform, zeros
from fanin.schemes.independent import IndependentScheme
from fanin.schemes.matrices import Matrix, MatrixScheme
from fanin.schemes.orthogonality import delta_orthogonal, orthogonal
from fanin.schemes.patterns import dirac, given, identity, zero_hadamard
from fanin.schemes.recurrence import chrono_bias
from fanin.schemes.scheme import AbstractScheme, Scheme
from fanin.schemes.sparsity import sparse
from fanin.schemes.special import siren, spectral, torch_default
from fanin.schemes.units import per_unit
from fanin.schemes.variance import (
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
)
from fanin.schemes.wrappers import icnr, looks_linear, masked, scaled


def __getattr__(name: str) -> Callable[..., Scheme]:
    """A scheme that another package registered."""
    # Python asks for names such as __path__ while it imports.
    if not name.startswith("_"):
        if name in names():
            return factory(name)
        near = difflib.get_close_matches(name, [*names(), *ALIASES], n=3, cutoff=0.5)
        offer = f". Did you mean {' or '.join(near)}?" if near else ""
        raise AttributeError(f"module 'fanin.schemes' has no scheme {name!r}{offer}")
    raise AttributeError(f"module 'fanin.schemes' has no attribute {name!r}")


kaiming_normal = he_normal
kaiming_uniform = he_uniform
glorot_normal = xavier_normal
glorot_uniform = xavier_uniform
mirrored = looks_linear

__all__ = [
    "ALIASES",
    "SCHEMES",
    "AbstractScheme",
    "IndependentScheme",
    "Matrix",
    "MatrixScheme",
    "Scheme",
    "blocks",
    "by_name",
    "chrono_bias",
    "constant",
    "delta_orthogonal",
    "dirac",
    "given",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "icnr",
    "identity",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "looks_linear",
    "masked",
    "mimetic",
    "mirrored",
    "names",
    "normal",
    "ones",
    "orthogonal",
    "per_unit",
    "scaled",
    "siren",
    "sparse",
    "spectral",
    "torch_default",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zero_hadamard",
    "zeros",
]
