"""One forward pass in which what each weight puts out may be changed before it flows on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin.errors import InputError, ModelError
from fanin.observation.intervening import Change, Site, intervene
from tests.observation.bodies import Body, weight
from tests.observation.snapshot import differences, snapshot

X = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def visits(model: nn.Module, inputs: object = X) -> list[tuple[tuple[str, str, str, str], ...]]:
    """What ``change`` was told, in order."""
    told: list[tuple[tuple[str, str, str, str], ...]] = []

    def change(sites: tuple[Site, ...], output: Tensor) -> None:
        told.append(tuple((s.parameter, s.role, s.op, s.module) for s in sites))

    intervene(model, inputs, change)
    return told


def names(model: nn.Module, inputs: object = X) -> list[str]:
    return [sites[0][0] for sites in visits(model, inputs)]


def to_one(scales: list[float]) -> Change:
    """Brings the RMS of each output to 1, and says what it was."""

    def change(sites: tuple[Site, ...], output: Tensor) -> None:
        scales.append(float(output.square().mean().sqrt()))
        output.div_(scales[-1])

    return change


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)
    )


def test_each_operation_with_a_weight_is_told_with_all_that_it_reads() -> None:
    assert visits(plain()) == [
        ((f"{n}.weight", "weight", "linear", n), (f"{n}.bias", "bias", "linear", n)) for n in "024"
    ]


def test_what_is_written_flows_on() -> None:
    """Later scales are those of a model whose earlier outputs have RMS 1."""
    model, scales = plain(), []  # type: ignore[var-annotated]
    intervene(model, X, to_one(scales))
    signal, expected = X, []
    with torch.no_grad():
        for layer in model:
            signal = layer(signal)
            if isinstance(layer, nn.Linear):
                expected.append(float(signal.square().mean().sqrt()))
                signal = signal / expected[-1]
    assert scales == pytest.approx(expected, rel=1e-5)


def test_without_a_change_the_model_runs_as_ever() -> None:
    model = plain()
    seen: list[Tensor] = []
    intervene(model, X, lambda sites, output: seen.append(output.clone()))
    assert torch.equal(seen[-1], model(X))


def test_a_replaced_output_reaches_the_end() -> None:
    caught: list[Tensor] = []
    model = Body(lambda m, x: caught.append(m.a(x) * 2), a=nn.Linear(8, 4))
    intervene(model, X, lambda sites, output: output.fill_(3.0))
    assert bool((caught[0] == 6.0).all())


def test_the_model_is_as_before_bit_for_bit() -> None:
    model = nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3)
    )
    model(X).sum().backward()
    before = snapshot(model)
    intervene(model, X, to_one([]))
    assert differences(before, snapshot(model)) == []


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_of_the_model_is_the_one_that_runs(mode: bool) -> None:
    seen: list[bool] = []

    def forward(m: Any, x: Tensor) -> Tensor:
        seen.append(m.training)
        out: Tensor = m.a(x)
        return out

    model = Body(forward, a=nn.Linear(8, 4)).train(mode)
    intervene(model, X, lambda sites, output: None)
    assert seen == [mode]
    assert model.training is mode


@pytest.mark.parametrize("at", ["forward", "change"])
def test_so_it_is_when_something_raises(at: str) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        with torch.no_grad():
            m.a.weight.add_(1)
        out: Tensor = m.a(x)
        if at == "forward":
            raise KeyError("boom")
        return out

    def change(sites: tuple[Site, ...], output: Tensor) -> None:
        output.zero_()
        if at == "change":
            raise KeyError("boom")

    model = Body(forward, a=nn.Linear(8, 4))
    before = snapshot(model)
    with pytest.raises(KeyError, match="boom"):
        intervene(model, X, change)
    assert differences(before, snapshot(model)) == []


def test_the_inputs_are_as_before_though_the_model_writes_into_them() -> None:
    model = Body(lambda m, x: m.a(x.mul_(2)), a=nn.Linear(8, 4))
    inputs = X.clone()
    intervene(model, inputs, lambda sites, output: output.zero_())
    assert torch.equal(inputs, X)


@pytest.mark.parametrize("surrounded", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_it_runs_in_every_gradient_mode(surrounded: Any) -> None:
    model, scales = plain(), []  # type: ignore[var-annotated]
    with surrounded():
        intervene(model, X, to_one(scales))
    assert len(scales) == 3


def test_a_module_that_is_used_twice_is_told_twice() -> None:
    model = Body(lambda m, x: m.h(m.a(m.a(x).relu())), a=nn.Linear(8, 8), h=nn.Linear(8, 2))
    assert names(model) == ["a.weight", "a.weight", "h.weight"]


def test_a_tied_weight_is_told_under_its_first_name_at_both_places() -> None:
    model = Body(
        lambda m, i: m.head(m.table(i)), table=nn.Embedding(9, 8), head=nn.Linear(8, 9, bias=False)
    )
    model.head.weight = model.table.weight  # type: ignore[union-attr,assignment]
    told = visits(model, torch.randint(0, 9, (4, 5)))
    assert [sites[0][:3] for sites in told] == [
        ("table.weight", "table", "embedding"),
        ("table.weight", "weight", "linear"),
    ]


def test_matmuls_einsums_and_convolutions_are_told() -> None:
    model = Body(
        lambda m, x: torch.einsum("bi,eio->beo", F.relu(x @ m.w), m.v),
        w=weight(8, 6),
        v=weight(3, 6, 4),
    )
    assert [sites[0][:2] for sites in visits(model)] == [("w", "weight"), ("v", "weight")]
    conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 2))
    assert names(conv, torch.randn(2, 3, 6, 6)) == ["0.weight", "1.weight"]


def test_norms_and_factors_are_no_weights() -> None:
    model = Body(
        lambda m, x: m.norm(m.a(x)) * m.g + m.s, a=nn.Linear(8, 4), norm=nn.LayerNorm(4),
        g=torch.ones(4), s=torch.zeros(4),
    )  # fmt: skip
    assert names(model) == ["a.weight"]


def test_a_recurrent_layer_is_one_operation_with_all_its_weights() -> None:
    (sites,) = visits(nn.LSTM(8, 4, 2), torch.randn(5, 2, 8))
    found = {name for name, role, _, _ in sites if role == "weight"}
    assert found == {f"weight_{kind}_l{n}" for kind in ("ih", "hh") for n in (0, 1)}


def test_weight_norm_tells_the_length_beside_the_direction() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 4)))
    roles = {role: name for name, role, _, _ in visits(model)[0]}
    assert roles["magnitude"] == "0.parametrizations.weight.original0"
    assert roles["weight"] == "0.parametrizations.weight.original1"


def test_attention_tells_its_projections_in_order() -> None:
    x = torch.randn(2, 5, 8)
    model = Body(
        lambda m, x: m.mixer(x, x, x, need_weights=False)[0],
        mixer=nn.MultiheadAttention(8, 2, batch_first=True),
    )
    found = names(model, x)
    assert found[0] == "mixer.in_proj_weight"
    assert found[-1] == "mixer.out_proj.weight"


def test_a_change_under_a_weight_that_requires_a_gradient_is_no_error() -> None:
    """What it writes into is part of a graph; it runs under ``no_grad``."""
    seen: list[bool] = []

    def change(sites: tuple[Site, ...], output: Tensor) -> None:
        seen.append(torch.is_grad_enabled())
        output.mul_(2)

    intervene(plain(), X, change)
    assert seen == [False] * 3


def test_frozen_weights_are_told_too() -> None:
    model = plain()
    model[0].requires_grad_(False)
    assert names(model) == ["0.weight", "2.weight", "4.weight"]


def test_dicts_and_tuples_are_passed_on() -> None:
    model = Body(lambda m, x, z=None: m.a(x) + m.b(z), a=nn.Linear(8, 4), b=nn.Linear(3, 4))
    z = torch.randn(6, 3)
    assert names(model, (X, z)) == names(model, {"x": X, "z": z}) == ["a.weight", "b.weight"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_outputs_have_the_type_of_the_model(dtype: torch.dtype) -> None:
    seen: list[torch.dtype] = []
    intervene(plain().to(dtype), X.to(dtype), lambda sites, output: seen.append(output.dtype))
    assert seen == [dtype] * 3


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(ModelError, match="no parameters"):
        intervene(nn.ReLU(), X, lambda sites, output: None)


def test_a_lazy_model_is_refused() -> None:
    with pytest.raises(ModelError, match="lazy"):
        intervene(nn.LazyLinear(3), X, lambda sites, output: None)


def test_inputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        intervene(plain(), X / 0, lambda sites, output: None)


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(ModelError, match="got int"):
        intervene(3, X, lambda sites, output: None)  # type: ignore[arg-type]
