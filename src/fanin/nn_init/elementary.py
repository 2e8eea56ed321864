"""Independent numbers of one law: uniform, normal, truncated normal."""

from __future__ import annotations

import math
import warnings

import torch

# Taken now: they stay torch's own where someone puts ours into torch.nn.init.
from torch.nn.init import normal_ as torch_normal_
from torch.nn.init import trunc_normal_ as torch_trunc_normal_
from torch.nn.init import uniform_ as torch_uniform_
from torch.overrides import has_torch_function_variadic

from fanin.errors import InputError
from fanin.nn_init.drawing import draw_, drawable_parts, hold_within_, number, require_drawable
from fanin.nn_init.overrides import handle
from fanin.noise import Normal, TruncatedNormal, Uniform
from fanin.noise.gaussian import FARTHEST


def uniform_(
    tensor: torch.Tensor,
    a: float = 0.0,
    b: float = 1.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw every element from U[a, b).

    Of a complex tensor, the real and the imaginary part each. In half types too, b is never
    reached.

    Args:
        tensor: filled in place.
        a, b: bounds.
        generator: gives the seed; without it torch's default one of the tensor's device.

    Returns:
        The tensor.

    Raises:
        RuntimeError: a > b, bounds outside the type's range, or a view whose elements share
            memory.
        NotImplementedError: a type or layout that torch cannot draw either.

    Example:
        >>> bool(uniform_(torch.empty(3, 5), -0.1, 0.1).abs().max() <= 0.1)
        True
    """
    if has_torch_function_variadic(tensor):
        return handle(uniform_, torch_uniform_, tensor, a=a, b=b, generator=generator)
    return _no_grad_uniform_(tensor, a, b, generator)


def normal_(
    tensor: torch.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw every element from N(mean, std^2).

    A complex tensor gets the variance std^2 / 2 in either part, and the mean in the real one.

    Args:
        tensor: filled in place.
        mean, std: of one element.
        generator: gives the seed; without it torch's default one of the tensor's device.

    Returns:
        The tensor.

    Raises:
        RuntimeError: a negative std, or a view whose elements share memory.
        NotImplementedError: a type or layout that torch cannot draw either.

    Example:
        >>> w = normal_(torch.empty(512, 512), std=0.02)
        >>> bool(abs(w.std() - 0.02) < 0.001)
        True
    """
    if has_torch_function_variadic(tensor):
        return handle(normal_, torch_normal_, tensor, mean=mean, std=std, generator=generator)
    return _no_grad_normal_(tensor, mean, std, generator)


def trunc_normal_(
    tensor: torch.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw every element from N(mean, std^2) given that it lies in [a, b].

    By inversion of the distribution function: one number of the stream an element, nothing is
    rejected, wherever the bounds are. Every value lies in [a, b] also in half types.

    The bounds are absolute: with std=0.02 the defaults -2 and 2 are 100 standard deviations
    away and cut nothing. ``fanin.schemes.truncated_normal`` cuts in standard deviations.

    Args:
        tensor: filled in place.
        mean, std: of the normal before the cut.
        a, b: bounds; either may be infinite.
        generator: gives the seed; without it torch's default one of the tensor's device.

    Returns:
        The tensor.

    Raises:
        RuntimeError: a > b, or a view whose elements share memory.
        ZeroDivisionError: std is 0.
        NotImplementedError: a type or layout that torch cannot draw either.

    Warns:
        UserWarning: the mean is more than two std outside [a, b].

    Example:
        >>> w = trunc_normal_(torch.empty(512, 512, dtype=torch.bfloat16), a=-1.0, b=1.0)
        >>> bool(w.abs().max() <= 1)
        True
    """
    return _truncated_(tensor, mean, std, a, b, generator)


def _no_grad_uniform_(
    tensor: torch.Tensor, a: float, b: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    try:
        parts = drawable_parts(tensor, generator)
        law = _uniform_law(a, b, tensor.dtype)
    except InputError:
        with torch.no_grad():
            return tensor.uniform_(a, b, generator=generator)
    draw_(parts, [law, law], generator)
    if parts[0].dtype is not torch.float32:
        for part in parts:
            hold_within_(part, law.low, law.high, below_high=True)
    return tensor


def _uniform_law(a: object, b: object, dtype: torch.dtype) -> Uniform:
    low, high = number(a), number(b)
    if max(-low, high, high - low) > torch.finfo(dtype).max:
        raise InputError(f"the bounds leave the range of {dtype}")
    return Uniform(low, high)


def _no_grad_normal_(
    tensor: torch.Tensor, mean: float, std: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    try:
        parts = drawable_parts(tensor, generator)
        centre, scale = number(mean), number(std)
        if len(parts) == 2:
            scale /= math.sqrt(2)
        laws = [Normal(centre, scale), Normal(0.0, scale)]
    except InputError:
        with torch.no_grad():
            return tensor.normal_(mean, std, generator=generator)
    draw_(parts, laws, generator)
    return tensor


def _no_grad_trunc_normal_(
    tensor: torch.Tensor,
    mean: float,
    std: float,
    a: float,
    b: float,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    return _truncated_(tensor, mean, std, a, b, generator)


def _truncated_(
    tensor: torch.Tensor,
    mean: float,
    std: float,
    a: float,
    b: float,
    generator: torch.Generator | None,
) -> torch.Tensor:
    try:
        require_drawable(tensor, generator)
        centre, scale, low, high = number(mean), number(std), number(a), number(b)
        below, above = (low - centre) / scale, (high - centre) / scale
        # Beyond it lies nothing that float32 could draw; one pair of bounds less to sum up.
        below = -math.inf if below < -FARTHEST else below
        above = math.inf if above > FARTHEST else above
        law = TruncatedNormal(centre, scale, below, above)
    except InputError:
        return torch_trunc_normal_(tensor, mean, std, a, b, generator)
    if centre < low - 2 * scale or centre > high + 2 * scale:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )
    draw_([tensor], [law], generator)
    if not math.isinf(below) or not math.isinf(above):
        hold_within_(tensor, low, high)
    return tensor
