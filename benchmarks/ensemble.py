"""The batched ensemble against a plain PyTorch loop over the same runs, in turns.

Run: ``.venv/bin/python benchmarks/ensemble.py`` (about four minutes). The loop is what a
user would write: one model, one optimizer and one training after the other, with torch at
one thread (its fastest for models of this size) and at all.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

import fanin
from fanin.ensembles.architectures import Size, mlp
from fanin.ensembles.datasets import load
from fanin.ensembles.grid import batches
from fanin.noise.threads import thread_count

RECIPES = ("xavier_normal", "xavier_uniform", "he_normal", "he_uniform")
SEEDS, RATES, STEPS, BATCH = 8, (0.01, 0.03, 0.1, 0.3), 100, 64
TURNS = 3
# A sample of the runs is enough to time the loop: its runs do not know of each other.
LOOPED_RUNS = 6


def loop(depth: int, width: int, threads: int) -> float:
    """Seconds per run and step of a plain loop."""
    data = load("digits")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    began = time.perf_counter()
    for run in range(LOOPED_RUNS):
        model = mlp((64,), 10, Size(depth, width, "relu"))
        fanin.init_(model, RECIPES[run % len(RECIPES)], seed=run)
        optimizer = torch.optim.SGD(model.parameters(), lr=RATES[0])
        stream = batches(run, len(data.x_train), BATCH)
        for _ in range(STEPS):
            chosen = next(stream)
            loss = nn.functional.cross_entropy(model(data.x_train[chosen]), data.y_train[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    spent = time.perf_counter() - began
    torch.set_num_threads(before)
    return spent / LOOPED_RUNS / STEPS


def ensemble(depth: int, width: int) -> float:
    """Seconds per run and step of ``compare``, with its proof, measurements and statistics."""
    began = time.perf_counter()
    result = fanin.compare(
        "mlp", RECIPES, depth=depth, width=width, seeds=SEEDS, learning_rates=RATES,
        steps=STEPS, batch_size=BATCH, progress=False,
    )  # fmt: skip
    return (time.perf_counter() - began) / len(result.runs) / STEPS


def main() -> None:
    threads = thread_count()
    runs = len(RECIPES) * SEEDS * len(RATES)
    print(f"{runs} runs of {STEPS} steps, batch {BATCH}, {threads} threads, {TURNS} turns\n")
    print("| mlp | ensemble us | loop, 1 thread us | ratio | loop, all threads us | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for depth, width in ((3, 32), (10, 64), (3, 128), (3, 512)):
        turns = [
            (ensemble(depth, width), loop(depth, width, 1), loop(depth, width, threads))
            for _ in range(TURNS)
        ]
        mine, one, every = (statistics.median(turn[i] for turn in turns) for i in range(3))
        ratios = [statistics.median(turn[i] / turn[0] for turn in turns) for i in (1, 2)]
        print(
            f"| {depth} x {width} | {mine * 1e6:.0f} | {one * 1e6:.0f} | {ratios[0]:.1f}x | "
            f"{every * 1e6:.0f} | {ratios[1]:.1f}x |",
            flush=True,
        )


if __name__ == "__main__":
    main()
