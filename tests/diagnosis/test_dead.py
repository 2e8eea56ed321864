"""Units that no example activates, beyond chance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.diagnosis.networks import (
    CLASSES,
    FEATURES,
    Residual,
    Through,
    Trial,
    checked,
    classified,
    cnn,
    encoder,
    filled,
    first,
    kinds,
    labels,
    mlp,
    pictured,
    stream,
)
from tests.observation.bodies import Body

SEEDS = (0, 1)


def shifted(model: nn.Module, name: str, units: int, dead: int, by: float = -10.0) -> nn.Module:
    return filled(model, name, torch.tensor([by] * dead + [0.0] * (units - dead)))


def hand_made(function: Callable[[Tensor], Tensor]) -> Trial:
    return classified(filled(mlp(2, lambda: Through(function)), "2.bias", -10.0))


ZERO = torch.zeros(())
WHOLE: dict[str, tuple[Callable[[], Trial], str]] = {
    "relu": (lambda: classified(filled(mlp(), "2.bias", -10.0)), "2.weight"),
    "relu-just-so": (lambda: classified(filled(mlp(), "2.bias", -1.5)), "2.weight"),
    "relu-last-hidden": (lambda: classified(filled(mlp(), "4.bias", -10.0)), "4.weight"),
    "relu-four-units": (lambda: classified(filled(mlp(width=4), "2.bias", -10.0)), "2.weight"),
    "relu-eight-units": (lambda: classified(filled(mlp(width=8), "4.bias", -10.0)), "4.weight"),
    "relu-of-one-example": (lambda: classified(filled(mlp(), "2.bias", -10.0), 1), "2.weight"),
    "gelu": (lambda: classified(filled(mlp(act=nn.GELU), "2.bias", -20.0)), "2.weight"),
    "softplus": (lambda: classified(filled(mlp(act=nn.Softplus), "2.bias", -30.0)), "2.weight"),
    "relu6": (lambda: classified(filled(mlp(act=nn.ReLU6), "2.bias", -20.0)), "2.weight"),
    "hardswish": (lambda: classified(filled(mlp(act=nn.Hardswish), "2.bias", -20.0)), "2.weight"),
    "cnn": (lambda: pictured(filled(cnn(), "2.bias", -10.0)), "2.weight"),
    "where": (lambda: hand_made(lambda h: torch.where(h > 0, h, 0.0)), "2.weight"),
    "mask": (lambda: hand_made(lambda h: h * (h > 0)), "2.weight"),
    "maximum": (lambda: hand_made(lambda h: torch.maximum(h, ZERO)), "2.weight"),
    "clamp": (lambda: hand_made(lambda h: h.clamp(min=0)), "2.weight"),
    "shift-inside": (
        lambda: classified(
            nn.Sequential(
                nn.Linear(FEATURES, 32), Through(lambda h: torch.relu(h - 10)),
                nn.Linear(32, CLASSES),
            )
        ),
        "0.weight",
    ),
    "negative-weights-of-positive-inputs": (
        lambda: Trial(_negative(mlp()), torch.rand(64, FEATURES), labels()), "0.weight"
    ),
}  # fmt: skip


def _fill(trial: Trial, name: str, value: float) -> Trial:
    filled(trial.model, name, value)
    return trial


def _negative(model: nn.Sequential) -> nn.Sequential:
    model[0].weight.data.abs_().neg_()
    nn.init.zeros_(model[0].bias)
    return model


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_layer(name: str, seed: int) -> None:
    make, where = WHOLE[name]
    found = first(checked(make, seed), "dead", "error")
    assert where in found.where
    assert where in found.evidence


def branches(act: Callable[[Tensor], Tensor]) -> Trial:
    """Two side by side, of which ``a`` is dead."""
    model = Body(
        lambda m, x: m.h(act(m.a(x)) + act(m.b(x))), a=nn.Linear(FEATURES, 32),
        b=nn.Linear(FEATURES, 32), h=nn.Linear(32, CLASSES),
    )  # fmt: skip
    return classified(filled(model, "a.bias", -20.0))


BYPASSED: dict[str, tuple[Callable[[], Trial], str]] = {
    "encoder": (
        lambda: _fill(encoder(2), "e.layers.0.linear1.bias", -20.0), "e.layers.0.linear1.weight"
    ),
    "residual": (
        lambda: classified(filled(stream(Residual(), Residual()), "1.a.bias", -20.0)), "1.a.weight"
    ),
    "one-of-two": (lambda: branches(torch.relu), "a.weight"),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", BYPASSED)
def test_a_whole_layer_that_others_go_round(name: str, seed: int) -> None:
    make, where = BYPASSED[name]
    assert where in first(checked(make, seed), "dead", "warning").where


@pytest.mark.parametrize("act", [nn.SiLU, nn.ELU, nn.Mish], ids=lambda it: it.__name__)
def test_what_gives_no_zeros_saturates(act: Callable[[], nn.Module]) -> None:
    report = checked(lambda: classified(filled(mlp(act=act), "2.bias", -30.0)))
    assert first(report, "saturation", "error").where[0] == "2.weight"


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 0.9])
def test_a_part_of_a_layer(share: float) -> None:
    dead = int(128 * share)
    found = first(
        checked(lambda: classified(shifted(mlp(width=128), "2.bias", 128, dead))),
        "dead", "warning",
    )  # fmt: skip
    assert found.where == ("2.weight", "2.bias")
    assert f"{dead} of the 128 units" in found.evidence
    assert found.value == pytest.approx(dead / 128)
    assert found.limit is not None
    assert found.value >= found.limit.value


def test_a_few_are_no_fault() -> None:
    assert checked(lambda: classified(shifted(mlp(width=128), "2.bias", 128, 6))).findings == ()


def test_a_batch_norm_that_shifts() -> None:
    found = first(
        checked(lambda: classified(filled(mlp(norm=nn.BatchNorm1d), "4.bias", -10.0))),
        "dead", "error",
    )  # fmt: skip
    assert "4.bias" in found.where
    assert "3.weight" not in found.where


def gamma_of_zero() -> Trial:
    return classified(filled(mlp(norm=nn.BatchNorm1d), "4.weight", 0.0))


def test_a_gamma_of_zero_in_the_trunk() -> None:
    report = checked(gamma_of_zero)
    assert report.verdict == "broken"
    assert report.findings[0].kind in {"dead", "vanishing"}
    assert report.findings[0].where == ("4.weight",)


@pytest.mark.xfail(strict=True, reason="one fault told three times, once as growth none can mend")
def test_a_gamma_of_zero_is_one_fault() -> None:
    assert len(checked(gamma_of_zero).findings) == 1


def test_a_leak_keeps_units_alive() -> None:
    report = checked(lambda: classified(filled(mlp(act=nn.LeakyReLU), "2.bias", -20.0)))
    assert "dead" not in kinds(report)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
def test_chance_is_no_fault(count: int, seed: int) -> None:
    """Of one example half of the units are off, of two a quarter: as many are always on."""
    report = checked(lambda: classified(mlp(2, width=256), count), seed)
    assert report.findings == (), str(report)
    assert any(layer.dead for layer in report.layers)


def test_the_size_of_the_batch_is_told() -> None:
    assert "64 observations a unit" in checked(WHOLE["relu"][0]).findings[0].evidence
    one = checked(WHOLE["relu-of-one-example"][0])
    assert any("one example" in note for note in one.notes)


def test_many_layers_are_one_finding() -> None:
    def make() -> Trial:
        model = mlp(6, width=128)
        for number in (2, 6):
            shifted(model, f"{number}.bias", 128, 64)
        return classified(model)

    report = checked(make)
    assert kinds(report) == ["dead"]
    assert set(report.findings[0].where) == {"2.weight", "2.bias", "6.weight", "6.bias"}


def test_shares_are_in_the_rows() -> None:
    report = checked(lambda: classified(shifted(mlp(width=128), "2.bias", 128, 64)))
    (row,) = [layer for layer in report.layers if layer.name == "2.weight"]
    assert row.units == 128
    assert row.dead == pytest.approx(0.5)
    assert 0 in row.findings


@pytest.mark.parametrize(("units", "dead"), [(16, 8), (16, 12)])
def test_most_of_a_small_layer(units: int, dead: int) -> None:
    report = checked(lambda: classified(shifted(mlp(width=units), "2.bias", units, dead), 256))
    assert "dead" in kinds(report), str(report)


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
def test_half_of_a_layer_is_one_fault(seed: int) -> None:
    report = checked(lambda: classified(shifted(mlp(width=128), "2.bias", 128, 64)), seed)
    assert kinds(report) == ["dead"], str(report)


def test_too_few_units_to_tell() -> None:
    report = checked(lambda: classified(shifted(mlp(width=8), "2.bias", 8, 5), 256))
    assert report.verdict != "broken", str(report)


def test_most_channels_of_a_small_convolution() -> None:
    report = checked(lambda: pictured(shifted(cnn(), "2.bias", 16, 12)))
    assert "dead" in kinds(report), str(report)
