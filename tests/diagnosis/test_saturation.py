"""Values in the flat parts of bounded functions, of softmaxes and of gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    encoder,
    filled,
    first,
    gaussian,
    kinds,
    labels,
    mlp,
    recurrent,
    rows,
    scaled,
    told,
)
from tests.observation.bodies import Body

SEEDS = (0, 1)

BOUNDED: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hardtanh": nn.Hardtanh,
    "hardsigmoid": nn.Hardsigmoid,
    "relu6": nn.ReLU6,
    "clamp": lambda: Through(lambda h: h.clamp(-1, 1)),
    "erf": lambda: Through(torch.erf),
}


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", BOUNDED)
def test_a_layer_too_large(name: str, seed: int) -> None:
    report = checked(lambda: classified(scaled(mlp(act=BOUNDED[name]), "2.weight", 100.0)), seed)
    found = first(report, "saturation", "warning")
    assert found.where == ("2.weight", "2.bias")
    assert found.value is not None
    assert found.limit is not None
    assert found.limit.value <= found.value <= 1
    (row,) = [layer for layer in report.layers if layer.name == "2.weight"]
    assert row.saturated == pytest.approx(found.value)


def test_all_layers_too_large() -> None:
    found = first(
        checked(lambda: classified(mlp(act=nn.Tanh, draw=gaussian(3.0)))), "saturation", "warning"
    )
    assert {"0.weight", "2.weight", "4.weight"} <= set(found.where)
    assert "6.weight" not in found.where


def test_a_bias_that_holds_every_unit_at_its_end() -> None:
    ends = torch.tensor([10.0, -10.0]).repeat(32)
    report = checked(lambda: classified(filled(mlp(act=nn.Tanh), "2.bias", ends)))
    assert first(report, "saturation", "error").where[0] == "2.weight"


def test_a_bounded_output_held_at_its_end() -> None:
    def make() -> Trial:
        model = nn.Sequential(*mlp(1, outputs=4), nn.Tanh())
        return Trial(
            scaled(model, "2.weight", 100.0), rows(), torch.rand(64, 4) * 2 - 1, F.mse_loss
        )

    assert first(checked(make), "saturation", "warning").where[0] == "2.weight"


def test_an_output_that_gives_no_gradient_at_all_is_an_error() -> None:
    def make() -> Trial:
        model = nn.Sequential(*mlp(1, outputs=1), nn.Sigmoid())
        return Trial(filled(model, "2.bias", -200.0), rows(), torch.rand(64, 1), F.mse_loss)

    first(checked(make), "saturation", "error")


@pytest.mark.parametrize("factor", [0.1, 1.0, 3.0])
def test_the_bulk_of_tanh_is_no_fault(factor: float) -> None:
    report = checked(lambda: classified(scaled(mlp(act=nn.Tanh), "2.weight", factor)))
    assert report.findings == (), str(report)


# Attention


def attending(mix: Callable[[Tensor, Tensor, Tensor], Tensor], factor: float) -> Trial:
    model = Body(
        lambda m, x: m.h(mix(m.q(x), m.k(x), m.v(x)).mean(1)),
        q=nn.Linear(FEATURES, FEATURES), k=nn.Linear(FEATURES, FEATURES),
        v=nn.Linear(FEATURES, FEATURES), h=nn.Linear(FEATURES, CLASSES),
    )  # fmt: skip
    for name in ("q.weight", "k.weight"):
        scaled(model, name, factor)
    return told(model, length=8)


SPELLINGS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "softmax": lambda q, k, v: torch.softmax(q @ k.transpose(1, 2) / 4, -1) @ v,
    "fused": F.scaled_dot_product_attention,
    "einsum": lambda q, k, v: torch.einsum(
        "bqk,bkd->bqd", F.softmax(torch.einsum("bqd,bkd->bqk", q, k) / 4, -1), v
    ),
    "baddbmm": lambda q, k, v: torch.bmm(
        torch.baddbmm(torch.zeros(16, 8, 8), q, k.transpose(1, 2), alpha=0.25).softmax(-1), v
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_one_hot_attention(name: str) -> None:
    found = first(checked(lambda: attending(SPELLINGS[name], 30.0)), "saturation", "warning")
    assert set(found.where) == {"q.weight", "k.weight"}
    assert checked(lambda: attending(SPELLINGS[name], 1.0)).findings == ()


def test_one_hot_attention_of_an_encoder() -> None:
    def make() -> Trial:
        trial = encoder(2)
        with torch.no_grad():
            trial.model.e.layers[1].self_attn.in_proj_weight[:64].mul_(30)
        return trial

    found = first(checked(make), "saturation", "warning")
    assert found.where == ("e.layers.1.self_attn.in_proj_weight",)


def test_two_keys_are_too_few_to_tell() -> None:
    trial = lambda: Trial(  # noqa: E731
        attending(SPELLINGS["softmax"], 30.0).model, torch.randn(16, 2, FEATURES), labels(16)
    )
    assert checked(trial).findings == ()


# Recurrent nets


def at(start: int, value: float, size: int = 32) -> Callable[[Any], Any]:
    return lambda g: g.bias_ih_l0[start : start + size].fill_(value)


STUCK: dict[str, tuple[Callable[[], Trial], str]] = {
    "lstm-input": (lambda: recurrent(nn.LSTM, at(0, -10.0)), "input gate"),
    "lstm-forget": (lambda: recurrent(nn.LSTM, at(32, -10.0)), "forget gate"),
    "lstm-output": (lambda: recurrent(nn.LSTM, at(96, -10.0)), "output gate"),
    "lstm-weights": (lambda: recurrent(nn.LSTM, lambda g: g.weight_ih_l0.mul_(50)), "gate"),
    "gru-update": (lambda: recurrent(nn.GRU, at(32, 10.0)), "update gate"),
    "gru-weights": (lambda: recurrent(nn.GRU, lambda g: g.weight_ih_l0.mul_(50)), "gate"),
    "rnn-weights": (lambda: recurrent(nn.RNN, lambda g: g.weight_ih_l0.mul_(50)), "hidden"),
    "rnn-recurrence": (lambda: recurrent(nn.RNN, lambda g: g.weight_hh_l0.mul_(50)), "hidden"),
}


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", STUCK)
def test_gates_that_are_stuck(name: str, seed: int) -> None:
    make, said = STUCK[name]
    found = first(checked(make, seed), "saturation", "warning")
    assert said in found.evidence
    assert set(found.where) == {
        f"g.{kind}_l0" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }


FAR: dict[str, Callable[[], Trial]] = {
    "lstm-input": lambda: recurrent(nn.LSTM, at(0, -20.0)),
    "lstm-forget": lambda: recurrent(nn.LSTM, at(32, -20.0)),
    "lstm-output": lambda: recurrent(nn.LSTM, at(96, -20.0)),
    "gru-update": lambda: recurrent(nn.GRU, at(32, 20.0)),
}


@pytest.mark.parametrize("seed", SEEDS, ids="seed-{}".format)
@pytest.mark.parametrize("name", FAR)
def test_gates_that_are_stuck_for_ever(name: str, seed: int) -> None:
    first(checked(FAR[name], seed), "saturation", "error")


@pytest.mark.parametrize("bias", [0.0, 1.0, 2.0, 10.0])
def test_a_forget_gate_that_is_open_is_design(bias: float) -> None:
    assert checked(lambda: recurrent(nn.LSTM, at(32, bias))).findings == ()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU], ids=["lstm", "gru"])
def test_candidates_held_at_one_end(kind: type[nn.Module]) -> None:
    report = checked(lambda: recurrent(kind, at(64, 10.0)))
    assert "saturation" in kinds(report), str(report)


def test_a_state_held_at_one_end() -> None:
    report = checked(lambda: recurrent(nn.RNN, at(0, 10.0)))
    assert kinds(report) == ["saturation"], str(report)
