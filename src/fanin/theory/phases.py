"""Ordered, critical or chaotic: what depth does to signals, gradients and pairs of inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fanin.theory.correlations import correlation_map
from fanin.theory.fixed_points import SLOPE_TOLERANCE, FixedPoint, depth_scale
from fanin.theory.mean_field import VarianceMap, slope_square, variance_map

PhaseName = Literal["ordered", "critical", "chaotic"]
Fate = Literal["vanishes", "settles", "keeps", "explodes"]


def chi_1(activation: object, sigma_w: float, sigma_b: float = 0.0, q0: float = 1.0) -> float:
    """What a layer multiplies the gradient's second moment by, where the signal has settled.

    sigma_w^2 E phi'(sqrt(q*) z)^2. It is the slope of the correlation map at c = 1 as well: below
    1 gradients vanish and different inputs become one, above it gradients explode and nearly
    equal inputs part.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        sigma_w: the weights are drawn from N(0, sigma_w^2 / fan_in).
        sigma_b: the biases are drawn from N(0, sigma_b^2).
        q0: the second moment of the first pre-activation; q* is where it ends. It matters where
            there are several such ends (gelu, silu).

    Raises:
        InputError: no activation; a sigma that is negative or not finite; q0 not above 0.

    Example:
        >>> round(chi_1("tanh", 1.5**0.5, 0.05**0.5), 9)
        0.938636268

    References:
        Schoenholz et al., 2017, arXiv:1611.01232, equation 7.
    """
    variance = variance_map(activation, sigma_w, sigma_b)
    return _chi(variance, variance.limit(q0))


def _chi(variance: VarianceMap, end: FixedPoint) -> float:
    return variance.sigma_w**2 * slope_square(variance.kernel, end.value)


@dataclass(frozen=True, slots=True)
class DepthScales:
    """Layers within which depth forgets, by a factor e each.

    Args:
        xi_q: of a deviation of the second moment from its limit.
        xi_c: of a deviation of the correlation from its limit: networks much deeper than this
            cannot be trained.
        xi_gradient: of the gradient's second moment, vanishing or exploding.
        q: the limit of the second moment; 0 or ``inf`` are limits too.
        c: the limit of the correlation.
        chi_1: see ``chi_1``.

    Each is ``inf`` at the edge of chaos, where the approach is slower than exponential, and 0
    where one layer is enough.
    """

    xi_q: float
    xi_c: float
    xi_gradient: float
    q: float
    c: float
    chi_1: float


def depth_scales(
    activation: object, sigma_w: float, sigma_b: float = 0.0, q0: float = 1.0
) -> DepthScales:
    """How deep signals, correlations and gradients reach.

    xi_q = -1 / ln(sigma_w^2 (E phi'^2 + E phi phi'')), xi_c = -1 / ln(slope of the correlation
    map where it ends, c = 1 in the ordered phase), xi_gradient = 1 / abs(ln chi_1).

    Args:
        activation, sigma_w, sigma_b, q0: as in ``chi_1``.

    Raises:
        InputError: as ``chi_1``; or both sigmas are 0.

    Example:
        >>> scales = depth_scales("tanh", 1.5**0.5, 0.05**0.5)
        >>> round(scales.xi_c, 2), round(scales.xi_q, 2)
        (15.79, 1.68)

    References:
        Schoenholz et al., 2017, arXiv:1611.01232, equations 9, 10.
    """
    variance = variance_map(activation, sigma_w, sigma_b)
    end = variance.limit(q0)
    q = end.value if 0.0 < end.value < math.inf else None
    pairs = correlation_map(activation, sigma_w, sigma_b, q).limit()
    chi = _chi(variance, end)
    return DepthScales(
        end.depth_scale, pairs.depth_scale, depth_scale(chi), end.value, pairs.value, chi
    )


@dataclass(frozen=True, slots=True)
class Phase:
    """Where a network stands, by its weights' and biases' scale.

    Args:
        name: ``"ordered"`` (chi_1 < 1), ``"critical"`` (= 1 within 1e-6) or ``"chaotic"`` (> 1).
        variance: what becomes of the second moment: ``"vanishes"``, ``"settles"`` at a stable
            value, ``"keeps"`` the one it has (which may be unstable), ``"explodes"``.
        chi_1: see ``chi_1``.
        q: the limit of the second moment.
        words: one sentence.
    """

    name: PhaseName
    variance: Fate
    chi_1: float
    q: float
    words: str

    def __str__(self) -> str:
        return f"{self.name}: {self.words}"


def phase(activation: object, sigma_w: float, sigma_b: float = 0.0, q0: float = 1.0) -> Phase:
    """The phase of a plain wide network, and what becomes of its signal.

    Args:
        activation, sigma_w, sigma_b, q0: as in ``chi_1``.

    Raises:
        InputError: as ``chi_1``.

    Example:
        >>> print(phase("tanh", 3**0.5, 0.05**0.5))
        chaotic: the second moment settles at 1.428; the gradient's is multiplied by 1.209 a layer
        >>> print(phase("relu", 1.0))
        ordered: the second moment vanishes; the gradient's is multiplied by 0.5 a layer

    References:
        Schoenholz et al., 2017, arXiv:1611.01232, section 3.
    """
    variance = variance_map(activation, sigma_w, sigma_b)
    end = variance.limit(q0)
    chi = _chi(variance, end)
    name: PhaseName = "critical"
    if abs(chi - 1.0) > SLOPE_TOLERANCE:
        name = "ordered" if chi < 1.0 else "chaotic"
    fate = _fate(end)
    signal = {
        "vanishes": "the second moment vanishes",
        "explodes": "the second moment grows without bound",
        "settles": f"the second moment settles at {end.value:.4g}",
        "keeps": f"the second moment stays at {end.value:.4g}",
    }[fate]
    if end.stability == "unstable":
        signal += ", an unstable value that any deviation leaves"
    gradient = {
        "ordered": f"the gradient's is multiplied by {chi:.4g} a layer",
        "critical": "the gradient's is kept",
        "chaotic": f"the gradient's is multiplied by {chi:.4g} a layer",
    }[name]
    return Phase(name, fate, chi, end.value, f"{signal}; {gradient}")


def _fate(end: FixedPoint) -> Fate:
    if end.value == 0.0:
        return "vanishes"
    if math.isinf(end.value):
        return "explodes"
    return "settles" if end.stability == "stable" else "keeps"
