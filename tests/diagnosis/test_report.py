"""What a report holds, in which order, and how it is handed on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import fanin
from fanin.diagnosis import KINDS, Finding
from fanin.errors import FaninError, InputError, UntrainableError
from tests.diagnosis.networks import (
    CLASSES,
    FEATURES,
    Through,
    Trial,
    built,
    checked,
    classified,
    cnn,
    constant,
    duplicated,
    encoder,
    filled,
    gaussian,
    he,
    labels,
    mlp,
    pictured,
    recurrent,
    rows,
    scaled,
    zeroed,
)
from tests.observation.bodies import Body

BROKEN: dict[str, tuple[Callable[[], Trial], Callable[[], Trial]]] = {
    "all-zero": (lambda: classified(zeroed(mlp())), lambda: classified(mlp())),
    "constant": (lambda: classified(mlp(draw=constant(0.1))), lambda: classified(mlp())),
    "dead": (lambda: classified(filled(mlp(), "2.bias", -10.0)), lambda: classified(mlp())),
    "vanishing": (lambda: classified(mlp(30)), lambda: classified(mlp(30, draw=he))),
    "exploding": (
        lambda: classified(mlp(20, draw=gaussian(0.5))), lambda: classified(mlp(20, draw=he))
    ),
    "saturated": (
        lambda: classified(scaled(mlp(act=nn.Tanh), "2.weight", 100.0)),
        lambda: classified(mlp(act=nn.Tanh)),
    ),
    "head": (
        lambda: classified(scaled(mlp(draw=he), "6.weight", 1000.0)),
        lambda: classified(mlp(draw=he)),
    ),
    "nan": (
        lambda: classified(filled(mlp(), "2.weight", math.nan)), lambda: classified(mlp())
    ),
    "half-duplicated": (lambda: classified(duplicated(mlp(), 2, 4)), lambda: classified(mlp())),
    "lstm-saturated": (
        lambda: recurrent(nn.LSTM, lambda g: g.weight_ih_l0.mul_(50)), lambda: recurrent(nn.LSTM)
    ),
    "cnn-dead": (lambda: pictured(filled(cnn(), "2.bias", -10.0)), lambda: pictured(cnn())),
}  # fmt: skip


def several() -> Trial:
    """Half of a layer duplicated, half of another dead, a third saturated, the head too large."""
    model = duplicated(mlp(4, width=128, draw=he), 0, 2)
    filled(model, "4.bias", torch.tensor([-10.0] * 64 + [0.0] * 64))
    return classified(scaled(model, "8.weight", 50.0))


# Trainability


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_lower_for_the_broken_than_for_the_healthy_twin(name: str) -> None:
    broken, healthy = (checked(make) for make in BROKEN[name])
    assert 0 <= broken.trainability < healthy.trainability <= 1
    assert healthy.verdict == "healthy"
    assert healthy.trainability > 0.8


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoder(2),
        lambda: pictured(cnn(nn.BatchNorm2d)),
        lambda: Trial(mlp(), rows(1), loss=None),
        lambda: Trial(mlp().requires_grad_(False), rows(), labels()),
        lambda: classified(nn.Linear(FEATURES, CLASSES)),
    ],
    ids=["encoder", "cnn", "one", "frozen", "linear"],
)
def test_it_lies_between_0_and_1(make: Callable[[], Trial]) -> None:
    assert 0 <= checked(make).trainability <= 1


@pytest.mark.parametrize("name", BROKEN)
def test_errors_are_not_trainable_and_health_is(name: str) -> None:
    report = checked(BROKEN[name][0])
    if report.verdict == "broken" and report.findings[0].kind in {"nonfinite", "vanishing", "dead"}:
        assert report.trainability < 0.5


def test_what_is_healthy_is_trainable() -> None:
    report = checked(lambda: classified(zeroed(mlp(1, nn.Sigmoid))))
    assert (report.verdict == "healthy") == (report.trainability > 0.5)


# Verdict and order


def test_the_order_of_kinds() -> None:
    report = checked(several)
    assert len(report.findings) >= 2, str(report)
    keys = [(one.severity != "error", KINDS.index(one.kind)) for one in report.findings]
    assert keys == sorted(keys)
    assert report.verdict == "warning"


def test_errors_come_first() -> None:
    def make() -> Trial:
        trial = several()
        filled(trial.model, "6.bias", -50.0)
        return trial

    report = checked(make)
    assert report.verdict == "broken"
    severities = [one.severity for one in report.findings]
    assert severities == sorted(severities)
    assert {"error", "warning"} == set(severities)


@pytest.mark.parametrize("name", BROKEN)
def test_a_finding_is_whole(name: str) -> None:
    trial = built(BROKEN[name][0])
    report = trial.check()
    known = {n for n, _ in (*trial.model.named_parameters(), *trial.model.named_modules())}
    for one in report.findings:
        assert one.kind in KINDS
        assert one.severity in {"warning", "error"}
        assert one.where
        assert set(one.where) <= known
        assert len(one.where) == len(set(one.where))
        for text in (one.evidence, one.remedy):
            assert text == text.strip()
            assert 10 < len(text) < 500
            assert "\n" not in text
            assert "nan" not in text.lower().replace("inf or nan", "").replace("nan and", "")
        assert any(letter.isdigit() for letter in one.evidence)
        if one.limit is not None:
            assert one.value is not None
            assert one.limit.unit
            assert (Path(fanin.__file__).parents[2] / one.limit.source).is_file()


def test_the_verdict_is_that_of_the_worst() -> None:
    report = checked(BROKEN["all-zero"][1])
    names = ("kind", "severity", "where", "evidence", "remedy")
    warning = Finding(**dict(zip(names, ("dead", "warning", ("a",), "e", "r"), strict=True)))
    error = Finding(**dict(zip(names, ("dead", "error", ("a",), "e", "r"), strict=True)))
    for findings, verdict in (
        ((), "healthy"),
        ((warning,), "warning"),
        ((error,), "broken"),
        ((error, warning), "broken"),
    ):
        made = fanin.Report(report.observation, findings, 0.5, ())
        assert made.verdict == verdict


# Layers


def test_a_row_for_each_weight_in_the_order_of_execution() -> None:
    report = checked(lambda: classified(mlp()))
    assert [layer.name for layer in report.layers] == [
        "0.weight",
        "2.weight",
        "4.weight",
        "6.weight",
    ]
    assert [(layer.fan_in, layer.fan_out) for layer in report.layers] == [
        (16, 64), (64, 64), (64, 64), (64, 5)
    ]  # fmt: skip
    assert {layer.op for layer in report.layers} == {"linear"}
    assert all(layer.findings == () for layer in report.layers)


def test_their_numbers_are_those_of_the_pass() -> None:
    trial = built(lambda: classified(mlp(1, nn.Tanh)))
    report = trial.check()
    hidden = trial.model[0](trial.inputs)
    F.cross_entropy(trial.model(trial.inputs), trial.targets).backward()
    row = report.layers[0]
    assert row.forward == pytest.approx(hidden.square().mean().sqrt().item(), rel=0.05)
    assert row.weight == pytest.approx(trial.model[0].weight.square().mean().sqrt().item())
    assert row.weight_gradient == pytest.approx(
        trial.model[0].weight.grad.square().mean().sqrt().item(), rel=1e-4
    )
    assert row.step == pytest.approx(
        row.forward / trial.inputs.square().mean().sqrt().item(), rel=0.05
    )
    assert row.gradient is not None
    assert row.gradient > 0


def test_a_weight_used_twice_has_two_rows() -> None:
    report = checked(
        lambda: classified(
            Body(
                lambda m, x: m.h(m.a(m.a(x).tanh()).tanh()), a=nn.Linear(FEATURES, FEATURES),
                h=nn.Linear(FEATURES, CLASSES),
            )
        )
    )  # fmt: skip
    assert [layer.name for layer in report.layers] == ["a.weight", "a.weight", "h.weight"]


@pytest.mark.parametrize("name", BROKEN)
def test_rows_point_to_the_findings_that_name_them(name: str) -> None:
    report = checked(BROKEN[name][0])
    for layer in report.layers:
        assert layer.findings == tuple(
            index for index, one in enumerate(report.findings) if layer.name in one.where
        )


def test_the_loss_is_that_of_the_call() -> None:
    trial = built(lambda: classified(mlp()))
    expected = F.cross_entropy(trial.model(trial.inputs), trial.targets).item()
    assert trial.check().loss == pytest.approx(expected)


# Notes


def test_notes_tell_what_is_no_fault() -> None:
    def make() -> Trial:
        model = Body(lambda m, x: m.net(x), net=mlp(), spare=nn.Linear(3, 3), kept=nn.Linear(3, 3))
        model.net[0].requires_grad_(False)
        return classified(model)

    report = checked(make)
    text = "\n".join(report.notes)
    assert "spare.weight" in text
    assert "frozen" in text
    assert "net.0.weight" in text
    assert report.verdict == "healthy"
    assert all(
        note in str(report).replace("\n", " ") or note[:30] in str(report) for note in report.notes
    )


def test_a_loss_that_is_not_given_is_noted() -> None:
    report = checked(lambda: Trial(mlp(), rows(), loss=None))
    assert "projection" in str(report) or any("projection" in note for note in report.notes)
    assert report.to_dict()["objective"]["kind"]


def test_one_example_is_noted() -> None:
    assert any("one example" in note for note in checked(lambda: classified(mlp(), 1)).notes)
    assert not any("one example" in note for note in checked(lambda: classified(mlp())).notes)


def test_evaluation_mode_is_noted() -> None:
    report = checked(lambda: classified(mlp().eval()))
    assert any("evaluation mode" in note for note in report.notes)


# Handing on


@pytest.mark.parametrize("name", BROKEN)
def test_the_dict_is_json(name: str) -> None:
    report = checked(BROKEN[name][0])
    made: dict[str, Any] = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert made["verdict"] == report.verdict
    assert made["trainability"] == report.trainability
    assert [one["kind"] for one in made["findings"]] == [one.kind for one in report.findings]
    assert [one["where"] for one in made["findings"]] == [
        list(one.where) for one in report.findings
    ]
    assert [one["name"] for one in made["layers"]] == [one.name for one in report.layers]
    assert made["notes"] == list(report.notes)


def test_two_checks_give_one_dict() -> None:
    trial = built(lambda: classified(mlp(2, lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))))
    torch.manual_seed(3)
    one = trial.check().to_dict()
    torch.manual_seed(3)
    assert trial.check().to_dict() == one


@pytest.mark.parametrize(
    ("name", "fail_on", "raises"),
    [
        ("all-zero", "error", True), ("all-zero", "warning", True),
        ("half-duplicated", "error", False), ("half-duplicated", "warning", True),
    ],
)  # fmt: skip
def test_raising(name: str, fail_on: Any, raises: bool) -> None:
    report = checked(BROKEN[name][0])
    if not raises:
        report.raise_for_verdict(fail_on)
        return
    with pytest.raises(UntrainableError) as caught:
        report.raise_for_verdict(fail_on)
    assert caught.value.report is report
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, FaninError)
    assert report.findings[0].where[0] in str(caught.value)


def test_errors_alone_raise_by_default() -> None:
    checked(BROKEN["half-duplicated"][0]).raise_for_verdict()
    checked(BROKEN["half-duplicated"][1]).raise_for_verdict("warning")
    with pytest.raises(UntrainableError):
        checked(BROKEN["all-zero"][0]).raise_for_verdict()


def test_an_unknown_limit_of_raising() -> None:
    with pytest.raises(InputError, match="fail_on"):
        checked(BROKEN["all-zero"][1]).raise_for_verdict("never")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BROKEN)
def test_the_text_and_the_page(name: str, tmp_path: Path) -> None:
    report = checked(BROKEN[name][0])
    text = str(report)
    assert report.verdict.upper() in text
    assert report.findings[0].where[0] in text
    assert report.verdict in repr(report)
    page = report.to_html(tmp_path / "page.html")
    assert report.findings[0].where[0] in page.read_text()


def test_a_network_of_many_layers_has_a_short_text() -> None:
    report = checked(lambda: classified(mlp(200, width=8)))
    assert len(str(report).splitlines()) < 60


def test_a_layer_that_is_a_function_of_the_batch() -> None:
    report = checked(
        lambda: classified(
            nn.Sequential(
                nn.Linear(FEATURES, 32), Through(lambda h: h - h.mean(0)), nn.Linear(32, CLASSES)
            )
        )
    )
    assert report.verdict == "healthy"
    assert len(report.layers) == 2
    assert report.layers[0].units == 32
