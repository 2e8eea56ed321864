"""The modes of torch and the global generators, as steps that bring them back."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fanin.observation.contents import OLD_NUMPY_GENERATOR
from fanin.observation.journal import Step

_AUTOCAST_DEVICES = ("cpu", "cuda")


def surroundings() -> list[Step]:
    """Steps that bring back what holds for the thread or process; modes come first."""
    modes = [
        (_put_back_mode(read, write), name, read())
        for name, read, write in (
            ("the gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
            ("the default type", torch.get_default_dtype, torch.set_default_dtype),
            ("the anomaly mode", _anomaly, _set_anomaly),
            ("autocast", _autocast, _set_autocast),
        )
    ]
    return modes + _generators()


def _put_back_mode(
    read: Callable[[], Any], write: Callable[[Any], object]
) -> Callable[[str, Any], None]:
    def put_back(_: str, before: Any) -> None:
        if read() != before:
            write(before)

    return put_back


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _set_anomaly(before: tuple[bool, bool]) -> None:
    torch.autograd.set_detect_anomaly(*before)


def _autocast() -> tuple[Any, ...]:
    nesting = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    devices = tuple(
        (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        for device in _AUTOCAST_DEVICES
    )
    return nesting, torch.is_autocast_cache_enabled(), devices


def _set_autocast(before: tuple[Any, ...]) -> None:
    nesting, caches, devices = before
    for device, (enabled, dtype) in zip(_AUTOCAST_DEVICES, devices, strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(caches)
    while _autocast()[0] > nesting:
        torch.autocast_decrement_nesting()
    while _autocast()[0] < nesting:
        torch.autocast_increment_nesting()


def _generators() -> list[Step]:
    steps: list[Step] = [
        (_put_back_torch, "the generator of torch", torch.get_rng_state()),
        (_put_back_numpy, "the generator of numpy", OLD_NUMPY_GENERATOR.read(_numpy())),
        (_put_back_python, "the generator of Python", random.getstate()),
    ]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states = torch.cuda.get_rng_state_all()
        steps.append((_put_back_cuda, "the generators of CUDA", states))
    return steps


def _numpy() -> np.random.RandomState:
    """The generator behind ``np.random.rand`` and the like."""
    return np.random.mtrand._rand  # noqa: SLF001


def _put_back_torch(_: str, state: torch.Tensor) -> None:
    torch.set_rng_state(state)


def _put_back_numpy(_: str, state: Any) -> None:
    OLD_NUMPY_GENERATOR.write(_numpy(), state)


def _put_back_python(_: str, state: Any) -> None:
    random.setstate(state)


def _put_back_cuda(_: str, states: list[torch.Tensor]) -> None:
    torch.cuda.set_rng_state_all(states)
