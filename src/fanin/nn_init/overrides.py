"""Tensors and modes that have their own ways with torch's functions."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch._C import _disabled_torch_function_impl
from torch.overrides import handle_torch_function


def overrides_torch(kind: type) -> bool:
    """Whether a class of tensors has its own ways with torch's operations.

    DTensor, FakeTensor and the like: only the class knows where its numbers are. Parameter and
    a subclass that adds nothing but attributes are plain memory.
    """
    function = getattr(kind, "__torch_function__", None)
    inherited = function is _disabled_torch_function_impl or (
        getattr(function, "__func__", None) is Tensor.__torch_function__.__func__  # type: ignore[attr-defined]
    )
    dispatch = getattr(kind, "__torch_dispatch__", None)
    return not inherited or dispatch is not Tensor.__torch_dispatch__


def handle(ours: Any, torchs: Any, tensor: Tensor, **options: Any) -> Tensor:
    """Ask the tensor's class or the mode in force, as torch's own functions do.

    A class that overrides knows torch's functions by identity, and draws by them; a mode over
    a plain tensor, such as ``with torch.device(...)``, runs what it is given.
    """
    function = torchs if overrides_torch(type(tensor)) else ours
    result: Tensor = handle_torch_function(function, (tensor,), tensor=tensor, **options)
    return result
