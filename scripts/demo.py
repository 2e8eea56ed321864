"""The main job: the textbook's initializations on two deep networks and real data."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console

import fanin
from fanin.report.page import write_page

RECIPES = (
    "zeros",
    "normal:0.01",
    "normal:1",
    "xavier_normal",
    "xavier_uniform",
    "he_normal",
    "he_uniform",
)
DEPTH = 20
STEPS = 200
SEEDS = 6


def main() -> int:
    console = Console()
    began = time.perf_counter()
    comparisons = []
    for activation in ("relu", "tanh"):
        comparison = fanin.compare(
            "mlp", RECIPES, depth=DEPTH, activation=activation, steps=STEPS, seeds=SEEDS
        )
        console.print(comparison)
        console.print()
        comparisons.append(comparison)
        if comparison.interrupted:
            break
    folder = Path(__file__).resolve().parent.parent / "out"
    folder.mkdir(exist_ok=True)
    page = write_page(comparisons, folder / "demo.html", command="make demo")
    runs = sum(len(comparison.runs) for comparison in comparisons)
    console.print(f"{runs} trainings in {time.perf_counter() - began:.0f} s.", highlight=False)
    console.print(f"Page: {page}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
