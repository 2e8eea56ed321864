"""One scheme on one layout, and the surroundings that a check must leave as they were."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fanin.errors import InputError
from fanin.fans import Layout
from fanin.schemes import AbstractScheme, Scheme

Complaints = Iterator[str]
"""Clauses that say what was measured; none where the promise is kept."""


@dataclass(frozen=True)
class Promise:
    """What a scheme must do.

    Args:
        duty: completes "the scheme must ...".
        remedy: what to do where it does not.
        complaints: measures.
    """

    duty: str
    remedy: str
    complaints: Callable[[Case], Complaints]


class Sample(NamedTuple):
    """Draws under names of two kinds, one a row; row i of both has the same seed."""

    one: NDArray[np.float64]
    other: NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A scheme on a layout.

    Args:
        scheme, layout: what is checked.
        seed: of the first draws.
        rate: the chance that a check of random numbers fails on it although the scheme is right.
    """

    scheme: Scheme
    layout: Layout
    seed: int
    rate: float

    def __str__(self) -> str:
        return f"a {self.layout.op} weight of shape {self.layout.shape}"

    @property
    def size(self) -> int:
        return math.prod(self.layout.shape)

    @property
    def shares_noise(self) -> bool:
        return isinstance(self.scheme, AbstractScheme) and self.scheme.shares_noise

    def blank(self, dtype: torch.dtype = torch.float32, value: float = 7.0) -> Tensor:
        return torch.full(self.layout.shape, value, dtype=dtype)

    def draw(self, tensor: Tensor, *, name: str = "weight", seed: int | None = None) -> Tensor:
        """Draw the tensor and return it, whatever ``init_`` returns."""
        used = self.seed if seed is None else seed
        self.scheme.init_(tensor, seed=used, name=name, layout=self.layout)
        return tensor

    def drawn(
        self,
        dtype: torch.dtype = torch.float32,
        *,
        name: str = "weight",
        seed: int | None = None,
    ) -> Tensor:
        return self.draw(self.blank(dtype), name=name, seed=seed)

    @cached_property
    def sample(self) -> Sample:
        return self.new_sample("first", 1)

    def new_sample(self, label: str, times: int) -> Sample:
        """An even number of draws of each kind: 24 or more, for 2^15 numbers in all.

        The two kinds are one and the same where the noise does not depend on the name.
        """
        count = 2 * times * min(max((1 << 13) // max(self.size, 1), 12), 64)

        def rows(kind: str) -> NDArray[np.float64]:
            return np.stack(
                [
                    self.drawn(name=f"{kind}.{label}.{row}", seed=self.seed + 1 + row)
                    .double()
                    .reshape(-1)
                    .numpy()
                    for row in range(count)
                ]
            )

        one = rows("one")
        return Sample(one, one if self.shares_noise else rows("other"))


def accepts(scheme: Scheme, layout: Layout | None, shape: tuple[int, ...]) -> bool:
    """Whether the scheme draws such a weight rather than refuse it with one of fanin's errors."""
    try:
        scheme.init_(torch.full(shape, 7.0), layout=layout)
    except InputError:
        return False
    return True


_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def bits(tensor: Tensor) -> Tensor:
    """The elements in row-major order as integers: equal where no bit differs."""
    return tensor.detach().contiguous().view(_INTEGERS[tensor.element_size()]).reshape(-1)


def difference(got: Tensor, expected: Tensor) -> str:
    """What differs between two tensors of one type and shape, bit for bit; "" if nothing."""
    places = (bits(got) != bits(expected)).nonzero()
    if not places.numel():
        return ""
    first = int(places[0])
    one, two = got.reshape(-1)[first].item(), expected.reshape(-1)[first].item()
    count = f"{len(places)} of {got.numel()} elements"
    return f"{count} differ (element {first} is {one!r} instead of {two!r})"


def global_states() -> dict[str, object]:
    """What the whole process shares and a draw has no business with."""
    algorithm, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global one is meant
    return {
        "the global random state of torch": torch.get_rng_state().numpy().tobytes(),
        "the global random state of NumPy": (algorithm, np.asarray(keys).tobytes(), *rest),
        "the global random state of Python": random.getstate(),
        "the gradient mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "the default type of torch": torch.get_default_dtype(),
        "the number of torch's threads": torch.get_num_threads(),
    }


_THREADS = "FANIN_NUM_THREADS"


def set_threads(ours: int, torchs: int) -> None:
    os.environ[_THREADS] = str(ours)
    torch.set_num_threads(torchs)


@contextmanager
def surroundings_kept() -> Iterator[None]:
    """Put back afterwards whatever a scheme or its check changes in the process."""
    threads, torchs = os.environ.get(_THREADS), torch.get_num_threads()
    in_torch, in_python = torch.get_rng_state(), random.getstate()
    in_numpy = np.random.get_state()  # noqa: NPY002
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        if threads is None:
            os.environ.pop(_THREADS, None)
        else:
            os.environ[_THREADS] = threads
        torch.set_num_threads(torchs)
        torch.set_rng_state(in_torch)
        random.setstate(in_python)
        np.random.set_state(in_numpy)  # noqa: NPY002
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
