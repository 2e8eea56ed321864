"""The names without an underscore, which torch keeps for old code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from fanin.nn_init import elementary, exact, matrices, scaled

P = ParamSpec("P")
R = TypeVar("R")


def _make_deprecate(meth: Callable[P, R]) -> Callable[P, R]:
    """A function that warns of its old name, then does what ``meth`` does."""
    new_name = meth.__name__
    old_name = new_name.removesuffix("_")

    def deprecated_init(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.warn(
            f"`nn.init.{old_name}` is now deprecated in favor of `nn.init.{new_name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return meth(*args, **kwargs)

    deprecated_init.__name__ = deprecated_init.__qualname__ = old_name
    deprecated_init.__doc__ = f"Deprecated: the old name of ``{new_name}``."
    return deprecated_init


uniform = _make_deprecate(elementary.uniform_)
normal = _make_deprecate(elementary.normal_)
constant = _make_deprecate(exact.constant_)
eye = _make_deprecate(exact.eye_)
dirac = _make_deprecate(exact.dirac_)
xavier_uniform = _make_deprecate(scaled.xavier_uniform_)
xavier_normal = _make_deprecate(scaled.xavier_normal_)
kaiming_uniform = _make_deprecate(scaled.kaiming_uniform_)
kaiming_normal = _make_deprecate(scaled.kaiming_normal_)
orthogonal = _make_deprecate(matrices.orthogonal_)
sparse = _make_deprecate(matrices.sparse_)
