"""What one check costs beside a training step: ``python -m benchmarks.check.cost``.

The step is forward, loss and backward, without an optimizer. Step and check take turns in one
process, and who goes first alternates; the medians of the pairs' ratios and differences are
printed. ``--only`` takes a part of a model's name, ``--json`` keeps every pair.
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
from tests.zoo.torchvision_ops import declare

import fanin
from benchmarks.observe import CASES, Case, mlp, step

PAIRS = 15
PAIRS_OF_LARGE = 7


@dataclass(frozen=True)
class Pair:
    """Seconds of one step and of the check beside it."""

    step: float
    check: float


def gpt2_124m() -> Case:
    """GPT-2 small as transformers makes it, 2 x 128 tokens, the model's own loss."""
    declare()  # transformers imports torchvision
    from transformers import GPT2Config, GPT2LMHeadModel

    ids = torch.randint(50257, (2, 128))
    config = GPT2Config(loss_type="ForCausalLM")
    return GPT2LMHeadModel(config), {"input_ids": ids, "labels": ids}, None, None


MODELS: dict[str, tuple[Callable[[], Case], int]] = {
    **{name: (build, PAIRS) for name, build in CASES.items()},
    "GPT-2 124M, 2 x 128 tokens": (gpt2_124m, PAIRS_OF_LARGE),
}


def checked(case: Case) -> None:
    model, inputs, targets, loss = case
    fanin.check(model, inputs, targets, loss=loss)


def timed(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def pairs(case: Case, count: int) -> list[Pair]:
    """Step and check in turns, after one of each."""
    plain, check = partial(step, *case), partial(checked, case)
    plain()
    check()
    found = []
    for turn in range(count):
        if turn % 2:
            after = timed(check)
            found.append(Pair(timed(plain), after))
        else:
            before = timed(plain)
            found.append(Pair(before, timed(check)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check.cost", description=__doc__)
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--json", type=Path, help="write every pair to this file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    first = timed(partial(checked, mlp(1, 8)))
    print(f"first check of the process, a small network: {first:.2f} s; ", end="")
    print(f"threads: {torch.get_num_threads()}\n")
    print("| model | step s | check s | ratio | quartiles | beyond the step s |")
    print("| --- | --- | --- | --- | --- | --- |")
    kept: dict[str, list[dict[str, float]]] = {}
    for name, (build, count) in MODELS.items():
        if options.only not in name:
            continue
        found = pairs(build(), count)
        low, middle, high = statistics.quantiles([it.check / it.step for it in found], n=4)
        plain = statistics.median(it.step for it in found)
        check = statistics.median(it.check for it in found)
        beyond = statistics.median(it.check - it.step for it in found)
        print(
            f"| {name} | {plain:.3f} | {check:.3f} | {middle:.2f}x | {low:.2f} to {high:.2f} | "
            f"{beyond:.3f} |",
            flush=True,
        )
        kept[name] = [asdict(it) for it in found]
        if options.json:
            options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
