"""Schemes that know no fans: constants, and random numbers of a given scale."""

from __future__ import annotations

from typing import Self

import attrs

from fanin.errors import InputError
from fanin.fans import Layout
from fanin.noise import Constant, Distribution, Normal, TruncatedNormal, Uniform
from fanin.noise.gaussian import truncated_moments
from fanin.schemes.independent import IndependentScheme
from fanin.schemes.scheme import a_number, as_float

_DEEP_LEARNING = "Goodfellow, Bengio, Courville. Deep Learning. MIT Press, 2016. Section 8.4"


@attrs.frozen(repr=False)
class zeros(IndependentScheme):
    """Every element 0.

    Right for biases, for the last layer of a residual branch and for a fresh head; wrong for
    the weights of hidden layers, whose units then stay equal for ever.

    Example:
        >>> import torch
        >>> zeros().init_(torch.empty(2, 2))
        tensor([[0., 0.],
                [0., 0.]])

    References:
        Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4.
    """

    name = "zeros"
    formula = "w = 0"
    use = "biases, last layer of a residual branch, a fresh head"
    citation = _DEEP_LEARNING

    def law(self, layout: Layout | None) -> Distribution:
        return Constant(0.0)


@attrs.frozen(repr=False)
class ones(IndependentScheme):
    """Every element 1: the scale of a normalisation layer.

    Example:
        >>> import torch
        >>> ones().init_(torch.empty(3))
        tensor([1., 1., 1.])

    References:
        Ioffe, Szegedy, Batch Normalization, 2015, arXiv:1502.03167, section 3.
    """

    name = "ones"
    formula = "w = 1"
    use = "scales of normalisation layers"
    citation = (
        "Ioffe, Szegedy. Batch Normalization: accelerating deep network training by reducing "
        "internal covariate shift. 2015. arXiv:1502.03167, section 3"
    )

    def law(self, layout: Layout | None) -> Distribution:
        return Constant(1.0)


@attrs.frozen(repr=False)
class constant(IndependentScheme):
    """Every element ``value``.

    Raises:
        InputError: ``value`` is not finite.

    Example:
        >>> import torch
        >>> constant(0.25).init_(torch.empty(2))
        tensor([0.2500, 0.2500])

    References:
        Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4.
    """

    value: float = attrs.field(converter=as_float, validator=a_number)

    name = "constant"
    formula = "w = value"
    use = "biases and gates; to show what symmetry does"
    citation = _DEEP_LEARNING
    argument = "value"

    def __attrs_post_init__(self) -> None:
        self.law(None)

    def law(self, layout: Layout | None) -> Distribution:
        return Constant(self.value)


@attrs.frozen(repr=False)
class normal(IndependentScheme):
    """N(mean, std^2), whatever the fans.

    Args:
        mean, std: of one element.

    Raises:
        InputError: not finite, or ``std`` negative.

    Example:
        >>> import torch
        >>> w = normal(std=0.02).init_(torch.empty(512, 512))
        >>> bool(abs(w.std() - 0.02) < 0.001)
        True

    References:
        Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4.
    """

    mean: float = attrs.field(default=0.0, converter=as_float, validator=a_number)
    _std: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    name = "normal"
    formula = "w ~ N(mean, std^2)"
    use = "a scale known from elsewhere, e.g. GPT-2's 0.02"
    citation = _DEEP_LEARNING
    argument = "std"

    def __attrs_post_init__(self) -> None:
        self.law(None)

    def law(self, layout: Layout | None) -> Distribution:
        return Normal(self.mean, self._std)


@attrs.frozen(repr=False)
class uniform(IndependentScheme):
    """U[a, b), whatever the fans. In a text such as ``"uniform:0.1"`` it is U[-0.1, 0.1).

    Args:
        a, b: bounds, a <= b.

    Raises:
        InputError: not finite, or a > b.

    Example:
        >>> import torch
        >>> w = uniform(-0.1, 0.1).init_(torch.empty(100, 100))
        >>> bool(w.min() >= -0.1), bool(w.max() < 0.1)
        (True, True)

    References:
        Goodfellow, Bengio, Courville, Deep Learning, 2016, section 8.4.
    """

    a: float = attrs.field(default=0.0, converter=as_float, validator=a_number)
    b: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    name = "uniform"
    formula = "w ~ U[a, b)"
    use = "a bound known from elsewhere"
    citation = _DEEP_LEARNING
    argument = "bound"

    @classmethod
    def from_number(cls, value: float) -> Self:
        """U[-bound, bound)."""
        if value < 0:
            raise InputError(f"the bound of scheme 'uniform' must not be negative, got {value}")
        return cls(-value, value)

    def __attrs_post_init__(self) -> None:
        self.law(None)

    def law(self, layout: Layout | None) -> Distribution:
        if self.a > self.b:
            raise InputError(f"a ({self.a}) is above b ({self.b})")
        return Uniform(self.a, self.b)


@attrs.frozen(repr=False)
class truncated_normal(IndependentScheme):
    """A normal cut ``low`` and ``high`` standard deviations from its mean, without rejection.

    With ``corrected`` the numbers that come out have the standard deviation ``std`` (jax and
    Keras do so); without it, ``std`` is that of the normal before the cut (TensorFlow's BERT
    does so), and what comes out is narrower: 0.8796 std at -2 and 2. The bounds are in
    standard deviations of the normal that is cut, not absolute as in ``torch.nn.init``,
    where -2 and 2 at std 0.02 cut at 100 standard deviations, which is nowhere.

    Args:
        mean: centre of the normal that is cut.
        std: see above.
        low, high: the cut, in standard deviations; either may be infinite.
        corrected: see above.

    Raises:
        InputError: not finite, ``std`` negative, low not below high, or a cut beyond 12.5.

    Example:
        >>> import torch
        >>> w = truncated_normal(std=0.02).init_(torch.empty(512, 512))
        >>> bool(abs(w.std() - 0.02) < 0.001), bool(w.abs().max() < 0.046)
        (True, True)

    References:
        Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994, section
        13.10.1.
    """

    mean: float = attrs.field(default=0.0, converter=as_float, validator=a_number)
    _std: float = attrs.field(default=1.0, converter=as_float, validator=a_number)
    low: float = attrs.field(default=-2.0, converter=as_float, validator=a_number)
    high: float = attrs.field(default=2.0, converter=as_float, validator=a_number)
    corrected: bool = True

    name = "truncated_normal"
    formula = "w ~ N(mean, s^2) given low <= (w - mean) / s <= high"
    use = "normal without outliers; what jax, Keras and ViT mean by normal"
    citation = (
        "Johnson, Kotz, Balakrishnan. Continuous Univariate Distributions, volume 1. "
        "Wiley, 1994. Section 13.10.1"
    )
    argument = "std"

    def __attrs_post_init__(self) -> None:
        self.law(None)

    def law(self, layout: Layout | None) -> Distribution:
        Normal(self.mean, self._std)  # refuses a wrong mean or std in these words
        TruncatedNormal(low=self.low, high=self.high)  # and a wrong interval
        narrowed = truncated_moments(self.low, self.high)[1] if self.corrected else 1.0
        return TruncatedNormal(self.mean, self._std / narrowed, self.low, self.high)
