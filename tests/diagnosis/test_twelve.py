"""Twelve networks on which other checkers were compared: one is well, eleven are not.

``python -m benchmarks.check.rivals`` shows what those checkers say of them.
"""

from __future__ import annotations

import pytest
from benchmarks.corpus.case import Case, built
from benchmarks.corpus.feedforward import CASES

import fanin

TWELVE = {case.name.removeprefix("rival/"): case for case in CASES if "rival/" in case.name}
SEEDS = (0, 1, 2)


def weights(count: int) -> tuple[str, ...]:
    return (*(f"layers.{index}.weight" for index in range(count)), "head.weight")


# verdict, first kind, and the names that the first finding must hold; none says all is well
EXPECTED: dict[str, tuple[str, str, tuple[str, ...]] | None] = {
    "healthy": None,
    "tanh-20-std-0.01": ("broken", "vanishing", weights(20)),
    "default-relu-50": ("broken", "vanishing", weights(50)),
    "relu-20-std-0.5": ("broken", "exploding", weights(20)),
    "all-zero": ("broken", "symmetry", weights(4)),
    "constant-0.05": ("broken", "symmetry", weights(4)),
    "half-duplicated": ("warning", "symmetry", ("layers.1.weight",)),
    "dead-layer": ("broken", "dead", ("layers.2.bias",)),
    "dead-78": ("warning", "dead", ("layers.2.bias",)),
    "tanh-std-3": ("warning", "saturation", weights(4)[:-1]),
    "head-x30": ("warning", "output_scale", ("head.weight",)),
    "lora-both-zero": ("broken", "symmetry", ("a.0", "b.0", "a.1", "b.1", "a.2", "b.2")),
}


def checked(case: Case, seed: int) -> fanin.Report:
    inputs, targets = case.task.batch(seed + 77, case.task.size)
    return fanin.check(built(case, seed).train(), inputs, targets, loss=case.task.loss)


def test_the_table_holds_every_one_of_them() -> None:
    assert set(EXPECTED) == set(TWELVE)


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", EXPECTED)
def test_the_twelve(name: str, seed: int) -> None:
    report = checked(TWELVE[name], seed)
    wanted = EXPECTED[name]
    if wanted is None:
        assert report.verdict == "healthy"
        assert not report.findings
        return
    verdict, kind, where = wanted
    first = report.findings[0]
    assert (report.verdict, first.kind) == (verdict, kind), str(report)
    assert set(where) <= set(first.where), str(report)
    assert report.to_dict()["findings"][0]["remedy"]


@pytest.mark.parametrize("name", ["head-x30", "half-duplicated", "dead-78", "tanh-std-3"])
def test_the_place_of_a_local_fault_is_only_there(name: str) -> None:
    case = TWELVE[name]
    report = checked(case, 0)
    layers = {pattern.rpartition(".")[0].split(".*")[0] for pattern in case.where}
    assert all(it.startswith(tuple(layers)) for it in report.findings[0].where), str(report)
