"""A check leaves no trace; and what means nothing to a network means nothing to its verdict."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from tests.diagnosis.networks import (
    CLASSES,
    FEATURES,
    Residual,
    Trial,
    built,
    classified,
    cnn,
    constant,
    duplicated,
    encoder,
    filled,
    gaussian,
    he,
    labels,
    lora,
    mlp,
    pictured,
    recurrent,
    rows,
    scaled,
    stream,
    zeroed,
)
from tests.observation.bodies import Body
from tests.observation.snapshot import differences, snapshot

NETWORKS: dict[str, Callable[[], Trial]] = {
    "healthy": lambda: classified(mlp()),
    "all-zero": lambda: classified(zeroed(mlp())),
    "constant": lambda: classified(mlp(draw=constant(0.1))),
    "deep": lambda: classified(mlp(30)),
    "exploding": lambda: classified(mlp(20, draw=gaussian(0.5))),
    "dead": lambda: classified(filled(mlp(), "2.bias", -10.0)),
    "saturated": lambda: classified(scaled(mlp(act=nn.Tanh), "2.weight", 100.0)),
    "head-x100": lambda: classified(scaled(mlp(draw=he), "6.weight", 100.0)),
    "half-duplicated": lambda: classified(duplicated(mlp(), 2, 4)),
    "lora-both-zero": lambda: classified(
        lora(torch.zeros(FEATURES, 4), torch.zeros(4, CLASSES))
    ),
    "nan": lambda: classified(filled(mlp(), "2.weight", float("nan"))),
    "cnn-batch-norm": lambda: pictured(cnn(nn.BatchNorm2d)),
    "cnn-zero-gamma": lambda: pictured(filled(cnn(nn.BatchNorm2d), "4.weight", 0.0)),
    "encoder": lambda: encoder(2, dropout=0.1),
    "lstm": lambda: recurrent(nn.LSTM),
    "lstm-zero": lambda: recurrent(nn.LSTM, lambda g: [p.zero_() for p in g.parameters()]),
    "residual-zero": lambda: classified(stream(_zero_last(), _zero_last())),
    "float16": lambda: classified(mlp()).half(),
    "frozen": lambda: _frozen(classified(zeroed(mlp()))),
}  # fmt: skip


def _zero_last() -> Residual:
    block = Residual()
    zeroed(block.b)
    return block


def _frozen(trial: Trial) -> Trial:
    trial.model[0].requires_grad_(False)
    return trial


# No trace


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_changes(name: str) -> None:
    trial = built(NETWORKS[name])
    model = trial.model
    for index, parameter in enumerate(model.parameters()):
        if index % 2 and parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, 3.0)
    calls: list[str] = []
    model.register_forward_hook(lambda *_: calls.append("forward"))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.register_hook(lambda gradient: gradient)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    inputs = copy.deepcopy(trial.inputs)
    before = snapshot(model)
    trial.check()
    assert differences(before, snapshot(model)) == []
    assert torch.equal(inputs, trial.inputs)
    assert trial.inputs.grad is None


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_modes_of_parts_are_kept(training: bool) -> None:
    trial = built(NETWORKS["cnn-batch-norm"])
    trial.model.train(training)
    trial.model[1].train(not training)
    before = snapshot(trial.model)
    trial.check()
    assert differences(before, snapshot(trial.model)) == []


class Fragile(nn.Module):
    """Raises in its n-th forward, once batch norm and counters have moved."""

    def __init__(self, model: nn.Module, fails: int) -> None:
        super().__init__()
        self.model, self.fails, self.calls = model, fails, 0
        self.norm = nn.BatchNorm1d(CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        out: Tensor = self.norm(self.model(x))
        torch.rand(3)
        if self.calls == self.fails:
            raise ZeroDivisionError("in forward")
        return out


@pytest.mark.parametrize("name", ["healthy", "all-zero", "constant"])
def test_nothing_changes_when_forward_raises(name: str) -> None:
    trial = built(NETWORKS[name])
    model = Fragile(trial.model, 1)
    before = snapshot(model)
    with pytest.raises(ZeroDivisionError):
        fanin.check(model, trial.inputs, trial.targets, loss=trial.loss)
    assert differences(before, snapshot(model)) == []


@pytest.mark.parametrize("fails", [2, 3])
@pytest.mark.parametrize("name", ["all-zero", "residual-zero", "lora-both-zero"])
def test_nothing_changes_when_a_later_forward_raises(name: str, fails: int) -> None:
    """Zeros are tried out with parameters that moved, where a model may raise."""
    trial = built(NETWORKS[name])
    model = Fragile(trial.model, fails)
    before = snapshot(model)
    with contextlib.suppress(ZeroDivisionError):
        fanin.check(model, trial.inputs, trial.targets, loss=trial.loss)
    assert differences(before, snapshot(model)) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_nothing_changes_when_loss_or_backward_raise(error: type[BaseException]) -> None:
    class Raising(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            raise error

    def raising(o: Tensor, t: Tensor) -> Tensor:
        raise error

    for loss in (raising, lambda o, t: F.cross_entropy(Raising.apply(o), t)):
        trial = built(NETWORKS["cnn-batch-norm"])
        before = snapshot(trial.model)
        with pytest.raises(error):
            fanin.check(trial.model, trial.inputs, trial.targets, loss=loss)
        assert differences(before, snapshot(trial.model)) == []


def test_training_goes_on_as_if_nothing_had_been() -> None:
    def trained(*, looking: bool) -> list[Tensor]:
        torch.manual_seed(0)
        trial = pictured(cnn(nn.BatchNorm2d))
        trial.model.insert(3, nn.Dropout(0.3))
        optimizer = torch.optim.Adam(trial.model.parameters(), 1e-2)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(trial.model(trial.inputs), trial.targets).backward()
            if looking:
                trial.check()
            optimizer.step()
        return [*trial.model.state_dict().values()]

    pairs = zip(trained(looking=True), trained(looking=False), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_report_keeps_no_parameter() -> None:
    trial = built(NETWORKS["all-zero"])
    report = trial.check()
    seen = report.to_dict()
    with torch.no_grad():
        for parameter in trial.model.parameters():
            parameter.fill_(3.0)
    assert report.to_dict() == seen


# What must not matter

FEW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
RESCALED = tuple(name for name in NETWORKS if name not in {"nan", "float16", "encoder"})
SUBJECTS = {name: built(NETWORKS[name]) for name in RESCALED}
OF_ROWS = tuple(
    n for n in RESCALED if isinstance(SUBJECTS[n].model, nn.Sequential) and "cnn" not in n
)


def gist(report: fanin.Report) -> tuple[str, list[tuple[str, str, tuple[str, ...]]]]:
    """What must stay; with trainability it is all but the numbers."""
    return report.verdict, [(one.kind, one.severity, one.where) for one in report.findings]


@FEW
@given(name=st.sampled_from(RESCALED), exponent=st.floats(-6, 6))
def test_the_scale_of_the_loss(name: str, exponent: float) -> None:
    trial, factor = SUBJECTS[name], 10.0**exponent
    other = fanin.check(
        trial.model, trial.inputs, trial.targets, loss=lambda o, t: factor * F.cross_entropy(o, t)
    )
    own = trial.check()
    assert gist(other) == gist(own)
    assert other.trainability == pytest.approx(own.trainability, abs=0.02)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("name", RESCALED)
def test_the_scale_of_the_loss_at_its_ends(name: str, factor: float) -> None:
    trial = SUBJECTS[name]
    other = fanin.check(
        trial.model, trial.inputs, trial.targets, loss=lambda o, t: factor * F.cross_entropy(o, t)
    )
    assert gist(other) == gist(trial.check())


@FEW
@given(name=st.sampled_from(RESCALED), seed=st.integers(0, 2**16))
def test_the_order_of_examples(name: str, seed: int) -> None:
    trial = SUBJECTS[name]
    order = torch.randperm(len(trial.inputs), generator=torch.Generator().manual_seed(seed))
    other = fanin.check(trial.model, trial.inputs[order], trial.targets[order], loss=trial.loss)
    assert gist(other) == gist(trial.check())


@FEW
@given(
    name=st.sampled_from(["healthy", "deep", "exploding", "dead", "saturated", "half-duplicated"]),
    seed=st.integers(0, 2**16),
)
def test_the_order_of_units(name: str, seed: int) -> None:
    trial = SUBJECTS[name]
    model = copy.deepcopy(trial.model)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        model[2].weight.copy_(model[2].weight[order])
        model[2].bias.copy_(model[2].bias[order])
        model[4].weight.copy_(model[4].weight[:, order])
    other = fanin.check(model, trial.inputs, trial.targets, loss=trial.loss)
    assert gist(other) == gist(trial.check())
    assert other.trainability == pytest.approx(trial.check().trainability, abs=0.02)


@FEW
@given(exponent=st.floats(-2, 4), where=st.sampled_from(["0.weight", "3.weight", "6.weight"]))
def test_the_scale_of_a_weight_before_a_batch_norm(exponent: float, where: str) -> None:
    """Down to where eps of the norm is as large as the variance that it divides by."""
    trial = built(lambda: classified(scaled(mlp(norm=nn.BatchNorm1d), where, 10.0**exponent)))
    assert trial.check().findings == ()


@FEW
@given(name=st.sampled_from(RESCALED), zero=st.booleans())
def test_a_frozen_module_that_nothing_uses(name: str, zero: bool) -> None:
    trial = SUBJECTS[name]
    spare = nn.Linear(7, 7).requires_grad_(False)
    if zero:
        zeroed(spare)
    both = Body(lambda m, x: m.net(x), net=trial.model, spare=spare)
    other = fanin.check(both, trial.inputs, trial.targets, loss=trial.loss)
    verdict, found = gist(trial.check())
    assert gist(other) == (
        verdict, [(kind, how, tuple(f"net.{w}" for w in where)) for kind, how, where in found]
    )  # fmt: skip


@pytest.mark.parametrize("name", OF_ROWS)
def test_a_batch_given_twice(name: str) -> None:
    trial = SUBJECTS[name]
    other = fanin.check(
        trial.model, trial.inputs.repeat(2, 1), trial.targets.repeat(2), loss=trial.loss
    )
    assert gist(other) == gist(trial.check())


@pytest.mark.parametrize("name", ["healthy", "all-zero", "deep", "dead", "half-duplicated"])
def test_the_state_of_generators(name: str) -> None:
    trial = SUBJECTS[name]
    seen = set()
    for seed in range(3):
        torch.manual_seed(seed)
        seen.add(repr(gist(trial.check())))
    assert len(seen) == 1


@FEW
@given(exponent=st.floats(-6, 6), factor=st.sampled_from([1.0, 30.0]))
def test_a_hand_written_loss_of_any_scale(exponent: float, factor: float) -> None:
    torch.manual_seed(0)
    model, inputs, targets = scaled(mlp(draw=he), "6.weight", factor), rows(), labels()

    def loss(o: Tensor, t: Tensor) -> Tensor:
        return 10.0**exponent * (o.logsumexp(-1) - o.gather(1, t[:, None])[:, 0]).mean()

    assert "exploding" not in [
        one.kind for one in fanin.check(model, inputs, targets, loss=loss).findings
    ]
