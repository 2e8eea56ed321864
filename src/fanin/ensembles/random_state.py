"""Use the global generators of torch, numpy and python, and leave them as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from fanin.noise import Stream


@contextmanager
def borrowed(seed: int, name: str) -> Iterator[None]:
    """Seed all three generators from the stream of (seed, name); put them back at the end."""
    key = Stream(seed, name).words
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    with torch.random.fork_rng(devices=[]):
        random.seed(int(key[0]))
        np.random.seed(int(key[0]))  # noqa: NPY002
        torch.manual_seed(int(key[0]) << 31 | int(key[1]) >> 1)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
