"""Labels by training: does a network learn at some ordinary learning rate, and how soon?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.corpus.case import Case, built

SETTINGS: tuple[tuple[str, float], ...] = (
    ("adam", 1e-3),
    ("adam", 1e-2),
    ("adam", 1e-4),
    ("sgd", 1e-1),
    ("sgd", 1e-2),
)
_SMOOTHING = 0.8
_OF_CHANNELS = (nn.Conv1d, nn.ConvTranspose1d)


@dataclass(frozen=True)
class Run:
    """One training.

    Args:
        optimizer: "adam" or "sgd" (momentum 0.9).
        rate: the learning rate.
        seed: of the weights and of the order of the data.
        steps_to_level: smoothed loss at the level; None if it was never reached.
        share: the least smoothed loss as a share of the baseline.
        first: loss before the first step, as a share of the baseline.
    """

    optimizer: str
    rate: float
    seed: int
    steps_to_level: int | None
    share: float
    first: float


def trained(
    case: Case,
    optimizer: str,
    rate: float,
    seed: int,
    *,
    watch: Callable[[nn.Module], None] | None = None,
    to_the_end: bool = False,
    most: int | None = None,
) -> Run:
    """Train one network; stops where the level is reached, unless ``to_the_end``.

    Args:
        case: the network and its task.
        optimizer: "adam" or "sgd".
        rate: the learning rate.
        seed: of weights and data.
        watch: called with the trained network.
        to_the_end: do not stop at the level.
        most: steps, where fewer than the case's are enough to know.
    """
    model = built(case, seed)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    if optimizer == "adam":
        made: torch.optim.Optimizer = torch.optim.Adam(parameters, lr=rate)
    else:
        made = torch.optim.SGD(parameters, lr=rate, momentum=0.9)
    task = case.task
    level = task.level * task.baseline
    smooth: float | None = None
    first = least = math.inf
    reached: int | None = None
    torch.manual_seed(seed + 1000)
    for step in range(case.steps if most is None else min(most, case.steps)):
        inputs, targets = task.batch(seed * 100_003 + step, task.size)
        loss = task.loss(call(model, inputs), targets)
        value = float(loss.detach())
        if step == 0:
            first = value
        if not math.isfinite(value):
            break
        smooth = value if smooth is None else _SMOOTHING * smooth + (1 - _SMOOTHING) * value
        if step >= 4:
            least = min(least, smooth)
            if smooth <= level and reached is None:
                reached = step + 1
                if not to_the_end:
                    break
        made.zero_grad(set_to_none=True)
        if not loss.requires_grad:
            break
        loss.backward()
        made.step()
    if watch is not None:
        watch(model)
    return Run(optimizer, rate, seed, reached, least / task.baseline, first / task.baseline)


def call(model: nn.Module, inputs: Any) -> Any:
    """The model on inputs as ``fanin.check`` takes them."""
    if isinstance(inputs, dict):
        return model(**inputs)
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(inputs)


def outcome(case: Case, seeds: Iterable[int] = (0, 1)) -> dict[str, Any]:
    """Every setting on every seed; ``learns`` if each seed reaches the level at some setting."""
    runs: list[Run] = []
    best: dict[int, float] = {}
    for seed in seeds:
        for optimizer, rate in SETTINGS:
            # A setting that is slower than one before it need not be run to its end.
            known = best.get(seed, math.inf)
            most = None if math.isinf(known) else int(known)
            run = trained(case, optimizer, rate, seed, most=most)
            runs.append(run)
            if run.steps_to_level is not None:
                best[seed] = min(known, run.steps_to_level)
        best.setdefault(seed, math.inf)
    steps = max(best.values())
    persistent = None
    if case.fault in {"symmetry", "dead"} and case.where:
        persistent = persistence(case)
    return {
        "learns": math.isfinite(steps),
        "steps": None if math.isinf(steps) else int(steps),
        "persistent": persistent,
        "runs": [asdict(run) for run in runs],
    }


def persistence(case: Case) -> float | None:
    """Share of the faulty units, before training, that are still so after it (Adam, 1e-3).

    Faulty are units of the modules at ``where`` that equal another unit everywhere, or that are
    never above zero.
    """
    found: list[dict[str, set[int]]] = []

    def watch(model: nn.Module) -> None:
        found.append(_faulty_units(model, case))

    watch(built(case, 0))
    trained(case, "adam", 1e-3, 0, watch=watch, to_the_end=True)
    before, after = found
    total = sum(map(len, before.values()))
    if not total:
        return None
    return sum(len(units & after.get(name, set())) for name, units in before.items()) / total


def _faulty_units(model: nn.Module, case: Case) -> dict[str, set[int]]:
    from fnmatch import fnmatch

    shown: dict[str, Tensor] = {}
    handles = []
    for path, module in model.named_modules():
        own = [f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False)]
        if any(fnmatch(name, pattern) for name in [path, *own] for pattern in case.where):

            def keep(_module: nn.Module, _inputs: Any, output: Any, path: str = path) -> None:
                tensor = output[0] if isinstance(output, tuple) else output
                axis = 1 if tensor.dim() == 4 or isinstance(_module, _OF_CHANNELS) else -1
                shown[path] = tensor.detach().movedim(axis, -1).flatten(0, -2)

            handles.append(module.register_forward_hook(keep))
    inputs, _ = case.task.batch(7, 256)
    with torch.no_grad():
        call(model, inputs)
    for handle in handles:
        handle.remove()
    return {path: _faulty(values, case.fault or "") for path, values in shown.items()}


def _faulty(values: Tensor, fault: str) -> set[int]:
    if fault == "dead":
        return set((values.amax(0) <= 0).nonzero().flatten().tolist())
    # The quick way by a matrix product has errors above the tolerance.
    exact = "donot_use_mm_for_euclid_dist"
    close = torch.cdist(values.T.float(), values.T.float(), compute_mode=exact)
    size = values.float().norm(dim=0)
    alike = close <= 1e-5 * (size[:, None] + size[None, :]) + 1e-30
    alike.fill_diagonal_(False)
    return set(alike.any(1).nonzero().flatten().tolist())
