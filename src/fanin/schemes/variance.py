"""Schemes that scale the variance by fans. ``variance_scaling`` is the primitive; the rest
are its named values: one line of arithmetic and a citation each.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, get_args

import attrs

from fanin.errors import FanError
from fanin.fans import Layout
from fanin.noise import Distribution, Normal, TruncatedNormal, Uniform
from fanin.noise.gaussian import truncated_moments
from fanin.schemes.independent import IndependentScheme
from fanin.schemes.scheme import GREATEST, a_number, as_float, in_range, needed_layout, one_of

Mode = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Shape = Literal["normal", "truncated_normal", "uniform"]


def law_of_variance(variance: float, shape: Shape) -> Distribution:
    """The centred distribution of this shape and variance.

    ``"truncated_normal"`` is cut at two standard deviations and corrected, so that the
    variance is the one asked for.
    """
    std = math.sqrt(variance)
    if shape == "normal":
        return Normal(0.0, std)
    if shape == "uniform":
        bound = math.sqrt(3.0 * variance)
        return Uniform(-bound, bound)
    return TruncatedNormal(0.0, std / truncated_moments(-2.0, 2.0)[1], -2.0, 2.0)


def fan(layout: Layout, mode: Mode) -> float:
    """The number that a variance is divided by.

    Raises:
        FanError: it is zero.
    """
    n, o = layout.fan_in, layout.fan_out
    value = {
        "fan_in": n,
        "fan_out": o,
        "fan_avg": (n + o) / 2,
        "fan_geo_avg": math.sqrt(n) * math.sqrt(o),
    }[mode]
    if value == 0:
        raise FanError(f"{mode} of a {layout.op} weight of shape {layout.shape} is 0")
    return value


class _VarianceScheme(IndependentScheme):
    """Variance = scale / fan. A subclass says which scale, which fan and which shape."""

    __slots__ = ()

    shape: ClassVar[Shape]

    @property
    def needs_layout(self) -> bool:
        return True

    def scaling(self) -> tuple[float, Mode, Shape]:
        raise NotImplementedError

    def law(self, layout: Layout | None) -> Distribution:
        known = needed_layout(self, layout)
        scale, mode, shape = self.scaling()
        return law_of_variance(scale / fan(known, mode), shape)


@attrs.frozen(repr=False)
class variance_scaling(_VarianceScheme):
    """Centred, with variance = scale / fan.

    Args:
        scale: the second moment that one unit of fan shall bring.
        mode: ``"fan_in"`` keeps the forward signal, ``"fan_out"`` the gradient, ``"fan_avg"``
            and ``"fan_geo_avg"`` take the arithmetic or geometric mean of the two.
        distribution: ``"normal"``, ``"truncated_normal"`` (at two standard deviations,
            corrected) or ``"uniform"`` (bound sqrt(3 scale / fan)).

    Raises:
        InputError: a name that is not one of these, or a negative scale.
        FanError: from ``std`` and ``init_``, where there is no fan.

    Example:
        >>> from fanin.fans import linear
        >>> variance_scaling(2.0, "fan_in").std(linear((10, 200)))
        0.1

    References:
        LeCun et al., Efficient BackProp, 1998, section 4.6, with the scale and the fan left
        open, as in jax.nn.initializers.variance_scaling.
    """

    scale: float = attrs.field(default=1.0, converter=as_float, validator=a_number)
    mode: Mode = "fan_in"
    distribution: Shape = "truncated_normal"

    name = "variance_scaling"
    formula = "Var w = scale / fan"
    use = "any rule of this family that has no name of its own"
    citation = (
        "LeCun, Bottou, Orr, Mueller. Efficient BackProp. 1998. Section 4.6; "
        "generalised as in jax.nn.initializers.variance_scaling"
    )
    argument = "scale"

    def __attrs_post_init__(self) -> None:
        in_range("scale", self.scale, 0.0)
        one_of("mode", self.mode, get_args(Mode))
        one_of("distribution", self.distribution, get_args(Shape))

    def scaling(self) -> tuple[float, Mode, Shape]:
        return self.scale, self.mode, self.distribution


@attrs.frozen(repr=False)
class _Xavier(_VarianceScheme):
    gain: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    citation = (
        "Glorot, Bengio. Understanding the difficulty of training deep feedforward neural "
        "networks. AISTATS 2010. Equation 12 (variance), 16 (uniform form)"
    )
    argument = "gain"

    def __attrs_post_init__(self) -> None:
        in_range("gain", self.gain, 0.0)

    def scaling(self) -> tuple[float, Mode, Shape]:
        return self.gain**2, "fan_avg", self.shape


@attrs.frozen(repr=False)
class xavier_normal(_Xavier):
    """N(0, gain^2 2 / (fan_in + fan_out)).

    A compromise between the forward signal and the gradient; it keeps both only where
    fan_in = fan_out and the activation is near linear around 0 (tanh).

    Args:
        gain: factor of the standard deviation; 1 as in the paper.

    Raises:
        InputError: the gain is negative.
        FanError: from ``std`` and ``init_``, where there is no fan.

    Example:
        >>> from fanin.fans import linear
        >>> xavier_normal().std(linear((100, 100)))
        0.1

    References:
        Glorot, Bengio, 2010, equation 12. The paper draws from a uniform distribution; its
        theory fixes the variance only.
    """

    name = "xavier_normal"
    formula = "w ~ N(0, gain^2 2 / (fan_in + fan_out))"
    use = "tanh and other odd activations; linear layers"
    shape = "normal"


@attrs.frozen(repr=False)
class xavier_uniform(_Xavier):
    """U(-b, b) with b = gain sqrt(6 / (fan_in + fan_out)): the variance of ``xavier_normal``.

    Args, Raises:
        as ``xavier_normal``.

    Example:
        >>> from fanin.fans import linear
        >>> round(xavier_uniform().std(linear((100, 100))), 12)
        0.1

    References:
        Glorot, Bengio, 2010, equation 16.
    """

    name = "xavier_uniform"
    formula = "w ~ U(-b, b), b = gain sqrt(6 / (fan_in + fan_out))"
    use = "as xavier_normal; the form of the paper"
    shape = "uniform"


@attrs.frozen(repr=False)
class _He(_VarianceScheme):
    negative_slope: float = attrs.field(default=0.0, converter=as_float, validator=a_number)
    mode: Mode = "fan_in"

    citation = (
        "He, Zhang, Ren, Sun. Delving deep into rectifiers: surpassing human-level performance "
        "on ImageNet classification. ICCV 2015. arXiv:1502.01852, equations 10, 14, 15"
    )
    argument = "negative_slope"

    def __attrs_post_init__(self) -> None:
        in_range("negative_slope", self.negative_slope, -GREATEST)
        one_of("mode", self.mode, get_args(Mode))

    def scaling(self) -> tuple[float, Mode, Shape]:
        return 2.0 / (1.0 + self.negative_slope**2), self.mode, self.shape


@attrs.frozen(repr=False)
class he_normal(_He):
    """N(0, 2 / ((1 + a^2) fan)): keeps the second moment through ReLU, which halves it.

    Args:
        negative_slope: a, of the leaky ReLU that follows; 0 for ReLU.
        mode: ``"fan_in"`` keeps the forward signal, ``"fan_out"`` the gradient.

    Raises:
        InputError: a slope that is not finite, or a mode that is not known.
        FanError: from ``std`` and ``init_``, where there is no fan.

    Example:
        >>> from fanin.fans import linear
        >>> he_normal().std(linear((10, 200)))
        0.1

    References:
        He et al., 2015, arXiv:1502.01852, equations 10 (forward), 14 (backward), 15 (leaky).
    """

    name = "he_normal"
    formula = "w ~ N(0, 2 / ((1 + a^2) fan_in))"
    use = "ReLU (a = 0) and leaky ReLU"
    shape = "normal"


@attrs.frozen(repr=False)
class he_uniform(_He):
    """U(-b, b) with b = sqrt(6 / ((1 + a^2) fan)): the variance of ``he_normal``.

    Args, Raises:
        as ``he_normal``.

    Example:
        >>> from fanin.fans import linear
        >>> round(he_uniform().std(linear((10, 200))), 12)
        0.1

    References:
        He et al., 2015, arXiv:1502.01852, equations 10, 14 and 15.
    """

    name = "he_uniform"
    formula = "w ~ U(-b, b), b = sqrt(6 / ((1 + a^2) fan_in))"
    use = "as he_normal"
    shape = "uniform"


@attrs.frozen(repr=False)
class _LeCun(_VarianceScheme):
    citation = "LeCun, Bottou, Orr, Mueller. Efficient BackProp. 1998. Section 4.6, equation 16"

    def scaling(self) -> tuple[float, Mode, Shape]:
        return 1.0, "fan_in", self.shape


@attrs.frozen(repr=False)
class lecun_normal(_LeCun):
    """N(0, 1 / fan_in): keeps the second moment of a linear layer; SELU's scheme.

    Raises:
        FanError: from ``std`` and ``init_``, where there is no fan.

    Example:
        >>> from fanin.fans import linear
        >>> lecun_normal().std(linear((10, 100)))
        0.1

    References:
        LeCun et al., Efficient BackProp, 1998, section 4.6; Klambauer et al., 2017,
        arXiv:1706.02515 (SELU).
    """

    name = "lecun_normal"
    formula = "w ~ N(0, 1 / fan_in)"
    use = "linear layers, SELU, the first layer"
    shape = "normal"


@attrs.frozen(repr=False)
class lecun_uniform(_LeCun):
    """U(-b, b) with b = sqrt(3 / fan_in): the variance of ``lecun_normal``.

    Raises:
        as ``lecun_normal``.

    Example:
        >>> from fanin.fans import linear
        >>> round(lecun_uniform().std(linear((10, 100))), 12)
        0.1

    References:
        LeCun et al., Efficient BackProp, 1998, section 4.6.
    """

    name = "lecun_uniform"
    formula = "w ~ U(-b, b), b = sqrt(3 / fan_in)"
    use = "as lecun_normal"
    shape = "uniform"
