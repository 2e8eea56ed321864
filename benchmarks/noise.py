"""Noise against torch.nn.init, in one process and in turns: medians of ratios.

Run: ``.venv/bin/python benchmarks/noise.py`` (about a minute). ``share of fill_`` compares
with writing the same memory and doing nothing else.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from fanin import schemes
from fanin.noise.threads import thread_count

ELEMENTS = 1 << 24
TURNS = 15

Work = Callable[[], object]


def seconds(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(ours: Work, theirs: Work) -> tuple[float, float, float]:
    """Median seconds of ours, of theirs, and median ratio theirs / ours, turn by turn."""
    ours()
    theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(TURNS)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def main() -> None:
    threads = thread_count()
    torch.set_num_threads(threads)
    print(f"{ELEMENTS:,} elements, {threads} threads, torch {torch.__version__}, {TURNS} turns\n")
    print("| work | fanin M/s | torch M/s | ratio | share of fill_ |")
    print("| --- | --- | --- | --- | --- |")
    init = torch.nn.init
    for name, dtype, scheme, theirs in (
        ("normal, float32", torch.float32, schemes.normal(), init.normal_),
        ("uniform, float32", torch.float32, schemes.uniform(), init.uniform_),
        (
            "truncated normal, float32",
            torch.float32,
            schemes.truncated_normal(),
            init.trunc_normal_,
        ),
        ("normal, bfloat16", torch.bfloat16, schemes.normal(), init.normal_),
    ):
        tensor = torch.empty(ELEMENTS, dtype=dtype)
        mine, other, ratio = compare(
            lambda t=tensor, s=scheme: s.init_(t), lambda t=tensor, f=theirs: f(t)
        )
        fill = statistics.median(seconds(lambda t=tensor: t.fill_(1.0)) for _ in range(TURNS))
        print(
            f"| {name} | {ELEMENTS / mine / 1e6:,.0f} | {ELEMENTS / other / 1e6:,.0f} | "
            f"{ratio:.1f}x | {fill / mine:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
