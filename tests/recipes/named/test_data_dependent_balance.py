"""The form of Krahenbuhl: the model computes the same, and its weights change at one rate."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

import fanin
from fanin.errors import FaninError, InputError
from fanin.recipes import as_recipe, data_dependent
from fanin.recipes.plans.plan import Plan
from tests.recipes.named.residual_networks import (
    IMAGES,
    VECTORS,
    Block,
    assert_only_reads,
    assert_refuses,
    network,
)

BALANCED = data_dependent(form="krahenbuhl")
Make = Callable[[], nn.Module]


def against_noise(out: Tensor, _: object = None) -> Tensor:
    noise = torch.randn(out.shape, generator=torch.Generator().manual_seed(9)).to(out)
    return (out * noise).sum()


def rates(model: nn.Module, inputs: Tensor, loss: Callable[..., Tensor]) -> dict[str, float]:
    """|gradient| / |weight| of what each layer multiplies by, by autograd alone."""
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    with parametrize.cached():
        torch.manual_seed(0)
        weights = [layer.weight for layer in layers.values()]
        slopes = torch.autograd.grad(loss(model(inputs), None), weights)
    return {
        name: float(slope.detach().norm() / weight.detach().norm())
        for name, slope, weight in zip(layers, slopes, weights, strict=True)
    }


def spread(model: nn.Module, inputs: Tensor, loss: Callable[..., Tensor] = against_noise) -> float:
    found = rates(model, inputs, loss).values()
    return max(found) / min(found)


def answer(model: nn.Module, inputs: Tensor) -> Tensor:
    torch.manual_seed(4)
    with torch.no_grad():
        made: Tensor = model(inputs)
    return made


def both(
    model: nn.Module, inputs: Tensor, loss: Callable[..., Tensor] = against_noise, seed: int = 0
) -> tuple[float, float, Plan]:
    """Spread of the rates before and after, of weights with which the model computes the same."""
    as_recipe("data_dependent").plan(model, inputs, loss=loss, seed=seed).init_(model, seed)
    first, before = answer(model, inputs), spread(model, inputs, loss)
    plan = BALANCED.plan(model, inputs, loss=loss, seed=seed)
    plan.init_(model)
    change = (answer(model, inputs) - first).abs().max()
    assert change <= 2e-4 * first.std()
    return before, spread(model, inputs, loss), plan


def deep(
    act: Make = nn.ReLU, *, bias: bool = True, made: Callable[[nn.Module], nn.Module] = lambda m: m
) -> nn.Sequential:
    """A small VGG."""
    widths = [3, 8, 12, 16, 16, 24]
    layers: list[nn.Module] = []
    for place, (n, m) in enumerate(pairwise(widths)):
        groups = 2 if place == 3 else 1
        layers += [made(nn.Conv2d(n, m, 3, padding=1, bias=bias, groups=groups)), act()]
        if place in {1, 3}:
            layers.append(nn.MaxPool2d(2) if place == 1 else nn.AvgPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), made(nn.Linear(96, 20, bias=bias)), act(),
        made(nn.Linear(20, 5, bias=bias)),
    )  # fmt: skip


PICTURES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("act", [nn.ReLU, lambda: nn.LeakyReLU(0.1), nn.PReLU])
def test_a_deep_convolutional_network_changes_at_one_rate(act: Make, bias: bool) -> None:
    before, after, plan = both(deep(act, bias=bias), PICTURES)
    assert before > 3
    assert after < 1.01
    assert "7 weights" in plan.notes[0]
    assert "1511.06856" in plan.citation()


def test_of_weight_norm_the_lengths_are_scaled() -> None:
    before, after, plan = both(deep(made=weight_norm), PICTURES)
    assert before > 3
    assert after < 1.01
    own = as_recipe("data_dependent").plan(deep(made=weight_norm), PICTURES, loss=against_noise)
    name = "2.parametrizations.weight.original"
    assert plan.row(f"{name}1").scheme == own.row(f"{name}1").scheme
    assert plan.row(f"{name}0").scheme != own.row(f"{name}0").scheme


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(4, 24), min_size=1, max_size=6),
    st.floats(0.1, 10.0),
    st.floats(0.0, 0.5),
    st.integers(0, 99),
)
def test_any_perceptron(widths: list[int], size: float, slope: float, seed: int) -> None:
    layers = [
        layer
        for before, after in zip([6, *widths], [*widths, 3], strict=True)
        for layer in (nn.Linear(before, after), nn.LeakyReLU(slope + 0.01))
    ]
    model = nn.Sequential(*layers[:-1]).double()
    _, after, _ = both(model, (VECTORS * size).double(), seed=seed)
    assert after == pytest.approx(1.0, abs=1e-6)


def test_every_unit_keeps_its_normalisation_up_to_one_scale_per_layer() -> None:
    model = BALANCED.plan(deep(), PICTURES).init_(deep())
    signal = model[0](PICTURES).detach().movedim(1, 0).flatten(1)
    variance, mean = torch.var_mean(signal, 1, correction=0)
    assert variance / variance[0] == pytest.approx(torch.ones(8), rel=1e-3)
    assert mean == pytest.approx(torch.zeros(8), abs=1e-4 * float(variance[0]) ** 0.5)


def test_the_rates_are_those_of_the_loss_that_is_given() -> None:
    targets = torch.arange(16) % 5

    def loss(out: Tensor, _: object = None) -> Tensor:
        return F.cross_entropy(out, targets)

    _, after, plan = both(deep(), PICTURES, loss)
    assert after < 1.01
    assert plan != BALANCED.plan(deep(), PICTURES)
    doubled = BALANCED.plan(deep(), PICTURES, loss=lambda out, _: 2 * loss(out))
    factors = [p.row("2.weight").scheme.factors[0] for p in (plan, doubled)]  # type: ignore[attr-defined]
    assert factors[0] == pytest.approx(factors[1], rel=1e-5)  # the scale of a loss sets nothing


def test_without_a_loss_a_projection_stands_in() -> None:
    model = deep()
    BALANCED.plan(model, PICTURES).init_(model)
    assert spread(model, PICTURES) < 2.0  # of another projection


def test_a_scale_passes_dropout_factors_and_the_greater_of_two() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 40), nn.Linear(40, 30), nn.Linear(30, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.b(F.dropout(self.a(x).relu(), 0.2, self.training) * 3)
            return self.c(torch.maximum(y, -0.5 * y)) / 2  # type: ignore[no-any-return]

    assert "3 weights" in BALANCED.plan(Net(), VECTORS).notes[0]
    assert both(Net().eval(), VECTORS)[1] < 1.01


def test_a_weight_that_is_used_twice_passes_the_scale_on() -> None:
    shared = nn.Linear(16, 16, bias=False)
    model = nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(16, 3)
    )
    _, _, plan = both(model, VECTORS)
    assert "2 weights" in plan.notes[0]
    assert "'2.weight': it is used more than once" in plan.notes[1]
    found = rates(model, VECTORS, against_noise)
    assert found["0"] == pytest.approx(found["6"], rel=1e-3)


def test_a_residual_network_keeps_what_it_computes_and_comes_nearer() -> None:
    before, after, plan = both(network(lambda: Block(8, norms=False), blocks=3), IMAGES)
    assert after < before / 2
    assert "8 weights" in plan.notes[0]
    model = plan.init_(network(lambda: Block(8, norms=False), blocks=3))
    measured = rates(model, IMAGES, against_noise)
    for place in "123":  # the scales of a branch have the product 1
        pair = measured[f"{place}.conv1"] / measured[f"{place}.conv2"]
        assert pair == pytest.approx(1.0, rel=1e-2)


def test_what_tanh_stands_between_stays_and_says_so() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Tanh(), nn.Flatten(),
        nn.Linear(32, 5),
    )  # fmt: skip
    own = as_recipe("data_dependent").plan(model, IMAGES)
    plan = BALANCED.plan(model, IMAGES)
    assert plan.row("5.weight") == own.row("5.weight")
    assert plan.row("2.bias") == own.row("2.bias")
    assert plan.row("0.weight") != own.row("0.weight")
    assert "'5.weight': between tanh in '3' and the model's output" in plan.notes[1]


def shift(h: Tensor) -> Tensor:
    return h.relu() + 1


def beside_ones(h: Tensor) -> Tensor:
    return torch.cat([h[..., :4], torch.ones_like(h[..., 4:])], -1)


def squared(h: Tensor) -> Tensor:
    return h * h


def relu6(h: Tensor) -> Tensor:
    return F.relu6(h)


def padded(h: Tensor) -> Tensor:
    return F.pad(h[..., 2:], (1, 1), value=1.0)


@pytest.mark.parametrize("function", [shift, beside_ones, squared, relu6, padded, F.gelu])
def test_what_does_not_scale_with_its_input_is_found(function: Callable[..., Tensor]) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(function(self.a(x))).relu())  # type: ignore[no-any-return]

    model = Net().double()
    nn.init.constant_(model.a.bias, 0.0)
    x = VECTORS.double()
    if function in {beside_ones, padded}:
        plan = data_dependent(form="krahenbuhl").plan(model, x)
    else:
        _, _, plan = both(model, x)
    assert "2 weights" in plan.notes[0]
    assert "'a.weight': between the model's input and" in plan.notes[1]


def test_a_learned_signal_that_is_added_holds_its_scale() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
            self.position = nn.Parameter(torch.ones(4, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(torch.relu(self.a(x) + self.position)).relu())  # type: ignore[no-any-return]

    _, _, plan = both(Net(), VECTORS.view(16, 4, 6))
    assert "'a.weight': between the model's input and add of 'position'" in plan.notes[1]


def test_a_frozen_weight_passes_the_scale_on() -> None:
    model = nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)
    )
    nn.init.zeros_(model[2].bias)
    model[2].requires_grad_(requires_grad=False)
    first = BALANCED.plan(model, VECTORS)
    assert "2 weights" in first.notes[0]
    assert first.kept == ("2.weight", "2.bias")
    plain = as_recipe("data_dependent").plan(model, VECTORS).init_(model)
    out = answer(plain, VECTORS)
    assert answer(first.init_(model), VECTORS) == pytest.approx(out, abs=1e-4)


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 4, 3)), "tanh in '1'"),
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)),
            "batch_norm in '1'",
        ),
        (nn.Sequential(nn.Conv2d(3, 8, 3)), "the model's input and the model's output"),
    ],
)
def test_where_no_weight_can_be_balanced_it_is_refused(model: nn.Module, word: str) -> None:
    assert_refuses(BALANCED, model, IMAGES, "'0.weight'", word, "form='salimans'")


def test_what_hangs_on_the_scale_in_a_way_that_is_not_seen_is_refused() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 64), nn.Linear(64, 3)

        def forward(self, x: Tensor) -> Tensor:
            h = self.a(x).relu()
            return self.b(h * 2 if 0.398 < float(h.detach().mean()) < 0.4 else h)  # type: ignore[no-any-return]

    x = torch.randn(4096, 6, generator=torch.Generator().manual_seed(1))
    assert_refuses(BALANCED, Net(), x, "does not scale with what it reads", "form='salimans'")


def test_the_model_is_only_read_and_the_plan_is_the_same_every_time() -> None:
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
    plan = assert_only_reads(BALANCED, model, VECTORS, seed=3)
    assert plan.seed == 3
    assert "data_dependent(form='krahenbuhl')" in plan.to_python()
    with pytest.raises(InputError, match="holds for no other"):
        plan.init_(model, 4)


@pytest.mark.parametrize("form", ["orthonormal", None, 1])
def test_another_form_is_refused(form: object) -> None:
    with pytest.raises(FaninError, match=r"no form is called .*krahenbuhl, salimans"):
        data_dependent(form=form)  # type: ignore[arg-type]


def test_by_init_in_one_line() -> None:
    model = fanin.init_(deep(), BALANCED, inputs=PICTURES, loss=against_noise, seed=5)
    assert spread(model, PICTURES) < 1.01


@pytest.mark.parametrize("text", ["krahenbuhl", "data_dependent:krahenbuhl", "salimans:Krahenbuhl"])
def test_the_form_goes_by_name(text):
    assert as_recipe(text) == data_dependent(form="krahenbuhl")


def test_the_other_form_goes_by_name_too_and_a_slip_is_told():
    assert as_recipe("salimans") == as_recipe("data_dependent:salimans") == data_dependent()
    with pytest.raises(InputError, match=r"no form is called .* Did you mean krahenbuhl"):
        as_recipe("data_dependent:kraehenbuhl")
