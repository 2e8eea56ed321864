"""Modules and functions of torch that are random in training, or no activation at all."""

from __future__ import annotations

import functools
import math
import sys
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np

from fanin.errors import InputError
from fanin.theory.elementwise import Activation, Array
from fanin.theory.names import NAMED, gated_reason, piecewise_linear, reason_against

if TYPE_CHECKING:
    from torch import nn

_SATURATION: Final = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
"""SELU's value at minus infinity, to which alpha dropout sets what it drops."""

_DROPOUTS: Final = frozenset(
    {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
)


def is_module(subject: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(subject, torch.nn.Module)


def known(subject: object) -> Activation | None:
    """The activation that a module or function of torch is, if probing could not tell.

    Raises:
        InputError: it is known to be none.
    """
    if is_module(subject):
        return _known_module(subject)  # type: ignore[arg-type]
    function, keywords = subject, {}
    if isinstance(subject, functools.partial) and not subject.args:
        function, keywords = subject.func, subject.keywords
    name = getattr(function, "__name__", "")
    if _home(function) != "torch" or not isinstance(name, str):
        return None
    if name in _DROPOUTS and _home_in_full(function) == "torch.nn.functional":
        default = name.endswith("alpha_dropout")
        training = bool(keywords.get("training", not default))
        return dropout(float(keywords.get("p", 0.5)), training, alpha="alpha" in name)
    if name == "rrelu" and keywords.get("training"):
        return rrelu(float(keywords.get("lower", 1 / 8)), float(keywords.get("upper", 1 / 3)))
    if name == "glu":
        raise InputError(gated_reason("torch's glu", "sigmoid"))
    reason = reason_against(name)
    if reason is not None:
        raise InputError(reason)
    return None


def _known_module(module: nn.Module) -> Activation | None:
    from torch import nn
    from torch.nn.modules.dropout import _DropoutNd

    if isinstance(module, _DropoutNd):
        alpha = isinstance(module, nn.AlphaDropout | nn.FeatureAlphaDropout)
        return dropout(float(module.p), module.training, alpha=alpha)
    if isinstance(module, nn.RReLU) and module.training:
        return rrelu(float(module.lower), float(module.upper))
    if isinstance(module, nn.GLU):
        raise InputError(gated_reason("torch.nn.GLU", "sigmoid"))
    if isinstance(module, nn.PReLU) and module.weight.numel() > 1:
        return _prelu(sorted(set(module.weight.tolist())))
    if _home(type(module)) in {"torch", "transformers"}:
        reason = reason_against(type(module).__name__)
        if reason is not None:
            raise InputError(reason)
    return None


def _prelu(slopes: list[float]) -> Activation:
    """With one slope a channel, which is one function while they are equal."""
    if len(slopes) > 1:
        raise InputError(
            f"this PReLU has different slopes, {slopes[0]:.4g} to {slopes[-1]:.4g}, so it is not "
            "one function. Give torch.nn.LeakyReLU(slope) for the channel that is meant"
        )
    return attrs.evolve(
        piecewise_linear("prelu", slopes[0], 1.0), identity=("several prelu", slopes[0])
    )


def _home_in_full(function: object) -> str:
    return str(getattr(function, "__module__", None) or "")


def _home(function: object) -> str:
    """The package of a function; torch's compiled ones name none, but stand in torch."""
    home = _home_in_full(function).partition(".")[0]
    torch = sys.modules.get("torch")
    name = getattr(function, "__name__", None)
    if not home and torch is not None and isinstance(name, str):
        return "torch" if getattr(torch, name, None) is function else ""
    return home


def dropout(p: float, training: bool, *, alpha: bool) -> Activation:
    """Sets values to 0, or to SELU's saturation, with probability p, and rescales the rest."""
    if not training or p == 0.0:
        return NAMED["linear"]
    if alpha:
        return _alpha_dropout(p)
    if p == 1.0:
        raise InputError("dropout with p = 1 returns 0 for everything and has no gain")

    def square(z: Array) -> Array:
        return z * z / (1.0 - p)

    return Activation(
        f"dropout({p:g})", np.array, np.ones_like, square=square, identity=("dropout", p)
    )


def _alpha_dropout(p: float) -> Activation:
    """Klambauer et al., Self-normalizing neural networks, 2017, section 3: a (x d + s (1-d)) + b.

    With p = 1, torch drops everything to 0.
    """
    if p == 1.0:
        raise InputError("alpha dropout with p = 1 returns 0 for everything and has no gain")
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * _SATURATION**2))
    b = -a * p * _SATURATION

    def mean(z: Array) -> Array:
        return (1.0 - p) * (a * z + b) + p * (a * _SATURATION + b)

    def square(z: Array) -> Array:
        return (1.0 - p) * np.square(a * z + b) + p * (a * _SATURATION + b) ** 2

    return Activation(
        f"alpha_dropout({p:g})", mean, lambda z: np.full_like(z, (1.0 - p) * a),
        square=square, identity=("alpha_dropout", p),
    )  # fmt: skip


def rrelu(lower: float, upper: float) -> Activation:
    """A slope below 0 that is uniform in [lower, upper]: E slope^2 = (l^2 + l u + u^2) / 3."""
    slope = (lower + upper) / 2
    square = (lower * lower + lower * upper + upper * upper) / 3
    return Activation(
        f"rrelu({lower:g}, {upper:g}) in training",
        lambda z: np.where(z < 0.0, slope * z, z),
        lambda z: np.where(z < 0.0, slope, 1.0),
        (0.0,),
        square=lambda z: np.where(z < 0.0, square, 1.0) * z * z,
        identity=("rrelu", lower, upper),
    )
