"""The first Inf or NaN, who made it and from what; what half precision loses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.diagnosis.networks import (
    CLASSES,
    FEATURES,
    Through,
    Trial,
    checked,
    classified,
    cnn,
    filled,
    first,
    he,
    labels,
    mlp,
    pictured,
    rows,
    scaled,
)

NAN, INF = float("nan"), float("inf")


def inside(function: Callable[[Tensor], Tensor]) -> Trial:
    return classified(
        nn.Sequential(nn.Linear(FEATURES, 32), Through(function), nn.Linear(32, CLASSES))
    )


BEHIND_THE_FIRST = (("1",), ("0.weight", "0.bias"))
"""The module that runs the operation, or the parameters that give what it reads."""

MASK = torch.ones(32, dtype=torch.bool)
OPERATIONS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "log": (torch.log, "log"),
    "sqrt": (torch.sqrt, "sqrt"),
    "exp": (lambda h: torch.exp(500 * h), "exp"),
    "division": (lambda h: h / (h - h), "div"),
    "power": (lambda h: h**0.5, "pow"),
    "hidden-by-where": (lambda h: torch.where(h > 0, h.sqrt(), 0.0), "sqrt"),
    "softmax-of-nothing": (lambda h: h.masked_fill(MASK, -INF).softmax(-1), "softmax"),
    "in-place": (lambda h: (h * 1.0).log_(), "log"),
    "acos": (lambda h: torch.acos(2 * h), "acos"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_first_operation_is_named(name: str) -> None:
    function, op = OPERATIONS[name]
    found = first(checked(lambda: inside(function)), "nonfinite", "error")
    assert found.where in BEHIND_THE_FIRST
    assert f"{op} in 1 gives" in found.evidence
    assert found.remedy
    assert found.limit is None
    assert not found.rows


def test_it_is_the_only_finding() -> None:
    report = checked(lambda: inside(torch.log))
    assert [one.kind for one in report.findings] == ["nonfinite"]
    assert report.trainability < 0.01


def test_the_operand_is_told() -> None:
    assert (
        "[-1.0" in checked(lambda: inside(lambda h: (h.sign() * 1.03).log())).findings[0].evidence
    )


PARAMETERS: dict[str, tuple[Callable[[], Trial], str]] = {
    "weight-nan": (lambda: classified(filled(mlp(), "2.weight", NAN)), "2.weight"),
    "weight-inf": (lambda: classified(filled(mlp(), "2.weight", INF)), "2.weight"),
    "bias-inf": (lambda: classified(filled(mlp(), "2.bias", -INF)), "2.bias"),
    "one-number": (lambda: classified(_one(mlp())), "4.weight"),
    "gamma": (lambda: classified(filled(mlp(norm=nn.BatchNorm1d), "4.weight", NAN)), "4.weight"),
    "convolution": (lambda: pictured(filled(cnn(), "0.weight", NAN)), "0.weight"),
    "float16": (lambda: classified(filled(mlp(), "2.weight", NAN)).half(), "2.weight"),
    "frozen": (lambda: _frozen(classified(filled(mlp(), "2.weight", NAN))), "2.weight"),
    "unused": (lambda: _unused(classified(mlp())), "spare"),
}


def _one(model: nn.Module) -> nn.Module:
    model.get_parameter("4.weight").data[3, 5] = NAN
    return model


def _frozen(trial: Trial) -> Trial:
    trial.model.requires_grad_(False)
    trial.model.get_parameter("6.weight").requires_grad_()
    return trial


def _unused(trial: Trial) -> Trial:
    trial.model.register_parameter("spare", nn.Parameter(torch.full((3,), NAN)))
    return trial


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_named(name: str) -> None:
    make, where = PARAMETERS[name]
    found = first(checked(make), "nonfinite", "error")
    assert found.where == (where,)
    assert where in found.evidence


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "log-of-the-softmax": lambda o, t: -(o * 1e4).softmax(-1).log().gather(1, t[:, None]).mean(),
    "log-of-a-negative": lambda o, t: F.cross_entropy(o, t) + (o.min() - 100).log(),
    "of-no-targets": lambda o, t: F.cross_entropy(o, torch.full_like(t, -100)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_in_the_loss(name: str) -> None:
    report = checked(lambda: Trial(mlp(2), rows(), labels(), LOSSES[name]))
    found = first(report, "nonfinite", "error")
    assert "cross_entropy" in found.evidence or "log" in found.evidence
    assert report.to_dict()["loss"] in {"NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"}


def test_in_the_gradient_alone() -> None:
    """norm() of equal numbers is finite, its slope is not: sqrt(0)."""
    report = checked(lambda: inside(lambda h: h + (h - h).square().sum(1, keepdim=True).sqrt()))
    found = first(report, "nonfinite", "error")
    assert "gradient" in found.evidence


def test_what_a_mask_keeps_out_is_no_fault() -> None:
    report = checked(lambda: inside(lambda h: torch.where(h > 0, h.clamp_min(1e-6).sqrt(), 0.0)))
    assert report.findings == (), str(report)


def test_a_mask_of_infinities_is_no_fault() -> None:
    mask = torch.zeros(32).masked_fill(torch.arange(32) > 20, -INF)
    report = checked(lambda: inside(lambda h: (h + mask).softmax(-1)))
    assert report.findings == (), str(report)


def test_a_buffer_is_named() -> None:
    """A running mean of NaN, as a broken checkpoint leaves it."""

    def make() -> Trial:
        model = mlp(1, norm=nn.BatchNorm1d).eval()
        model[1].running_mean.fill_(NAN)
        return classified(model)

    found = first(checked(make), "nonfinite", "error")
    assert "gradient" not in found.evidence, str(found)
    assert found.where[0].startswith("1")


# Half precision


def test_overflow_of_float16() -> None:
    report = checked(lambda: classified(scaled(mlp(), "2.weight", 5e5)).half())
    found = first(report, "nonfinite", "error")
    assert any(name.startswith("2") for name in found.where)


def test_overflow_of_float16_in_an_activation() -> None:
    def make() -> Trial:
        return inside(lambda h: (1e4 * h) ** 2).half()

    found = first(checked(make), "nonfinite", "error")
    assert found.where in BEHIND_THE_FIRST
    assert "65504" in found.evidence
    assert "bfloat16" in found.remedy


def test_the_same_numbers_in_bfloat16_are_finite() -> None:
    def make() -> Trial:
        trial = inside(lambda h: (1e4 * h) ** 2)
        return Trial(trial.model.bfloat16(), trial.inputs.bfloat16(), trial.targets)

    assert "nonfinite" not in [one.kind for one in checked(make).findings]


def weighted(depth: int, factor: float) -> Callable[[], Trial]:
    def make() -> Trial:
        return Trial(
            mlp(depth, draw=he).half(), rows().half(), labels(),
            lambda o, t: factor * F.cross_entropy(o, t),
        )  # fmt: skip

    return make


def test_underflow_of_gradients() -> None:
    found = first(checked(weighted(4, 1e-6)), "nonfinite", "error")
    assert "float16" in found.evidence
    assert "Weight(" not in found.evidence
    assert len(found.evidence) < 300
    assert "GradScaler" in found.remedy
    assert found.limit is not None
    assert 0.9 <= (found.value or 0) <= 1


def test_underflow_of_some_gradients() -> None:
    """The head learns still."""
    found = first(checked(weighted(4, 3e-6)), "nonfinite", "warning")
    assert "GradScaler" in found.remedy


def test_underflow_of_some_gradients_can_train() -> None:
    assert checked(weighted(4, 3e-6)).trainability > 0.01


def test_underflow_of_the_first_gradients() -> None:
    """Healthy in float32, and in float16 with a scaled loss."""

    def make(factor: float) -> Trial:
        return Trial(
            mlp(10).half(), rows().half(), labels(), lambda o, t: factor * F.cross_entropy(o, t)
        )

    assert checked(lambda: make(1.0)).findings == ()
    report = checked(lambda: make(1e-2))
    assert [one.kind for one in report.findings] == ["nonfinite"], str(report)


@pytest.mark.parametrize("factor", [1e-6, 1e-7, 1e-8])
def test_underflow_of_every_gradient(factor: float) -> None:
    report = checked(weighted(4, factor))
    assert report.verdict == "broken", str(report)
    assert report.findings[0].kind == "nonfinite"


def test_a_scaled_loss_brings_gradients_back() -> None:
    assert checked(weighted(4, 1e-6 * 2**16)).findings == ()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_other_numbers_lose_nothing(dtype: torch.dtype) -> None:
    def make() -> Trial:
        model = mlp(4, draw=he).to(dtype)
        return Trial(model, rows().to(dtype), labels(), lambda o, t: 1e-8 * F.cross_entropy(o, t))

    assert checked(make).findings == ()
