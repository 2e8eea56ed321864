"""What a model and the process hold, before and after: bits, places, generators."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# rich draws from python's generator when it is first imported, by sklearn.datasets too. A test
# of a fresh process holds fanin to that; here it would fail whichever test came first.
import rich.style  # noqa: F401
import torch
from torch import Tensor, nn


def bits(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def parameter_bits(model: nn.Module) -> dict[str, bytes]:
    """Name -> bits, tied parameters once; those without memory have none."""
    return {name: bits(p) for name, p in model.named_parameters() if not p.is_meta}


def assert_same_parameters(
    model: nn.Module, expected: dict[str, bytes], what: str = "the model"
) -> None:
    got = parameter_bits(model)
    assert got.keys() == expected.keys(), f"{what}: {sorted(got)} instead of {sorted(expected)}"
    changed = [name for name in got if got[name] != expected[name]]
    assert not changed, f"{what}: bits of {changed} differ ({len(changed)} of {len(got)})"


def generators() -> dict[str, bytes]:
    """The state of every global generator."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": pickle.dumps(np.random.get_state()),  # noqa: NPY002 - the global one
        "python": pickle.dumps(random.getstate()),
    }


@contextmanager
def untouched_generators() -> Iterator[None]:
    before = generators()
    yield
    after = generators()
    moved = [name for name in before if before[name] != after[name]]
    assert not moved, f"global generators that moved: {moved}"
