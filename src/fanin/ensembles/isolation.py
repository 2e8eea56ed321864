"""Work beside the caller: global generators, grad mode and threads are as before afterwards."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from fanin.noise import Stream


@contextmanager
def borrowed(seed: int, name: str) -> Iterator[None]:
    """Seed the generators of torch, numpy and python from (seed, name); put them back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    with torch.random.fork_rng(devices=[]):
        reseed(seed, name)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def reseed(seed: int, name: str) -> None:
    """Seed the generators of torch, numpy and python from the stream of (seed, name)."""
    words = [int(word) for word in Stream(seed, name).words]
    random.seed(words[0])
    np.random.seed(words[0])  # noqa: NPY002
    torch.manual_seed(words[0] << 31 | words[1] >> 1)


@contextmanager
def isolated() -> Iterator[None]:
    """Gradients on, one torch thread a worker, generators borrowed.

    With one thread each, bits do not depend on the number of processors, and threads on a
    busy core do not wait for each other.
    """
    threads = torch.get_num_threads()
    with (
        borrowed(0, "comparison"),
        torch.inference_mode(False),
        torch.enable_grad(),
        warnings.catch_warnings(),
    ):
        # vmap says so where it falls back to a loop inside an operation: right, only slower.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
