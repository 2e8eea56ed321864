"""Units and factors that can never come apart; and starts of zeros that can."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.diagnosis.networks import (
    CLASSES,
    FEATURES,
    Trial,
    checked,
    classified,
    cnn,
    constant,
    copies,
    duplicated,
    filled,
    first,
    fitted,
    kinds,
    labels,
    lora,
    mlp,
    pictured,
    rows,
    told,
    zeroed,
)
from tests.observation.bodies import Body

SEEDS = (0, 1)
ALL = ("0.weight", "2.weight", "4.weight", "6.weight")


def gated_zeros() -> Trial:
    model = Body(
        lambda m, x: m.h(m.a(x) * m.b(x)), a=zeroed(nn.Linear(FEATURES, 32)),
        b=zeroed(nn.Linear(FEATURES, 32)), h=nn.Linear(32, CLASSES),
    )  # fmt: skip
    return classified(model)


def zero_branch() -> Trial:
    model = Body(
        lambda m, x: m.h(m.i(x) + m.b(m.a(m.i(x)).relu())), i=nn.Linear(FEATURES, 32),
        a=zeroed(nn.Linear(32, 32)), b=zeroed(nn.Linear(32, 32)), h=nn.Linear(32, CLASSES),
    )  # fmt: skip
    return classified(model)


def attention_of_equal_heads() -> Trial:
    attention = nn.MultiheadAttention(FEATURES, 4, batch_first=True)
    with torch.no_grad():
        for part in range(3):
            rows_of = attention.in_proj_weight[part * 16 : part * 16 + 16].view(4, 4, 16)
            rows_of[1:] = rows_of[:1]
        attention.out_proj.weight.view(16, 4, 4)[:, 1:] = attention.out_proj.weight.view(16, 4, 4)[
            :, :1
        ]
    model = Body(
        lambda m, x: m.h(m.a(x, x, x)[0].mean(1)), a=attention, h=nn.Linear(FEATURES, CLASSES)
    )
    return told(model)


ERRORS: dict[str, tuple[Callable[[], Trial], tuple[str, ...]]] = {
    "all-zero": (lambda: classified(zeroed(mlp())), ALL),
    "all-zero-regression": (lambda: fitted(zeroed(mlp(outputs=1))), ALL),
    "all-ones": (lambda: classified(mlp(draw=constant(1.0))), ALL),
    "constant-tanh": (lambda: classified(mlp(act=nn.Tanh, draw=constant(0.1))), ALL),
    "constant-wide": (lambda: classified(mlp(width=512, draw=constant(0.03))), ALL),
    "constant-no-loss": (
        lambda: Trial(mlp(draw=constant(0.1)), rows(), loss=None), ALL[:-1]
    ),
    "constant-half-precision": (lambda: classified(mlp(draw=constant(0.1))).half(), ALL),
    "both-factors-zero": (
        lambda: classified(lora(torch.zeros(FEATURES, 4), torch.zeros(4, CLASSES))), ("a", "b")
    ),
    "both-sides-of-a-gate-zero": (gated_zeros, ("a.weight", "b.weight")),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", ERRORS)
def test_nothing_can_come_apart(name: str, seed: int) -> None:
    make, where = ERRORS[name]
    found = first(checked(make, seed), "symmetry", "error")
    assert set(where) <= set(found.where)
    assert {row.parameter for row in found.rows} == set(found.where)


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
def test_a_branch_that_can_never_start(seed: int) -> None:
    """What goes round it learns; how bad that is may be judged either way."""
    report = checked(zero_branch, seed)
    assert kinds(report) == ["symmetry"], str(report)
    assert report.findings[0].where == ("a.weight", "b.weight")


WARNINGS: dict[str, tuple[Callable[[], Trial], tuple[str, ...]]] = {
    "half-duplicated": (lambda: classified(duplicated(mlp(), 2, 4)), ("2.weight",)),
    "half-duplicated-gelu": (lambda: classified(duplicated(mlp(act=nn.GELU), 0, 2)), ("0.weight",)),
    "half-of-the-channels": (
        lambda: pictured(_channels(cnn(channels=16))), ("0.weight",)
    ),
    "copies-side-by-side": (
        lambda: classified(copies(alike=True)), ("a.weight", "b.weight")
    ),
    "equal-heads": (attention_of_equal_heads, ("a.in_proj_weight",)),
}  # fmt: skip


def _channels(model: nn.Sequential) -> nn.Sequential:
    return duplicated(model, 0, 2)


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", WARNINGS)
def test_a_part_is_lost(name: str, seed: int) -> None:
    make, where = WARNINGS[name]
    found = first(checked(make, seed), "symmetry", "warning")
    assert found.where == where


def test_how_many_are_equal() -> None:
    report = checked(WARNINGS["half-duplicated"][0])
    assert "64 of the 64 units of 2.weight" in report.findings[0].evidence
    assert report.findings[0].value == 32
    (row,) = [layer for layer in report.layers if layer.name == "2.weight"]
    assert row.duplicated == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["shuffled", "interleaved"])
def test_where_the_copies_lie_does_not_matter(name: str) -> None:
    def make() -> Trial:
        model = duplicated(mlp(), 2, 4)
        order = (
            torch.randperm(64) if name == "shuffled" else torch.arange(64).view(2, 32).T.flatten()
        )
        with torch.no_grad():
            model[2].weight.copy_(model[2].weight[order])
            model[2].bias.copy_(model[2].bias[order])
            model[4].weight.copy_(model[4].weight[:, order])
        return classified(model)

    found = first(checked(make), "symmetry", "warning")
    assert (found.where, found.value) == (("2.weight",), 32)


def unrouted() -> Trial:
    """Equal experts and a router of zeros: each waits for the other to differ."""

    def forward(m: Any, x: Tensor) -> Tensor:
        shares = torch.softmax(m.r(x), -1)
        return m.h(sum(shares[:, [k]] * own(x).relu() for k, own in enumerate(m.e)))

    expert = nn.Linear(FEATURES, 32)
    return classified(
        Body(
            forward, e=nn.ModuleList(copy.deepcopy(expert) for _ in range(4)),
            r=zeroed(nn.Linear(FEATURES, 4)), h=nn.Linear(32, CLASSES),
        )
    )  # fmt: skip


def test_equal_experts_that_nothing_routes() -> None:
    found = {one.where: one for one in checked(unrouted).findings}
    assert set(found) == {("r.weight",), tuple(f"e.{k}.weight" for k in range(4))}
    assert {one.kind for one in found.values()} == {"symmetry"}


def test_experts_that_nothing_routes_learn_as_one() -> None:
    assert checked(unrouted).verdict == "warning"


def test_equal_copies_that_read_different_things_are_no_fault() -> None:
    def make() -> Trial:
        own = nn.Linear(8, 32)
        return classified(
            Body(
                lambda m, x: m.h(m.a(x[:, :8]).relu() + m.b(x[:, 8:]).relu()), a=own,
                b=copy.deepcopy(own), h=nn.Linear(32, CLASSES),
            )
        )  # fmt: skip

    assert checked(make).findings == ()


def test_one_unit_cannot_be_equal_to_another() -> None:
    report = checked(lambda: fitted(mlp(2, nn.Tanh, width=1, draw=constant(1.0), outputs=1)))
    assert "symmetry" not in [one.kind for one in report.findings]


def test_dropout_tells_units_apart_slowly() -> None:
    def make() -> Trial:
        act = lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.5))  # noqa: E731
        return classified(mlp(2, act, draw=constant(0.1)))

    assert first(checked(make), "symmetry", "warning").where == ("0.weight", "2.weight", "4.weight")


@pytest.mark.parametrize("value", [0.0, 0.3], ids=["zero", "constant"])
def test_constant_incoming_weights_alone_are_no_error(value: float) -> None:
    report = checked(lambda: classified(filled(mlp(1), "0.weight", value)))
    assert ("symmetry", "error") not in [(one.kind, one.severity) for one in report.findings]


def test_a_layer_of_zeros_that_a_relu_silences() -> None:
    report = checked(lambda: classified(filled(filled(mlp(), "2.weight", 0.0), "2.bias", 0.0)))
    assert report.verdict == "broken"
    assert report.findings[0].where == ("2.weight",)


def test_a_constant_network_on_one_example() -> None:
    def make() -> Trial:
        return Trial(mlp(draw=constant(0.1)), rows(1), labels(1))

    assert checked(make).verdict == "broken"


def test_constant_weights_with_default_biases() -> None:
    """nn.init.constant_ on the weights alone, as users do."""

    def make() -> Trial:
        model = mlp()
        for number in (0, 2, 4, 6):
            nn.init.constant_(model[number].weight, 0.1)
        return classified(model)

    assert checked(make).verdict != "healthy"


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    "act", [nn.Sigmoid, nn.Softplus, torch.nn.Hardsigmoid], ids=lambda a: a.__name__
)
def test_all_zero_with_an_activation_that_is_not_zero_at_zero(
    act: Callable[[], nn.Module], depth: int
) -> None:
    """The head's gradient is the same for all units, so theirs is: the rank stays 1 for ever."""
    report = checked(lambda: classified(zeroed(mlp(depth, act))))
    assert report.verdict == "broken", str(report)
    assert report.findings[0].kind == "symmetry"
    assert "0.weight" in report.findings[0].where


def test_that_such_a_network_cannot_learn() -> None:
    """What the test before this one claims."""
    torch.manual_seed(0)
    model, inputs, targets = zeroed(mlp(1, nn.Sigmoid)), rows(), labels()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(50):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    assert model[0].weight.any()
    assert torch.equal(model[0].weight, model[0].weight[:1].expand(64, -1))
