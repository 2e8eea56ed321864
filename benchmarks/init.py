"""Initialization against torch, in one process and in turns: medians of ratios.

Run: ``.venv/bin/python benchmarks/init.py`` (about three minutes). ``share of fill_`` compares
with writing the same memory and doing nothing else. The last rows need transformers.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

import fanin
from fanin import nn_init, schemes
from fanin.noise.threads import thread_count

ELEMENTS = 1 << 24

Work = Callable[[], object]
Row = tuple[str, torch.Tensor | None, Work, Work, int]


def seconds(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(ours: Work, theirs: Work, turns: int) -> tuple[float, float, float]:
    """Median seconds of ours, of theirs, and median ratio theirs / ours, turn by turn."""
    ours()
    theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(turns)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def rows() -> Iterator[Row]:
    torchs = nn.init
    single, half = torch.empty(ELEMENTS), torch.empty(ELEMENTS, dtype=torch.bfloat16)
    draw = [schemes.normal(), schemes.uniform(), schemes.truncated_normal()]
    normal, uniform, truncated = (scheme.init_ for scheme in draw)
    yield "normal, float32", single, lambda: normal(single), lambda: torchs.normal_(single), 15
    yield "uniform, float32", single, lambda: uniform(single), lambda: torchs.uniform_(single), 15
    yield (
        "truncated normal, float32",
        single,
        lambda: truncated(single),
        lambda: torchs.trunc_normal_(single),
        9,
    )
    yield "normal, bfloat16", half, lambda: normal(half), lambda: torchs.normal_(half), 15
    for size, turns in ((1024, 15), (4096, 5)):
        square = torch.empty(size, size)
        yield (
            f"orthogonal, {size} x {size}",
            square,
            lambda w=square: schemes.orthogonal().init_(w),
            lambda w=square: torchs.orthogonal_(w),
            turns,
        )
    square = torch.empty(4096, 4096)
    yield (
        "sparse, 4096 x 4096, 15 nonzero a unit",
        square,
        lambda: schemes.sparse(k=15).init_(square),
        lambda: torchs.sparse_(square, 1 - 15 / 4096),
        5,
    )
    yield (
        "nn_init.sparse_, 4096 x 4096, a tenth zero",
        square,
        lambda: nn_init.sparse_(square, 0.1),
        lambda: torchs.sparse_(square, 0.1),
        5,
    )
    yield gpt2()


def gpt2() -> Row:
    """GPT-2 with 124 M parameters, from its configuration; both sides draw all of it anew."""
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config())
    parts = [*model.modules(), *model.parameters()]

    def its_own() -> None:
        for part in parts:
            part._is_hf_initialized = False  # noqa: SLF001 - else it draws nothing again
        model.init_weights()

    before = model.transformer.wte.weight.detach().clone()
    its_own()
    if bool((before == model.transformer.wte.weight).all()):
        raise SystemExit("transformers drew nothing: its way to initialise has changed")
    return "GPT-2 124M, whole", None, lambda: fanin.init_(model, "normal:0.02"), its_own, 5


def first_call() -> float:
    """Seconds that the first draw on a machine compiles for, with an empty cache."""
    program = (
        "import time, torch; from fanin import schemes; w = torch.empty(8, 8); "
        "began = time.perf_counter(); schemes.normal().init_(w); "
        "print(time.perf_counter() - began)"
    )
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"NUMBA_CACHE_DIR": cache, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)


def main() -> None:
    threads = thread_count()
    torch.set_num_threads(threads)
    print(f"{ELEMENTS:,} elements, {threads} threads, torch {torch.__version__}\n")
    print("| work | fanin ms | torch ms | ratio | share of fill_ |")
    print("| --- | --- | --- | --- | --- |")
    for name, tensor, ours, theirs, turns in rows():
        mine, other, ratio = compare(ours, theirs, turns)
        share = ""
        if tensor is not None:
            fill = statistics.median(seconds(lambda t=tensor: t.fill_(1.0)) for _ in range(15))
            share = f"{fill / mine:.0%}"
        print(
            f"| {name} | {mine * 1e3:,.1f} | {other * 1e3:,.1f} | {ratio:.1f}x | {share} |",
            flush=True,
        )
    print(f"\nThe first draw of a machine compiles for {first_call():.1f} s; the result is cached.")


if __name__ == "__main__":
    main()
