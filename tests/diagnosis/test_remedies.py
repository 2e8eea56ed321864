"""The plan of a report mends what an init can mend, and touches nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import fanin
from tests.diagnosis.networks import (
    CLASSES,
    FEATURES,
    Residual,
    Trial,
    built,
    checked,
    classified,
    cnn,
    constant,
    copies,
    duplicated,
    filled,
    fitted,
    gaussian,
    he,
    lora,
    mlp,
    pictured,
    recurrent,
    rows,
    scaled,
    zeroed,
)
from tests.diagnosis.test_vanishing_exploding import small_magnitudes

NAN = float("nan")

# what is broken, and the parameters that may be drawn; none says any
MENDED: dict[str, tuple[Callable[[], Trial], set[str] | None]] = {
    "all-zero": (lambda: classified(zeroed(mlp())), None),
    "all-zero-norms": (lambda: classified(zeroed(mlp(norm=nn.BatchNorm1d))), None),
    "all-zero-cnn": (lambda: pictured(zeroed(cnn())), None),
    "constant": (lambda: classified(mlp(draw=constant(0.1))), None),
    "layer-zero": (
        lambda: classified(filled(filled(mlp(), "2.weight", 0.0), "2.bias", 0.0)),
        {"2.weight", "2.bias"},
    ),
    "half-duplicated": (lambda: classified(duplicated(mlp(), 2, 4)), {"2.weight", "2.bias"}),
    "lora": (
        lambda: classified(lora(torch.zeros(FEATURES, 4), torch.zeros(4, CLASSES))), {"a", "b"}
    ),
    "copies": (lambda: classified(copies(alike=True)), {"a.weight", "b.weight"}),
    "default-30": (lambda: classified(mlp(30)), None),
    "tanh-20-std-0.01": (lambda: classified(mlp(20, nn.Tanh, draw=gaussian(0.01))), None),
    "layer-x1e-8": (
        lambda: classified(scaled(mlp(4), "4.weight", 1e-8)), {"4.weight", "4.bias"}
    ),
    "relu-20-std-0.5": (lambda: classified(mlp(20, draw=gaussian(0.5))), None),
    "layer-x1e4": (
        lambda: classified(scaled(mlp(4, draw=he), "4.weight", 1e4)), {"4.weight", "4.bias"}
    ),
    "dead": (lambda: classified(filled(mlp(), "2.bias", -10.0)), {"2.weight", "2.bias"}),
    "dead-small": (
        lambda: classified(filled(mlp(width=8), "2.bias", -10.0)), {"2.weight", "2.bias"}
    ),
    "dead-silu": (
        lambda: classified(filled(mlp(act=nn.SiLU), "2.bias", -30.0)), {"2.weight", "2.bias"}
    ),
    "dead-cnn": (
        lambda: pictured(filled(cnn(channels=32), "2.bias", -10.0)), {"2.weight", "2.bias"}
    ),
    "dead-batch-norm": (
        lambda: classified(filled(mlp(norm=nn.BatchNorm1d), "4.bias", -10.0)), {"4.bias"}
    ),
    "gamma-zero": (
        lambda: classified(filled(mlp(norm=nn.BatchNorm1d), "4.weight", 0.0)), {"4.weight"}
    ),
    "saturated": (
        lambda: classified(scaled(mlp(act=nn.Tanh), "2.weight", 100.0)), {"2.weight", "2.bias"}
    ),
    "lstm-saturated": (lambda: recurrent(nn.LSTM, lambda g: g.weight_ih_l0.mul_(50)), None),
    "gru-zero": (lambda: recurrent(nn.GRU, lambda g: [p.zero_() for p in g.parameters()]), None),
    "rnn-forgets": (
        lambda: recurrent(nn.RNN, lambda g: g.weight_hh_l0.mul_(1e-3)), {"g.weight_hh_l0"}
    ),
    "head-x30": (
        lambda: classified(scaled(mlp(draw=he), "6.weight", 30.0)), {"6.weight", "6.bias"}
    ),
    "regression-head-x1000": (
        lambda: fitted(scaled(mlp(outputs=1), "6.weight", 1000.0)), {"6.weight", "6.bias"}
    ),
    "branches": (
        lambda: classified(
            nn.Sequential(
                nn.Linear(FEATURES, 32),
                *(Residual(norm=lambda _: nn.Identity(), draw=he) for _ in range(20)),
                nn.Linear(32, CLASSES),
            )
        ),
        {f"{block}.b.{kind}" for block in range(1, 21) for kind in ("weight", "bias")},
    ),
    "weight-nan": (lambda: classified(filled(mlp(), "2.weight", NAN)), {"2.weight"}),
    "bias-nan": (lambda: classified(filled(mlp(), "2.bias", NAN)), {"2.bias"}),
    "gamma-nan": (
        lambda: classified(filled(mlp(norm=nn.BatchNorm1d), "4.weight", NAN)), {"4.weight"}
    ),
}  # fmt: skip


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def mend(trial: Trial) -> tuple[fanin.Report, set[str], fanin.Report]:
    """The report, what its plan changed, and the report afterwards."""
    report, before = trial.check(), state(trial.model)
    plan = report.remedy_plan()
    plan.init_(trial.model)
    changed = {
        name
        for name, tensor in trial.model.state_dict().items()
        if not torch.equal(tensor.nan_to_num(7.0), before[name].nan_to_num(7.0))
    }
    assert changed <= {row.parameter for row in plan.rows}
    return report, changed, trial.check()


@pytest.mark.parametrize("name", MENDED)
def test_the_plan_mends(name: str) -> None:
    make, allowed = MENDED[name]
    report, changed, after = mend(built(make))
    assert report.verdict != "healthy"
    assert changed
    assert after.verdict == "healthy", str(after)
    assert after.findings == ()
    if allowed is not None:
        assert changed <= allowed
        assert {row.parameter for row in report.remedy_plan().rows} <= allowed
    assert after.trainability > report.trainability


@pytest.mark.parametrize("seed", [1, 2], ids="seed-{}".format)
def test_whatever_the_seed(seed: int) -> None:
    for name in ("all-zero", "dead", "relu-20-std-0.5", "head-x30"):
        trial = built(MENDED[name][0], seed)
        trial.check().remedy_plan().init_(trial.model, seed=seed)
        assert trial.check().verdict == "healthy"


def test_both_ways_of_applying_it_give_the_same_bits() -> None:
    one, other = built(MENDED["all-zero"][0]), built(MENDED["all-zero"][0])
    returned = one.check().remedy_plan().init_(one.model)
    assert returned is one.model
    fanin.init_(other.model, other.check().remedy_plan())
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_healthy_network_is_not_touched() -> None:
    trial = built(lambda: classified(mlp()))
    before = state(trial.model)
    plan = trial.check().remedy_plan()
    assert plan.rows == ()
    plan.init_(trial.model)
    assert all(torch.equal(before[n], t) for n, t in trial.model.state_dict().items())


def test_frozen_parameters_are_not_touched() -> None:
    trial = built(lambda: classified(filled(filled(mlp(), "2.weight", 0.0), "2.bias", 0.0)))
    trial.model[2].requires_grad_(False)
    report, changed, _ = mend(trial)
    assert report.verdict == "broken"
    assert not changed & {"2.weight", "2.bias"}


def test_a_frozen_one_among_others_is_not_touched() -> None:
    trial = built(lambda: classified(zeroed(mlp())))
    trial.model[2].requires_grad_(False)
    _, changed, _ = mend(trial)
    assert "0.weight" in changed
    assert "2.weight" not in changed


def test_what_no_init_mends_has_no_rows() -> None:
    for make in (
        lambda: fitted(mlp(outputs=1), scale=1e4),
        lambda: classified(mlp(60, norm=nn.BatchNorm1d)),
    ):
        report = checked(make)
        assert report.findings
        assert report.remedy_plan().rows == ()
        assert "init_(" not in str(report)


def test_no_parameter_has_two_rows() -> None:
    for make, _ in MENDED.values():
        names = [row.parameter for row in checked(make).remedy_plan().rows]
        assert len(names) == len(set(names))


def test_the_dict_tells_what_is_drawn() -> None:
    report = checked(MENDED["dead"][0])
    assert set(report.to_dict()["findings"][0]["mends"]) == {"2.weight", "2.bias"}


NOT_MENDED: dict[str, tuple[Callable[[], Trial], str]] = {
    "sigmoid-12": (
        lambda: classified(mlp(12, nn.Sigmoid)),
        "the first weight is left as it is, and the input fades still",
    ),
    "tanh-all-std-3": (
        lambda: classified(mlp(act=nn.Tanh, draw=gaussian(3.0))),
        "saturation hides the head of the same draw: it takes a second round",
    ),
    "before-a-layer-norm": (
        lambda: classified(scaled(mlp(4, norm=nn.LayerNorm), "3.weight", 1e-6)),
        "the head is drawn anew, not the weight that its bias outweighs",
    ),
    "before-a-batch-norm": (
        lambda: classified(scaled(mlp(4, norm=nn.BatchNorm1d), "3.weight", 1e-6)),
        "told that no scale mends it, though drawing the one small weight does",
    ),
    "weight-norm": (
        small_magnitudes, "biases hide all small magnitudes but the first: one layer a round"
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=name, marks=pytest.mark.xfail(strict=True, reason=reason))
        for name, (_, reason) in NOT_MENDED.items()
    ],
)
def test_the_plan_mends_these_too(name: str) -> None:
    _, _, after = mend(built(NOT_MENDED[name][0]))
    assert after.verdict == "healthy", str(after)


def test_a_weight_before_a_batch_norm_can_be_mended_by_hand() -> None:
    """What the fault "before-a-batch-norm" above claims."""
    trial = built(NOT_MENDED["before-a-batch-norm"][0])
    assert trial.check().verdict != "healthy"
    he(trial.model[3].weight)
    assert trial.check().verdict == "healthy"


def test_tiny_inputs_are_to_be_mended_and_not_the_weights() -> None:
    report = checked(lambda: Trial(mlp(4), 1e-6 * rows(), torch.arange(64) % CLASSES))
    assert "input" in report.findings[0].remedy or not report.remedy_plan().rows, str(report)


def test_a_head_is_drawn_as_the_remedy_says() -> None:
    trial = built(lambda: fitted(scaled(mlp(draw=he, outputs=1, width=1024), "6.weight", 100.0)))
    report = trial.check()
    assert "1 / sqrt(fan_in) or smaller" in report.findings[0].remedy
    report.remedy_plan().init_(trial.model)
    assert float(trial.model[6].weight.detach().std()) * 1024**0.5 < 1.15
