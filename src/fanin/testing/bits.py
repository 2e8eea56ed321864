"""Promises about bits: what a draw may depend on, and what it may not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from fanin.schemes import IndependentScheme
from fanin.testing.case import Case, Complaints, bits, difference, global_states, set_threads


def of_any_thread_count(case: Case) -> Complaints:
    set_threads(1, 1)
    expected = case.drawn()
    for ours, torchs in ((2, 1), (1, 2), (5, 3)):
        set_threads(ours, torchs)
        changed = difference(case.drawn(), expected)
        if changed:
            yield f"{changed} with FANIN_NUM_THREADS={ours} and torch.set_num_threads({torchs})"


def of_any_order_of_calls(case: Case) -> Complaints:
    first = {name: case.drawn(name=name) for name in ("a", "b")}
    for name in ("b", "a", "a"):
        changed = difference(case.drawn(name=name), first[name])
        if changed:
            yield f"{changed} when a name is drawn again"


def whatever_was_there_before(case: Case) -> Complaints:
    changed = difference(case.draw(case.blank(value=math.nan)), case.drawn())
    if changed:
        yield f"{changed} where the tensor held NaN before"


def without_touching_global_states(case: Case) -> Complaints:
    for grad in (True, False):
        # Earlier draws may have left things as the next ones will.
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(grad)
        set_threads(1, 1)
        _seed_all(12345)
        before = global_states()
        case.drawn()
        case.drawn(torch.bfloat16)
        after = global_states()
        torch.set_grad_enabled(True)
        for what, state in before.items():
            if after[what] != state:
                yield f"it changes {what}"


def without_hearing_global_states(case: Case) -> Complaints:
    draws = []
    for seed in (1, 2):
        _seed_all(seed)
        draws.append(case.drawn())
    changed = difference(*draws)
    if changed:
        yield f"{changed} after torch.manual_seed, numpy.random.seed and random.seed"


def _seed_all(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global one is meant
    random.seed(seed)


def by_seed_and_name(case: Case) -> Complaints:
    seeds = [case.seed + step for step in (0, 1, 1 << 32)]
    names = ["", "weight", "layers.0.weight", "layers.1.weight"]
    # A few random signs agree by chance, so that a small weight is drawn more often.
    for step in range(64 // max(case.size, 1)):
        seeds.append(case.seed + 2 + step)
        names.append(f"layers.{step}.bias")
    draws = {
        (seed, name): bits(case.drawn(seed=seed, name=name)).numpy().tobytes()
        for seed in seeds
        for name in names
    }
    if len(set(draws.values())) == 1:
        return  # nothing is random
    for one, two in combinations(seeds, 2):
        if all(draws[one, name] == draws[two, name] for name in names):
            yield f"seeds {one} and {two} give the same numbers"
    if case.shares_noise:
        return
    for first, second in combinations(names, 2):
        if all(draws[seed, first] == draws[seed, second] for seed in seeds):
            yield f"names {first!r} and {second!r} give the same numbers"


def by_place(case: Case) -> Complaints:
    if not isinstance(case.scheme, IndependentScheme) or case.layout.blocks:
        return
    for short, long in ((1, 2), (case.size, 3 * case.size + 5)):
        changed = difference(
            case.draw(torch.full((long,), 7.0))[:short], case.draw(torch.full((short,), 7.0))
        )
        if changed:
            yield f"{changed} between {short} elements and the first of {long}"


def rounded_once(case: Case) -> Complaints:
    single = case.drawn()
    for dtype in (torch.bfloat16, torch.float16):
        drawn = case.drawn(dtype)
        if drawn.dtype is not dtype:
            yield f"a tensor of {dtype} becomes one of {drawn.dtype}"
        changed = difference(drawn, single.to(dtype))
        if changed:
            yield f"{changed} between the {dtype} draw and the float32 draw rounded to it"
    double = case.drawn(torch.float64)
    if torch.equal(double.float(), single):
        return
    rms = float(single.double().square().mean().sqrt())
    error = float((double - single.double()).abs().max())
    if not error <= 2e-5 * rms:
        yield f"the float64 draw is {error:.3g} away from the float32 draw, whose RMS is {rms:.3g}"


Pick = Callable[[Tensor], Tensor]


def of_any_strides(case: Case) -> Complaints:
    for dtype in (torch.float32, torch.bfloat16):
        expected = case.drawn(dtype)
        for what, whole, pick in _views(case, dtype):
            view = pick(whole)
            strides = view.stride()
            case.draw(view)
            if view.stride() != strides:
                yield f"the strides {strides} of a {what} tensor become {view.stride()}"
            changed = difference(pick(whole), expected)
            if changed:
                yield f"{changed} in a {what} tensor of {dtype}"
            outside = torch.ones(whole.shape, dtype=torch.bool)
            pick(outside).fill_(False)
            touched = int((whole[outside] != 7.0).sum())
            if touched:
                yield f"it writes {touched} elements outside of a {what} tensor of {dtype}"


def _views(case: Case, dtype: torch.dtype) -> Iterator[tuple[str, Tensor, Pick]]:
    """A tensor of sevens, and which part of it has the layout's shape."""
    shape = case.layout.shape

    def sevens(*sizes: int) -> Tensor:
        return torch.full(sizes, 7.0, dtype=dtype)

    turned = tuple(reversed(range(len(shape))))
    yield "transposed", sevens(*reversed(shape)), lambda whole: whole.permute(turned)
    every_second = tuple(slice(1, None, 2) for _ in shape)
    yield "sliced", sevens(*(2 * size + 1 for size in shape)), lambda whole: whole[every_second]
    yield "non-contiguous", sevens(*shape, 2), lambda whole: whole[..., 1]
    rows = slice(1, -1), ...
    yield "neighboured", sevens(shape[0] + 2, *shape[1:]), lambda whole: whole[rows]
    if len(shape) == 4:
        last = sevens(*shape).to(memory_format=torch.channels_last)
        yield "channels-last", last, lambda whole: whole
