"""What cannot be checked is one clear error; what a model raises passes as it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.errors import FaninError, InputError, ModelError
from tests.diagnosis.networks import FEATURES, labels, mlp, rows


@pytest.mark.parametrize("model", [None, "model", len, nn.Linear, 3], ids=str)
def test_no_module(model: Any) -> None:
    with pytest.raises(ModelError, match=r"torch\.nn\.Module"):
        fanin.check(model, rows())


def test_no_parameters() -> None:
    with pytest.raises(ModelError, match="no parameters"):
        fanin.check(nn.Sequential(nn.ReLU()), rows())


def test_lazy() -> None:
    with pytest.raises(ModelError, match="lazy"):
        fanin.check(nn.LazyLinear(3), rows())


def test_no_inputs() -> None:
    with pytest.raises(InputError, match="inputs"):
        fanin.check(mlp(), None)
    with pytest.raises(TypeError, match="inputs"):
        fanin.check(mlp())  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_inputs_that_are_not_finite(value: float) -> None:
    inputs = rows()
    inputs[3, 4] = value
    with pytest.raises(InputError, match="1 of 1024"):
        fanin.check(mlp(), inputs)


def test_inputs_elsewhere() -> None:
    with pytest.raises(InputError, match="meta"):
        fanin.check(mlp(), torch.empty(4, FEATURES, device="meta"))


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(RuntimeError, match="shapes") as caught:
        fanin.check(mlp(), rows(features=FEATURES + 1))
    assert caught.value.__notes__


def test_losses_that_are_no_number() -> None:
    for loss in (lambda o, t: o, lambda o, t: F.cross_entropy(o, t, reduction="none")):
        with pytest.raises(InputError, match="loss"):
            fanin.check(mlp(), rows(), labels(), loss=loss)


def test_a_loss_that_is_no_function() -> None:
    with pytest.raises(InputError, match="loss"):
        fanin.check(mlp(), rows(), labels(), loss="cross_entropy")  # type: ignore[arg-type]


def test_the_loss_is_a_keyword() -> None:
    with pytest.raises(TypeError):
        fanin.check(mlp(), rows(), labels(), F.cross_entropy)  # type: ignore[misc]


def test_a_loss_module() -> None:
    assert fanin.check(mlp(), rows(), labels(), loss=nn.CrossEntropyLoss()).verdict == "healthy"


def test_targets_that_the_loss_cannot_take() -> None:
    with pytest.raises(IndexError):
        fanin.check(mlp(), rows(), labels() + 10, loss=F.cross_entropy)
    with pytest.raises((TypeError, AttributeError)):
        fanin.check(mlp(), rows(), loss=F.cross_entropy)


def test_targets_without_a_loss() -> None:
    report = fanin.check(mlp(), rows(), labels())
    assert any("targets" in note for note in report.notes)


@pytest.mark.parametrize("error", [KeyError, ValueError, StopIteration, ZeroDivisionError])
def test_an_exception_of_the_model_passes(error: type[Exception]) -> None:
    class Raising(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise error("of its own")

    with pytest.raises(error, match="of its own") as caught:
        fanin.check(nn.Sequential(nn.Linear(FEATURES, 4), Raising(4, 4)), rows())
    assert not isinstance(caught.value, FaninError)
    assert any("'1'" in note or "Raising" in note for note in caught.value.__notes__)


def test_an_interrupt_passes() -> None:
    class Interrupted(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fanin.check(nn.Sequential(Interrupted(FEATURES, 4)), rows())


def test_ways_of_giving_inputs() -> None:
    class Two(nn.Linear):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return super().forward(a + b)

    model = Two(FEATURES, 3)
    for inputs in ((rows(), rows()), {"a": rows(), "b": rows()}):
        assert fanin.check(model, inputs).verdict == "healthy"
    with pytest.raises(TypeError, match="missing 1 required"):
        fanin.check(model, rows())


def test_an_empty_batch_is_no_crash() -> None:
    report = fanin.check(mlp(), rows(0), labels(0), loss=lambda o, t: o.sum())
    assert report.verdict in {"healthy", "warning", "broken"}


def test_under_no_grad() -> None:
    with torch.no_grad():
        assert fanin.check(mlp(), rows(), labels(), loss=F.cross_entropy).verdict == "healthy"
        assert not torch.is_grad_enabled()
