"""Which tensors fanin draws itself, from which seed, and inside which bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor
from torch._C import _functorch

from fanin.errors import InputError
from fanin.nn_init.overrides import overrides_torch
from fanin.noise import Distribution, Stream
from fanin.schemes.filling import fill_, require_fillable

NAME = "nn_init"
# Imaginary parts are a stream of their own, so that real parts do not depend on there being any.
_NAMES = (NAME, f"{NAME}.imaginary")


def require_drawable(tensor: Tensor, generator: torch.Generator | None) -> None:
    """Raise unless the tensor is plain memory that fanin can fill, and the generator is one.

    Raises:
        InputError: it is torch's to draw or to refuse.
    """
    _require_plain(tensor, generator)
    require_fillable(tensor)


def drawable_parts(tensor: Tensor, generator: torch.Generator | None) -> tuple[Tensor, ...]:
    """The tensor, or the real and the imaginary part of a complex one, as views to fill.

    Raises:
        InputError: as ``require_drawable``.
    """
    _require_plain(tensor, generator)
    if not tensor.is_complex():
        require_fillable(tensor)
        return (tensor,)
    if tensor.is_conj():
        raise InputError("the tensor is a lazily conjugated view")
    pairs = torch.view_as_real(tensor.detach())
    require_fillable(pairs)
    return pairs.select(-1, 0), pairs.select(-1, 1)


def _require_plain(tensor: Tensor, generator: torch.Generator | None) -> None:
    if torch.compiler.is_compiling():
        raise InputError("a compiled program draws by torch's operations")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise InputError(f"{generator!r} is no generator")
    if overrides_torch(type(tensor)):
        raise InputError(f"{type(tensor).__name__} overrides torch's operations")
    if tensor.is_meta or tensor.is_nested or tensor.layout is not torch.strided:
        raise InputError("the tensor has no memory that can be viewed")
    if tensor.is_inference() and not torch.is_inference_mode_enabled():
        raise InputError("the tensor belongs to inference mode, which has ended")
    if _functorch.is_functorch_wrapped_tensor(tensor):
        raise InputError("the tensor stands for a batch of them inside torch.func.vmap")


def number(value: object) -> float:
    """A float from what torch takes for one, a tensor without axes among it.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, Tensor) and value.dim() == 0 and not value.requires_grad:
        value = value.item()
    if isinstance(value, Real):
        try:
            return float(value)
        except OverflowError:
            pass
    raise InputError(f"{value!r} is no number within float's range")


def seed_from(generator: torch.Generator | None, tensor: Tensor) -> int:
    """One integer from torch's generator: the given one, or the default one of the device."""
    device = tensor.device if generator is None else generator.device
    word = torch.empty((), dtype=torch.int64, device=device)
    return int(word.random_(generator=generator).item())


def draw_(
    parts: Sequence[Tensor], laws: Sequence[Distribution], generator: torch.Generator | None
) -> None:
    """Fill the parts, each by its law. Without elements nothing is taken from the generator."""
    if parts[0].numel() == 0:
        return
    with torch.no_grad():
        seed = seed_from(generator, parts[0])
        for part, law, name in zip(parts, laws, _NAMES, strict=False):
            fill_(part, law, Stream(seed, name))


def hold_within_(tensor: Tensor, low: float, high: float, *, below_high: bool = False) -> None:
    """Move values that rounding carried out of [low, high], or [low, high), to the last inside.

    Where no number of the type lies inside, to the bounds rounded to it.
    """
    dtype = tensor.dtype
    least, most = (torch.tensor(x, dtype=dtype, device="cpu") for x in (low, high))
    if least.item() < low:
        least = torch.nextafter(least, torch.full_like(least, math.inf))
    if most.item() > high or (below_high and most.item() >= high):
        most = torch.nextafter(most, torch.full_like(most, -math.inf))
    if least > most:
        least, most = (torch.tensor(x, dtype=dtype, device="cpu") for x in (low, high))
    with torch.no_grad():
        tensor.clamp_(least.item(), most.item())
