"""Signals that fade or grow along the dataflow, and the layer that is to blame."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from tests.diagnosis.networks import (
    CLASSES,
    FEATURES,
    Residual,
    Through,
    Trial,
    checked,
    classified,
    first,
    gaussian,
    he,
    kinds,
    labels,
    mlp,
    recurrent,
    rows,
    scaled,
    stream,
)
from tests.observation.bodies import Body

SEEDS = (0, 1)


def weights(depth: int, step: int = 2) -> set[str]:
    return {f"{step * number}.weight" for number in range(depth)}


VANISHING: dict[str, tuple[Callable[[], Trial], str]] = {
    "default-relu-30": (lambda: classified(mlp(30)), "0.weight"),
    "default-tanh-30": (lambda: classified(mlp(30, nn.Tanh)), "0.weight"),
    "sigmoid-12": (lambda: classified(mlp(12, nn.Sigmoid)), "2.weight"),
    "tanh-20-std-0.01": (lambda: classified(mlp(20, nn.Tanh, draw=gaussian(0.01))), "0.weight"),
    "one-layer-x1e-8": (lambda: classified(scaled(mlp(4), "4.weight", 1e-8)), "4.weight"),
    "one-layer-of-six-x1e-8": (lambda: classified(scaled(mlp(6), "10.weight", 1e-8)), "10.weight"),
}


def _with_table(value: float) -> Trial:
    table = nn.Embedding(20, 16)
    nn.init.constant_(table.weight, value)
    model = nn.Sequential(
        table, Through(lambda h: h.mean(1)), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, CLASSES)
    )
    return Trial(model, torch.randint(20, (32, 7)), labels(32))


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", VANISHING)
def test_vanishing_is_an_error_at_its_first_layer(name: str, seed: int) -> None:
    make, where = VANISHING[name]
    found = first(checked(make, seed), "vanishing", "error")
    assert found.where[0] == where
    assert found.limit is not None
    assert found.value is not None
    assert found.value <= found.limit.value
    assert where in found.evidence


ZEROS: dict[str, tuple[Callable[[], Trial], str]] = {
    "lstm": (
        lambda: recurrent(nn.LSTM, lambda g: [p.zero_() for p in g.parameters()]),
        "g.weight_ih_l0",
    ),
    "table": (lambda: _with_table(0.0), "0.weight"),
}


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", ZEROS)
def test_what_starts_at_zero_and_hides_the_input_is_told(name: str, seed: int) -> None:
    make, where = ZEROS[name]
    report = checked(make, seed)
    assert kinds(report) == ["vanishing"], str(report)
    assert report.findings[0].where[0] == where


EXPLODING: dict[str, tuple[Callable[[], Trial], str]] = {
    "relu-20-std-0.5": (lambda: classified(mlp(20, draw=gaussian(0.5))), "0.weight"),
    "one-layer-x1e4": (lambda: classified(scaled(mlp(4, draw=he), "4.weight", 1e4)), "4.weight"),
    "a-constant-of-1e5": (
        lambda: classified(
            nn.Sequential(
                nn.Linear(FEATURES, 32), nn.ReLU(), Through(lambda h: 1e5 * h), nn.Linear(32, 32),
                nn.ReLU(), nn.Linear(32, CLASSES),
            )
        ),
        "3.weight",
    ),
    "branches-of-gain-10": (
        lambda: classified(
            nn.Sequential(
                nn.Linear(FEATURES, 32),
                *(Residual(norm=_none, draw=gaussian(0.8)) for _ in range(6)),
                nn.Linear(32, CLASSES),
            )
        ),
        "1.a.weight",
    ),
}  # fmt: skip


def _none(_: int) -> nn.Module:
    return nn.Identity()


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", EXPLODING)
def test_exploding_is_an_error_at_its_first_layer(name: str, seed: int) -> None:
    make, where = EXPLODING[name]
    found = first(checked(make, seed), "exploding", "error")
    assert found.where[0] == where
    assert found.limit is not None
    assert found.value is not None
    assert found.value >= found.limit.value


def test_an_effect_is_not_told_beside_its_cause() -> None:
    for make in (VANISHING["default-relu-30"][0], EXPLODING["relu-20-std-0.5"][0]):
        assert len(checked(make).findings) == 1


def test_one_bad_layer_is_blamed_alone() -> None:
    report = checked(lambda: classified(scaled(mlp(6, draw=he), "6.weight", 1e4)))
    assert {name for name in report.findings[0].where if "weight" in name} == {"6.weight"}
    report = checked(lambda: classified(scaled(mlp(6), "6.weight", 1e-8)))
    assert report.findings[0].where == ("6.weight",)


# Trends, not thresholds


@pytest.mark.parametrize("factor", [1e-5, 1e-3, 1e3, 1e5])
def test_a_constant_that_the_next_norm_takes_away_is_no_fault(factor: float) -> None:
    model = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(FEATURES, 32), nn.ReLU(), Through(lambda h: factor * h),
        nn.LayerNorm(32, eps=1e-20), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, CLASSES),
    )  # fmt: skip
    report = checked(lambda: classified(model()))
    assert report.findings == (), str(report)


@pytest.mark.parametrize("depth", [2, 8, 32])
def test_a_stream_that_grows_by_design_is_no_fault(depth: int) -> None:
    report = checked(lambda: classified(stream(*(Residual(draw=he) for _ in range(depth)))))
    assert report.findings == (), str(report)


@pytest.mark.parametrize("depth", [5, 10, 20, 30])
def test_the_verdict_worsens_with_depth(depth: int) -> None:
    order = ["healthy", "warning", "broken"]
    shallow = checked(lambda: classified(mlp(depth - 3)))
    deep = checked(lambda: classified(mlp(depth)))
    assert order.index(shallow.verdict) <= order.index(deep.verdict)
    assert shallow.trainability >= deep.trainability - 1e-3


def test_gain_keeps_what_depth_loses() -> None:
    for depth in (10, 30, 50):
        assert checked(lambda d=depth: classified(mlp(d, draw=he))).verdict == "healthy"


def test_recurrent_weights_that_forget() -> None:
    found = first(
        checked(lambda: recurrent(nn.GRU, lambda g: g.weight_hh_l0.mul_(1e-3))),
        "vanishing", "warning",
    )  # fmt: skip
    assert found.where == ("g.weight_hh_l0",)


def test_too_many_batch_norms_in_a_chain() -> None:
    found = first(checked(lambda: classified(mlp(60, norm=nn.BatchNorm1d))), "exploding", "error")
    assert not found.rows
    assert "no scale" in found.remedy


# What is blamed


@pytest.mark.xfail(
    strict=True, reason="a bias hides that a weight before a norm adds next to nothing to a signal"
)
@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.BatchNorm1d], ids=["layer", "batch"])
def test_a_weight_that_a_norm_cannot_make_up_for(norm: Callable[[int], nn.Module]) -> None:
    report = checked(lambda: classified(scaled(mlp(4, norm=norm), "3.weight", 1e-6)))
    if norm is nn.LayerNorm:
        assert kinds(report) == ["vanishing"]
    assert report.findings[0].where[0] == "3.weight", str(report)


@pytest.mark.xfail(
    strict=True, reason="rows of a table that are all equal: a mere warning, of the next weight"
)
def test_a_constant_table_is_to_blame() -> None:
    report = checked(lambda: _with_table(0.3))
    assert report.verdict == "broken"
    assert report.findings[0].where == ("0.weight",), str(report)


def test_branches_that_add_up_are_to_blame() -> None:
    def make() -> Trial:
        blocks = (Residual(64, _none, draw=he) for _ in range(20))
        return classified(nn.Sequential(nn.Linear(FEATURES, 64), *blocks, nn.Linear(64, CLASSES)))

    found = first(checked(make), "exploding", "error")
    assert {n for n in found.where if n.endswith("weight")} == {
        f"{k}.b.weight" for k in range(1, 21)
    }


def test_a_small_magnitude_of_weight_norm_is_to_blame() -> None:
    found = first(checked(small_magnitudes), "vanishing", "error")
    assert found.where[0].endswith("original0"), str(found)


def small_magnitudes() -> Trial:
    layers: list[nn.Module] = []
    for number in range(6):
        layer = nn.utils.parametrizations.weight_norm(nn.Linear(32 if number else FEATURES, 32))
        nn.init.constant_(layer.parametrizations.weight.original0, 1e-3)
        layers += [layer, nn.ReLU()]
    return classified(nn.Sequential(*layers, nn.Linear(32, CLASSES)))


# Gradients that do not come back


def cut(function: Callable[[Tensor], Tensor]) -> Trial:
    return classified(
        nn.Sequential(
            nn.Linear(FEATURES, 32), nn.ReLU(), nn.Linear(32, 32), Through(function),
            nn.Linear(32, CLASSES),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "function", [torch.sign, torch.round, torch.floor], ids=["sign", "round", "floor"]
)
def test_a_trunk_whose_gradient_is_exactly_zero(function: Callable[[Tensor], Tensor]) -> None:
    report = checked(lambda: cut(function))
    assert report.verdict == "broken", str(report)
    assert {"0.weight", "2.weight"} <= set(report.findings[0].where)


def test_a_detached_trunk_is_told() -> None:
    report = checked(lambda: cut(torch.detach))
    told = [*report.notes, *(name for one in report.findings for name in one.where)]
    assert any("0.weight" in it for it in told), str(report)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "times-zero": lambda o, t: (o * 0).sum(),
    "rounded": lambda o, t: o.round().sum(),
    "hinge-that-is-met": lambda o, t: torch.relu(-10 - o).mean(),
    "detached": lambda o, t: F.cross_entropy(o.detach(), t),
    "accuracy": lambda o, t: (o.argmax(1) != t).float().mean(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_without_any_gradient_is_not_healthy(name: str) -> None:
    report = checked(lambda: Trial(mlp(2), rows(), labels(), LOSSES[name]))
    assert report.verdict != "healthy", str(report)


def test_an_output_that_no_example_activates() -> None:
    def make() -> Trial:
        model = nn.Sequential(nn.Linear(FEATURES, 32), nn.ReLU(), nn.Linear(32, 1), nn.ReLU())
        nn.init.constant_(model[2].bias, -10.0)
        return Trial(model, rows(), torch.rand(64, 1), F.mse_loss)

    report = checked(make)
    assert report.verdict == "broken", str(report)
    assert "2.weight" in report.findings[0].where


@pytest.mark.parametrize("name", ["detached", "accuracy"])
def test_a_loss_without_any_gradient_is_not_trainable(name: str) -> None:
    assert checked(lambda: Trial(mlp(2), rows(), labels(), LOSSES[name])).trainability < 0.5


@pytest.mark.xfail(strict=True, reason="inputs that hardly differ from their mean are not told")
def test_inputs_far_from_zero() -> None:
    """At mean 100 and spread 1 Adam hardly learns in 300 steps, whatever its rate."""
    assert checked(lambda: Trial(mlp(), 100 + rows(), labels())).verdict != "healthy"


def test_it_is_told_how_large_the_trend_is() -> None:
    small = checked(lambda: classified(mlp(20, draw=gaussian(0.5))))
    large = checked(lambda: classified(mlp(20, draw=gaussian(1.0))))
    assert small.findings[0].value is not None
    assert large.findings[0].value is not None
    # Each of 20 layers doubles the growth once more: 2 ** 20 at least, give or take a decade.
    ratio = math.log10(large.findings[0].value / small.findings[0].value)
    assert ratio == pytest.approx(20 * math.log10(2), abs=0.5)


def test_two_streams_one_of_which_fades() -> None:
    model = lambda: Body(  # noqa: E731
        lambda m, x: m.h(m.a(x) + m.b(x)), a=mlp(30, outputs=32), b=mlp(1, outputs=32),
        h=nn.Linear(32, CLASSES),
    )  # fmt: skip
    assert "exploding" not in kinds(checked(lambda: classified(model())))


# Squares of such signals fall to zero in single precision.
@pytest.mark.parametrize("std", [0.002, 0.01, 0.02, 0.05])
def test_small_weights_in_depth_are_named_as_vanishing_not_as_dead(std: float) -> None:
    layers: list[nn.Module] = []
    for _ in range(20):
        layers += [nn.Linear(64, 64), nn.ReLU()]
    model = fanin.init_(nn.Sequential(*layers, nn.Linear(64, 10)), f"normal:{std}")
    x = torch.randn(128, 64, generator=torch.Generator().manual_seed(0))
    report = fanin.check(model, x, torch.arange(128) % 10, loss=F.cross_entropy)
    assert [finding.kind for finding in report.findings] == ["vanishing"], report.findings
    assert report.findings[0].where[0] == "0.weight"
