"""Independent draws with a scale of their own: SIREN, spectral norm, torch's constructors."""

from __future__ import annotations

import math
from typing import Literal, get_args

import attrs

from fanin.errors import FanError, InputError
from fanin.fans import Layout
from fanin.noise import Distribution, Normal, Uniform
from fanin.schemes.independent import IndependentScheme
from fanin.schemes.scheme import a_number, as_float, in_range, needed_layout, one_of


@attrs.frozen(repr=False)
class siren(IndependentScheme):
    """For layers whose activation is sin(w0 z): U(-b, b), b = 1 / fan_in or sqrt(6 / fan_in) / w0.

    The first layer (b = 1 / fan_in, inputs from U(-1, 1)) spreads w0 z over several periods.
    Behind it the bound sqrt(6 / fan_in) / w0 keeps w0 z near N(0, 1) at any depth.

    Args:
        w0: frequency of the activation sin(w0 z).
        first: whether it is the first layer.

    Raises:
        InputError: w0 is not positive.
        FanError: from ``std`` and ``init_``, where there is no fan.

    Example:
        >>> from fanin.fans import linear
        >>> round(siren(w0=30).law(linear((256, 600))).high, 6)
        0.003333

    References:
        Sitzmann et al., 2020, arXiv:2006.09661, section 3.2.
    """

    w0: float = attrs.field(default=30.0, converter=as_float, validator=a_number)
    first: bool = False

    name = "siren"
    formula = "w ~ U(-b, b), b = sqrt(6 / fan_in) / w0; first layer b = 1 / fan_in"
    use = "networks of sines (SIREN); first=True for the first layer"
    citation = (
        "Sitzmann, Martel, Bergman, Lindell, Wetzstein. Implicit neural representations with "
        "periodic activation functions. NeurIPS 2020. arXiv:2006.09661. Section 3.2"
    )
    argument = "w0"

    def __attrs_post_init__(self) -> None:
        if not self.w0 > 0:
            raise InputError(f"w0 must be positive, got {self.w0!r}")
        in_range("w0", self.w0, 0.0)
        if not isinstance(self.first, bool):
            raise InputError(f"first must be True or False, got {self.first!r}")

    @property
    def needs_layout(self) -> bool:
        return True

    def law(self, layout: Layout | None) -> Distribution:
        known = needed_layout(self, layout)
        if known.fan_in == 0:
            raise FanError(f"fan_in of a {known.op} weight of shape {known.shape} is 0")
        bound = 1 / known.fan_in if self.first else math.sqrt(6 / known.fan_in) / self.w0
        return Uniform(-bound, bound)


@attrs.frozen(repr=False)
class spectral(IndependentScheme):
    """N(0, s^2) with s such that the largest singular value is gain sqrt(fan_out / fan_in).

    That is the scale under which every layer, and every update of one, changes what follows by
    as much at any width: muP's. A Gaussian matrix of out rows and in columns has its largest
    singular value near s (sqrt in + sqrt out). An orthogonal matrix of that scale is
    ``scaled(orthogonal(), sqrt(out / in))``.

    Args:
        gain: factor of the spectral norm.

    Raises:
        InputError: the gain is negative or no number.
        FanError: from ``std`` and ``init_``, where there is no fan.

    Example:
        >>> from fanin.fans import linear
        >>> spectral().std(linear((400, 400)))
        0.025

    References:
        Yang, Simon, Bernstein, 2023, arXiv:2310.17813, condition 1 and section 3.
    """

    gain: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    name = "spectral"
    formula = "w ~ N(0, s^2), s = gain sqrt(out / in) / (sqrt in + sqrt out)"
    use = "learning rates that carry over from narrow to wide networks (muP)"
    citation = (
        "Yang, Simon, Bernstein. A spectral condition for feature learning. 2023. "
        "arXiv:2310.17813. Condition 1"
    )
    argument = "gain"

    def __attrs_post_init__(self) -> None:
        in_range("gain", self.gain, 0.0)

    @property
    def needs_layout(self) -> bool:
        return True

    def law(self, layout: Layout | None) -> Distribution:
        known = needed_layout(self, layout)
        n, o = known.fan_in, known.fan_out
        if n == 0 or o == 0:
            raise FanError(f"a {known.op} weight of shape {known.shape} has a fan of 0")
        return Normal(0.0, self.gain * math.sqrt(o / n) / (math.sqrt(n) + math.sqrt(o)))


Of = Literal["layer", "attention"]


@attrs.frozen(repr=False)
class torch_default(IndependentScheme):
    """What the constructors of torch.nn draw, by ``reset_parameters``.

    U(-b, b) with b = 1 / sqrt(fan): Linear, convolutions (torch counts the inputs on axis 1, of
    transposed ones too), Bilinear (the fan is in1) and recurrent layers (it is the hidden
    size). Embedding: N(0, 1). The projections of MultiheadAttention: Xavier's uniform bound,
    taken for the stack of query, key and value as if it were one weight. With a = sqrt 5 in
    kaiming_uniform_ the first kind has a sixth of the variance that ReLU needs.

    Args:
        of: ``"layer"``, or ``"attention"`` for the in-projections of MultiheadAttention, whose
            layout is that of a Linear.

    The bias of a layer is drawn by the same law: give the weight's layout with it.

    Raises:
        UnknownNameError: ``of`` is neither.
        FanError: from ``std`` and ``init_``, without a layout, or where torch.nn has no such
            layer.

    Example:
        >>> from fanin.fans import linear
        >>> torch_default().law(linear((10, 100)))
        Uniform(low=-0.1, high=0.1)

    References:
        torch.nn, ``reset_parameters`` of each module, PyTorch 2.13.
    """

    of: Of = "layer"

    name = "torch_default"
    formula = "w ~ U(-b, b), b = 1 / sqrt(fan_in); Embedding N(0, 1)"
    use = "to compare with what torch.nn does when nobody asks"
    citation = "PyTorch 2.13. torch.nn, reset_parameters of each module"
    by_block = False

    def __attrs_post_init__(self) -> None:
        one_of("kind of weight", self.of, get_args(Of))

    @property
    def needs_layout(self) -> bool:
        return True

    def law(self, layout: Layout | None) -> Distribution:
        known = needed_layout(self, layout)
        shape = known.shape
        if self.of == "attention":
            return _around_zero(6 / max(sum(shape), 1))
        if known.op in ("embedding", "embedding_bag"):
            return Normal()
        if known.op in ("linear", "conv", "conv_transpose"):
            return _around_zero(_inverse(math.prod(shape[1:])))
        if known.op == "bilinear":
            return _around_zero(_inverse(shape[1]))
        if known.op == "recurrent":
            return _around_zero(_inverse(known.fan_out))
        raise FanError(
            f"torch.nn has no layer with a weight of kind {known.op!r}, so there is no default "
            "for it"
        )


def _around_zero(squared_bound: float) -> Uniform:
    bound = math.sqrt(squared_bound)
    return Uniform(-bound, bound)


def _inverse(fan: float) -> float:
    return 1 / fan if fan else 0.0
