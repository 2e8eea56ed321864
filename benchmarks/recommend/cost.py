"""What ``recommend`` costs beside a training step: ``python -m benchmarks.recommend.cost``.

On the models of ``benchmarks.check.cost``. The step is forward, loss and backward, without an
optimizer; step and call take turns in one process, and who goes first alternates. Printed are
medians of the pairs' ratios and differences, and what drawing the plan (``plan.init_``) costs
beside it. ``--only`` takes a part of a model's name, ``--json`` keeps every pair.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

import fanin
from benchmarks.check.cost import MODELS
from benchmarks.observe import Case, mlp, step


@dataclass(frozen=True)
class Turn:
    """Seconds of one step, of the call beside it, and of drawing its plan."""

    step: float
    recommend: float
    draw: float


def recommended(case: Case) -> fanin.Plan:
    model, inputs, targets, loss = case
    return fanin.recommend(model, inputs, targets, loss=loss)


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def turns(case: Case, count: int) -> list[Turn]:
    """Step and call in turns, after one of each. The model keeps its weights."""
    plain, call = partial(step, *case), partial(recommended, case)
    plain()
    plan = call()
    model = case[0]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = []
    for turn in range(count):
        if turn % 2:
            late, early = timed(call), timed(plain)
        else:
            early, late = timed(plain), timed(call)
        draw = timed(partial(plan.init_, model, unmatched="keep"))
        model.load_state_dict(before)
        found.append(Turn(early, late, draw))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recommend.cost", description=__doc__
    )
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--turns", type=int, help="of each model; else 15, and 7 of large ones")
    parser.add_argument("--json", type=Path, help="write every turn to this file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    first = timed(partial(recommended, mlp(1, 8)))
    print(f"first call of the process, a small network: {first:.2f} s; ", end="")
    print(f"threads: {torch.get_num_threads()}\n")
    print("| model | step s | recommend s | ratio | quartiles | draw s |")
    print("| --- | ---: | ---: | ---: | --- | ---: |")
    kept: dict[str, list[dict[str, float]]] = {}
    for name, (build, count) in MODELS.items():
        if options.only not in name:
            continue
        found = turns(build(), options.turns or count)
        ratios = [it.recommend / it.step for it in found]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"| {name} | {statistics.median(it.step for it in found):.3f} | "
            f"{statistics.median(it.recommend for it in found):.3f} | {middle:.2f}x | "
            f"{low:.2f} to {high:.2f} | {statistics.median(it.draw for it in found):.3f} |",
            flush=True,
        )
        kept[name] = [asdict(it) for it in found]
        if options.json:
            options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
