"""Numbers whose scale follows from the fans of the weight: Xavier and Kaiming."""

from __future__ import annotations

import math
import warnings

import torch
from torch.nn.init import kaiming_uniform_ as torch_kaiming_uniform_
from torch.overrides import has_torch_function_variadic

from fanin.nn_init.elementary import _no_grad_normal_, _no_grad_uniform_
from fanin.nn_init.gains import calculate_gain
from fanin.nn_init.overrides import handle


def xavier_uniform_(
    tensor: torch.Tensor, gain: float = 1.0, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Draw every element from U[-b, b) with b = gain sqrt(6 / (fan_in + fan_out)).

    Args:
        tensor: filled in place. Its fans are read off its shape, taken as (out, in, *kernel);
            ``fanin.schemes.xavier_uniform`` takes a layout, which knows groups and transposes.
        gain: factor of the std.
        generator: gives the seed; without it torch's default one of the tensor's device.

    Returns:
        The tensor.

    Raises:
        ValueError: the tensor has fewer than two axes.
        RuntimeError: a negative gain, or a view whose elements share memory.
        NotImplementedError: a type or layout that torch cannot draw either.

    Example:
        >>> w = xavier_uniform_(torch.empty(200, 400))
        >>> bool(w.abs().max() <= 0.1)
        True

    References:
        Glorot, Bengio, Understanding the difficulty of training deep feedforward neural
        networks, 2010, equation 16.
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: torch.Tensor, gain: float = 1.0, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Draw every element from N(0, std^2) with std = gain sqrt(2 / (fan_in + fan_out)).

    Args, Returns, Raises:
        as ``xavier_uniform_``.

    Example:
        >>> w = xavier_normal_(torch.empty(200, 600))
        >>> bool(abs(w.std() - 0.05) < 0.002)
        True

    References:
        Glorot, Bengio, Understanding the difficulty of training deep feedforward neural
        networks, 2010, equation 12.
    """
    return _no_grad_normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: torch.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw every element from U[-b, b) with b = gain sqrt(3 / fan).

    Args:
        tensor: filled in place. Its fans are read off its shape, taken as (out, in, *kernel);
            ``fanin.schemes.he_uniform`` takes a layout, which knows groups and transposes.
        a: negative slope of the activation behind the layer, for ``"leaky_relu"`` alone.
        mode: ``"fan_in"`` keeps the forward signal's scale, ``"fan_out"`` the gradient's.
        nonlinearity: the activation behind the layer; any name that ``calculate_gain`` knows,
            which are more than torch's.
        generator: gives the seed; without it torch's default one of the tensor's device.

    Returns:
        The tensor.

    Raises:
        ValueError: the tensor has fewer than two axes, or an unknown mode or nonlinearity.
        RuntimeError: a view whose elements share memory.
        NotImplementedError: a type or layout that torch cannot draw either.

    Warns:
        UserWarning: the tensor has no elements; nothing else is looked at then.

    Example:
        >>> w = kaiming_uniform_(torch.empty(8, 600), nonlinearity="relu")
        >>> bool(w.abs().max() <= 0.1)
        True

    References:
        He et al., Delving deep into rectifiers, 2015, equations 10 and 14.
    """
    if has_torch_function_variadic(tensor):
        return handle(
            kaiming_uniform_,
            torch_kaiming_uniform_,
            tensor,
            a=a,
            mode=mode,
            nonlinearity=nonlinearity,
            generator=generator,
        )
    if 0 in tensor.shape:
        return _without_elements(tensor)
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: torch.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw every element from N(0, std^2) with std = gain / sqrt(fan).

    Args, Returns, Raises, Warns:
        as ``kaiming_uniform_``.

    Example:
        >>> w = kaiming_normal_(torch.empty(256, 512, dtype=torch.bfloat16))
        >>> bool(abs(w.float().std() - 0.0625) < 0.002)
        True

    References:
        He et al., Delving deep into rectifiers, 2015, equations 10 and 14.
    """
    if 0 in tensor.shape:
        return _without_elements(tensor)
    return _no_grad_normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _calculate_fan_in_and_fan_out(tensor: torch.Tensor) -> tuple[int, int]:
    """The fans of a shape taken as (out, in, *kernel).

    Raises:
        ValueError: the tensor has fewer than two axes.
    """
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    out, in_, receptive = tensor.size(0), tensor.size(1), math.prod(tensor.shape[2:])
    return in_ * receptive, out * receptive


def _calculate_correct_fan(tensor: torch.Tensor, mode: str) -> int:
    """The fan that a mode names.

    Raises:
        ValueError: another mode, or the tensor has fewer than two axes.
    """
    mode = mode.lower()
    modes = ["fan_in", "fan_out"]
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def _xavier_std(tensor: torch.Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def _kaiming_std(tensor: torch.Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _without_elements(tensor: torch.Tensor) -> torch.Tensor:
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return tensor
