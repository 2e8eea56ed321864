"""What a tensor held: its memory, bits, gradient, hooks, and how they come back.

A parameter is seldom written to while it is watched, so it is copied on write: the clone costs
nothing until somebody writes to the parameter, who is then given other memory, while the clone
keeps the old. ``_version`` is no witness (batch norm, ``.data`` and numpy write without it);
whether the memory is still shared is.

Raw pointers do not see that memory is shared. So a tensor is only copied on write while nobody
else holds its storage: a numpy array, another view or a flat buffer each do, and make for a real
copy whose bits are written back in place.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import Parameter

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_HOLDERS = 3  # the tensor, the handle that is taken of it here, and the storage as Python sees it

_lazy_clone: Callable[[Tensor], Tensor] | None = getattr(torch, "_lazy_clone", None)
_is_shared: Callable[[Tensor], bool] | None = getattr(torch._C, "_is_cow_tensor", None)  # noqa: SLF001
_holders: Callable[[int], int] | None = getattr(torch._C, "_storage_Use_Count", None)  # noqa: SLF001


class TensorCopy:
    """All of a tensor but its name, as it was when this was made.

    Args:
        tensor: a parameter, buffer, gradient or plain tensor.
        on_write: copy it on write where that can be, as a parameter or gradient: torch cannot
            enlarge in place (``resize_``) what is shared, which others may do.
    """

    __slots__ = (
        "_bits",
        "_gradient",
        "_handle",
        "_hooks",
        "_leaf",
        "_requires_grad",
        "_shares",
        "_storage_size",
        "_tensor",
        "_was_shared",
    )

    def __init__(self, tensor: Tensor, *, on_write: bool) -> None:
        self._tensor = tensor
        self._handle: Tensor = tensor.data  # the old memory, at its old address, whatever happens
        self._leaf = tensor.is_leaf
        self._requires_grad = tensor.requires_grad
        if self._leaf:
            self._gradient = tensor.grad
            self._hooks = tensor._backward_hooks, tensor._post_accumulate_grad_hooks  # noqa: SLF001
        self._bits: Tensor | None = None
        self._shares = False
        self._was_shared = False
        self._storage_size = 0
        self._copy_bits(on_write=on_write)

    def _copy_bits(self, *, on_write: bool) -> None:
        handle = self._handle
        if handle.layout is not torch.strided:
            self._bits = handle.clone()
            return
        if handle.is_meta:
            return
        storage = handle.untyped_storage()
        if (
            on_write
            and _lazy_clone is not None
            and _is_shared is not None
            and _holders is not None
            and _holders(storage._cdata) == _HOLDERS  # noqa: SLF001
            and not handle.is_inference()
        ):
            was_shared = _is_shared(handle)
            try:
                self._bits = _lazy_clone(handle)
            except RuntimeError:  # memory of numpy, of a file, or shared between processes
                pass
            else:
                self._shares, self._was_shared = True, was_shared
                return
        self._storage_size = storage.nbytes()
        self._bits = _without_repetition(handle).clone()

    def put_back(self) -> None:
        """Give the tensor its memory, bits, gradient and hooks back."""
        tensor, handle = self._tensor, self._handle
        if self._shares:
            assert self._bits is not None  # noqa: S101 - a clone is what it shares with
            assert _is_shared is not None  # noqa: S101 - asked before it shared
            if not _is_shared(handle):
                _set_data(tensor, self._bits)
            elif not _same_memory(tensor, handle):
                _set_data(tensor, handle)
        else:
            if not _same_memory(tensor, handle):
                _set_data(tensor, handle)
            self._write_bits()
        if self._leaf:
            self._put_back_leaf()

    def _write_bits(self) -> None:
        handle, bits = self._handle, self._bits
        if bits is None:
            return
        if handle.layout is torch.strided:
            storage = handle.untyped_storage()
            if storage.nbytes() < self._storage_size:
                storage.resize_(self._storage_size)
            handle = _without_repetition(handle)
            if _same_bits(handle, bits):
                return
        with torch.inference_mode(handle.is_inference()):
            handle.copy_(bits)

    def _put_back_leaf(self) -> None:
        tensor = self._tensor
        if not tensor.is_leaf:  # written to in place, by something that trains
            tensor.detach_()
        if tensor.requires_grad is not self._requires_grad:
            tensor.requires_grad_(self._requires_grad)
        if tensor.grad is not self._gradient:
            tensor.grad = self._gradient
        if tensor._backward_hooks is not self._hooks[0]:  # noqa: SLF001
            tensor._backward_hooks = self._hooks[0]  # noqa: SLF001
        if tensor._post_accumulate_grad_hooks is not self._hooks[1]:  # noqa: SLF001
            tensor._post_accumulate_grad_hooks = self._hooks[1]  # noqa: SLF001

    def let_go(self) -> None:
        """Drop the clone; the tensor owns its memory alone again, where it was, without a copy."""
        if self._shares:
            self._bits = None
            if not self._was_shared:
                self._tensor.data_ptr()


def give_fresh_memory(tensor: Tensor) -> None:
    """Spare the copy of numbers that are to be overwritten, of a tensor that is ``untouched``.

    Its old memory is put back in the end. Where somebody else may look at that memory, or it
    is not the CPU's, the tensor keeps it.
    """
    if (
        type(tensor) is Parameter
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not tensor.is_inference()
        and _holders is not None
        and _holders(tensor.untyped_storage()._cdata) == _HOLDERS  # noqa: SLF001 - as above
    ):
        with torch.inference_mode(False):  # memory made in it cannot be trained
            tensor.data = torch.empty_like(tensor.data)


def _without_repetition(tensor: Tensor) -> Tensor:
    """The elements of an expanded tensor that lie at addresses of their own."""
    strides = tensor.stride()
    if 0 not in strides or not tensor.numel():
        return tensor
    sizes = [size if stride else 1 for size, stride in zip(tensor.shape, strides, strict=True)]
    return tensor.as_strided(sizes, strides, tensor.storage_offset())


def _same_memory(tensor: Tensor, handle: Tensor) -> bool:
    try:
        return tensor.dtype is handle.dtype and tensor.is_set_to(handle)
    except (NotImplementedError, RuntimeError):  # sparse, or without memory
        return False


def _same_bits(tensor: Tensor, bits: Tensor) -> bool:
    """Whether writing can be spared, and with it memory that is read-only or a file's.

    Elsewhere than on the CPU to ask is dearer than to write.
    """
    if not tensor.is_cpu or tensor.is_quantized:
        return False
    if tensor.is_floating_point() or tensor.is_complex():  # nan is equal, and -0 is not 0
        integer = _INTEGERS.get(tensor.element_size())
        if integer is None or tensor.is_conj() or tensor.is_neg():
            return False
        tensor, bits = tensor.view(integer), bits.view(integer)
    return torch.equal(tensor, bits)


def _set_data(tensor: Tensor, data: Tensor) -> None:
    with torch.inference_mode(tensor.is_inference()):
        tensor.data = data
