"""What the theory costs: the gain of an activation, cold and remembered.

Run: ``.venv/bin/python benchmarks/theory.py`` (a few seconds). Cold means that nothing is known of
the activation: a function is probed and searched for kinks. Each cold call is made with a new
function or an emptied memory; the median of the turns is printed.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import fanin
from fanin import theory
from fanin.theory import as_activation, expect_pair
from fanin.theory.activations import _remembered as known_activations
from fanin.theory.second_moments import _remembered as known_gains

TURNS = 20

Row = tuple[str, Callable[[], object]]


def forget() -> None:
    known_activations.clear()
    known_gains.clear()


def median_ms(call: Callable[[], object], before: Callable[[], None] | None = None) -> float:
    times = []
    for _ in range(TURNS):
        if before is not None:
            before()
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def gain_rows() -> list[Row]:
    relu6, gelu = nn.ReLU6(), nn.GELU()
    swish = lambda z: z / (1.0 + np.exp(-z))  # noqa: E731
    kinked = lambda z: torch.where(z > 0.3, z, 0.1 * z)  # noqa: E731
    return [
        ("gain('gelu')", lambda: fanin.gain("gelu")),
        ("gain('relu6')", lambda: fanin.gain("relu6")),
        ("gain(nn.GELU())", lambda: fanin.gain(gelu)),
        ("gain(nn.ReLU6())", lambda: fanin.gain(relu6)),
        ("gain(lambda of numpy)", lambda: fanin.gain(swish)),
        ("gain(lambda of torch with a step)", lambda: fanin.gain(kinked)),
        ("gain(math.erf)", lambda: fanin.gain(math.erf)),
    ]


def pair_rows() -> list[Row]:
    relu, gelu = (as_activation(name) for name in ("relu", "gelu"))
    return [
        (
            f"expect_pair({phi.name}, c = {c})",
            lambda phi=phi, c=c: expect_pair(phi, phi, c, phi.breaks, phi.breaks),
        )
        for phi in (relu, gelu)
        for c in (0.5, 0.999)
    ]


def picture_rows() -> list[Row]:
    return [
        (f"phase_diagram({name!r}).svg()", lambda name=name: theory.phase_diagram(name).svg())
        for name in ("tanh", "relu", "gelu")
    ]


def main() -> None:
    print("| call | cold ms | again ms |")
    print("| --- | --- | --- |")
    for name, call in gain_rows():
        print(f"| {name} | {median_ms(call, forget):.2f} | {median_ms(call):.3f} |")
    for name, call in [*pair_rows(), *picture_rows()]:
        print(f"| {name} | {median_ms(call):.2f} | |")


if __name__ == "__main__":
    main()
