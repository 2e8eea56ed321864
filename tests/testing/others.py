"""Schemes by other people: nothing of fanin's classes, the protocol alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import fanin
from fanin.errors import InputError
from fanin.fans import Layout

Numbers = np.ndarray


@dataclass(frozen=True)
class Plain:
    """N(0, spread^2) in one step after the other, each of which a broken scheme does wrongly."""

    spread: float = 0.5

    citation = "Nobody. How to draw. 2024"

    def std(self, layout: Layout | None = None) -> float:
        return self.spread

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        self.require(tensor, layout)
        self.write_(tensor, self.numbers(tensor.numel(), seed, name))
        return tensor

    def require(self, tensor: Tensor, layout: Layout | None) -> None:
        if tensor.is_meta or tensor.layout is not torch.strided or not tensor.is_floating_point():
            raise InputError("not a tensor of floats with memory")

    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return np.float32(self.spread) * fanin.noise.normal(seed, name, 0, count)

    @torch.no_grad()
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        tensor.detach().copy_(torch.from_numpy(numbers).reshape(tensor.shape))


@dataclass(frozen=True)
class Matched:
    """Two values of opposite sign at equal places in each row, their order random."""

    citation = "Nobody. How to match. 2024"

    def std(self, layout: Layout | None = None) -> float:
        return math.sqrt(5.0)

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        if tensor.is_meta or tensor.layout is not torch.strided or not tensor.is_floating_point():
            raise InputError("not a tensor of floats with memory")
        if layout is None or layout.shape[-1] % 2:
            raise fanin.errors.FanError("the last axis must be even")
        rows, columns = math.prod(layout.shape[:-1]), layout.shape[-1]
        ranks = fanin.noise.uniform(seed, name, 0, rows * columns).reshape(rows, columns)
        places = ranks.argsort(1, kind="stable")
        values = np.tile(np.float32([-3.0, -1.0, 1.0, 3.0]), columns)[:columns]
        if columns % 4:
            values = np.float32(math.sqrt(5.0)) * np.sign(np.arange(columns) % 2 - np.float32(0.5))
        with torch.no_grad():
            drawn = torch.from_numpy(values.astype(np.float32)[places]).reshape(tensor.shape)
            tensor.detach().copy_(drawn)
        return tensor


class Slotted:
    """All without a dataclass: constant, slots, equality of its own."""

    __slots__ = ("_value",)

    citation = "Nobody. How to stand still. 2024"
    _value: float

    def __init__(self, value: float) -> None:
        object.__setattr__(self, "_value", value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} is frozen")

    def __reduce__(self) -> tuple[type[Slotted], tuple[float]]:
        return Slotted, (self._value,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Slotted({self._value})"

    def std(self, layout: Layout | None = None) -> float:
        raise NotImplementedError

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        Plain().require(tensor, layout)
        with torch.no_grad():
            return tensor.fill_(self._value)
