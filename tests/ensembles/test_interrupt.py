"""Ctrl-C in a process of its own: what was finished is kept, and only in whole seeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

# 2 recipes x 41 seeds are 82 runs, in chunks of 10 seeds: 20, 20, 20, 20 and 2 runs.
PROGRAM = """
    import json, os, signal, sys, time
    import numpy as np
    import torch
    from torch import nn
    import fanin

    torch.set_num_threads(2)
    AFTER = {after}
    sent = False

    def progress(done, total):
        global sent
        if not sent and done >= AFTER:
            sent = True
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(2)  # on a busy core the main thread may wait for its turn

    def compare(**options):
        return fanin.compare(
            lambda: nn.Linear(64, 10), ["he_normal", "zeros"], seeds=41, learning_rates=[0.05],
            steps={steps}, **options)

    try:
        result = compare(progress=progress)
    except KeyboardInterrupt:
        print(json.dumps({{"raised": True, "threads": torch.get_num_threads()}}))
        sys.exit()
    whole = compare(progress=False)
    n = len(result.runs)
    print(json.dumps({{
        "raised": False,
        "threads": torch.get_num_threads(),
        "interrupted": result.interrupted,
        "seeds": result.seeds,
        "runs": [(run.seed, run.recipe) for run in result.runs],
        "curves": len(result.curves.loss),
        "metrics": len(result.curves.metric),
        "signals": sorted({{s.seed for s in result.signals}}),
        "ranked": [row.name for row in result.ranking],
        "conclusion": result.conclusion,
        "as_whole": bool(np.array_equal(result.curves.loss, whole.curves.loss[:n])),
        "whole": [whole.interrupted, len(whole.runs)],
    }}))
"""
STEPS = 40
# After this many run-steps two chunks are done on one thread: the third has taken a step.
TWO_CHUNKS_DONE = 2 * 20 * STEPS + 20


def _interrupted(after: int, threads: int) -> dict[str, Any]:
    program = textwrap.dedent(PROGRAM).format(after=after, steps=STEPS)
    environment = {
        **os.environ,
        "FANIN_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_after_ctrl_c_the_finished_seeds_are_kept_whole() -> None:
    said = _interrupted(TWO_CHUNKS_DONE, threads=1)
    assert not said["raised"]
    assert said["interrupted"]
    assert said["seeds"] == list(range(20))
    recipes = ("he_normal", "zeros")
    assert said["runs"] == [[seed, recipe] for seed in range(20) for recipe in recipes]
    assert said["curves"] == said["metrics"] == 40
    assert said["signals"] == list(range(20))
    assert sorted(said["ranked"]) == sorted(recipes)
    assert "20 seeds" in said["conclusion"]
    assert said["as_whole"], "the runs that were kept differ from those of the whole comparison"
    assert said["threads"] == 2
    assert said["whole"] == [False, 82]


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_before_any_seed_is_finished_is_passed_on(threads: int) -> None:
    assert _interrupted(20, threads) == {"raised": True, "threads": 2}
