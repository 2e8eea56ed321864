"""Cut long work on elements into pieces for threads."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fanin.errors import InputError

# Below it a second thread costs more than it brings (about 0.25 ms of one thread's work).
_PIECE = 1 << 18
_PIECES_A_THREAD = 16

Item = TypeVar("Item")
Work = Callable[[int, int], None]
"""Told the first element of a piece and the one behind its last."""


def thread_count() -> int:
    """FANIN_NUM_THREADS, or OMP_NUM_THREADS, or the processors this process may use.

    Raises:
        InputError: the variable holds no positive integer.
    """
    for variable in ("FANIN_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").strip()
        if text:
            if not text.isdecimal() or int(text) < 1:
                raise InputError(f"{variable} must be a positive integer, got {text!r}")
            return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_pieces(work: Work, count: int) -> None:
    """Call ``work(low, high)`` for pieces that make up [0, count), on several threads."""
    pieces = count // _PIECE
    if pieces <= 1:
        work(0, count)
        return
    pieces = min(pieces, thread_count() * _PIECES_A_THREAD)
    bounds = [count * i // pieces for i in range(pieces + 1)]
    each(lambda piece: work(*piece), list(itertools.pairwise(bounds)))


def each(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Call ``work`` for every item, on several threads, beginning with the first items.

    Threads of our own and not numba's: OpenMP's end a process that forks, and numba's own
    queue ends one that fills from two threads. The kernels release the GIL. Each thread takes
    the next item when it is done with one, as no two processors are equally free; the caller
    is one of them (measured: a caller that only waits costs a third of the speed).
    """
    threads = min(thread_count(), len(items)) if len(items) > 1 else 1
    if threads == 1:
        for item in items:
            work(item)
        return
    waiting = list(reversed(items))

    def take() -> None:
        while True:
            try:
                item = waiting.pop()
            except IndexError:
                return
            work(item)

    with ThreadPoolExecutor(threads - 1) as pool:
        others: list[Future[None]] = []
        # No more threads to be had, or the interpreter ends: then there are fewer.
        with contextlib.suppress(RuntimeError):
            others.extend(pool.submit(take) for _ in range(threads - 1))
        try:
            take()
        except BaseException:
            waiting.clear()
            raise
        for other in others:
            other.result()
