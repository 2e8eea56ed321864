"""Calling a function of numpy, torch or plain numbers with float64 arrays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np

from fanin.errors import InputError
from fanin.theory.elementwise import Array

if TYPE_CHECKING:
    import torch


class Call(Protocol):
    """A function of float64 arrays; the result has any shape."""

    def __call__(self, z: Array, /) -> Array: ...


@attrs.frozen
class NumpyCall:
    """A function that takes arrays."""

    function: Callable[..., object]

    def __call__(self, z: Array) -> Array:
        return as_floats(self.function(z.copy()))


@attrs.frozen
class TorchCall:
    """A function that takes tensors."""

    function: Callable[..., object]

    def __call__(self, z: Array) -> Array:
        import torch

        with torch.inference_mode(mode=False), torch.no_grad():
            return as_floats(self.function(torch.from_numpy(z.copy())))

    def derivative(self, z: Array) -> Array | None:
        """By autograd; None where the result does not hang on the input."""
        import torch

        with torch.inference_mode(mode=False), torch.enable_grad():
            leaf = torch.from_numpy(z.copy()).requires_grad_()
            # times 1, since functions that write into a leaf are refused
            result = self.function(leaf * 1.0)
            if not isinstance(result, torch.Tensor) or not result.requires_grad:
                return None
            (slopes,) = torch.autograd.grad(result.sum(), leaf, allow_unused=True)
            return None if slopes is None else as_floats(slopes)


@attrs.frozen
class ScalarCall:
    """A function that takes one number, as those of ``math`` do."""

    function: Callable[..., object]

    def __call__(self, z: Array) -> Array:
        return as_floats([self._one(value) for value in z.ravel().tolist()]).reshape(z.shape)

    def _one(self, value: float) -> object:
        try:
            return self.function(value)
        except OverflowError:
            return np.inf
        except (ValueError, ZeroDivisionError):
            return np.nan


def as_floats(result: object) -> Array:
    """What a function returned, as float64.

    Raises:
        InputError: it is complex, or rounded to fewer digits, or no number at all.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(result, torch.Tensor):
        result = _tensor_as_array(result)
    if result is None:
        raise InputError("it returned None, not numbers")
    try:
        values = np.asarray(result)
    except (ValueError, TypeError):
        raise InputError(f"it returned {_kind(result)}, not numbers") from None
    if values.dtype == object:
        try:
            values = values.astype(np.float64)
        except (ValueError, TypeError):
            raise InputError(f"it returned {_kind(result)}, not numbers") from None
    if values.dtype.kind == "c":
        raise InputError("it returned complex numbers; an activation has real values")
    if values.dtype.kind not in "fiub":
        raise InputError(f"it returned {_kind(result)}, not numbers")
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        raise InputError(
            f"it returned {values.dtype} for float64: it must keep the type of its input"
        )
    return np.asarray(values, dtype=np.float64)


def _tensor_as_array(tensor: torch.Tensor) -> object:
    import torch

    plain = tensor.detach().cpu()
    if plain.dtype == torch.bfloat16:
        raise InputError("it returned bfloat16 for float64: it must keep the type of its input")
    return plain.resolve_conj().resolve_neg().numpy()


def _kind(result: object) -> str:
    if isinstance(result, tuple | list):
        return f"a {type(result).__name__} of {len(result)}"
    return f"a {type(result).__name__}"
