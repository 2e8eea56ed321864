"""One network of the corpus: how it is built, what it learns, and the fault planted in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Task:
    """Real data and a loss.

    Args:
        name: e.g. "digits".
        batch: (seed, size) -> (inputs, targets); inputs as ``fanin.check`` takes them.
        loss: (outputs, targets) -> scalar.
        baseline: the loss of the best guess that does not look at the input.
        level: training counts as learned at this share of the baseline.
        size: examples in a batch.
    """

    name: str
    batch: Callable[[int, int], tuple[Any, Any]]
    loss: Callable[[Any, Any], torch.Tensor]
    baseline: float
    level: float = 0.7
    size: int = 64


@dataclass(frozen=True)
class Case:
    """One network.

    Args:
        name: "architecture/state", e.g. "mlp-relu-8/dead-bias"; unique.
        wiring: "plain", "residual", "recurrent", "attention", "graph", ...
        norm: "none", "batch", "layer", "group", "rms", "weight", ...
        depth: weights on the longest path from input to output.
        build: makes the network; torch's generator is seeded before.
        task: what it learns.
        fault: the kind of finding that is planted, None for a network meant to train.
        also: other kinds that describe it as well: a gate that is shut is saturated and dead.
        where: patterns (fnmatch) of the parameters or modules that are at fault; a finding
            names the right place if one of them matches one of its names, or a module or
            parameter inside or around it.
        sibling: name of the case without the fault.
        steps: of training, at most.
        loss: False: ``fanin.check`` is called without targets and loss.
        check_size: examples in the batch that ``fanin.check`` sees, where not the task's.
        frozen: some parameters require no gradient (``build`` sees to it).
    """

    name: str
    wiring: str
    norm: str
    depth: int
    build: Callable[[], nn.Module]
    task: Task
    fault: str | None = None
    where: tuple[str, ...] = ()
    sibling: str | None = None
    steps: int = 200
    loss: bool = True
    also: tuple[str, ...] = ()
    check_size: int | None = None


def built(case: Case, seed: int) -> nn.Module:
    """The network of a case; the same for the same seed."""
    torch.manual_seed(seed)
    return case.build()
