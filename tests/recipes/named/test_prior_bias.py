"""The head's bias from the targets."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin import recipes, schemes
from fanin.errors import DataError, InputError, ModelError
from fanin.recipes import Batch, Plan, planned
from tests.recipes.state import assert_same_parameters, parameter_bits

generator = torch.Generator().manual_seed(3)
X = torch.randn(200, 5, generator=generator)
LABELS = torch.multinomial(torch.tensor([0.8, 0.15, 0.05]), 200, True, generator=generator)


def net(out: int, *after: nn.Module, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, out, bias=bias), *after)


def plan_of(model: nn.Module, targets: object, loss: object, **named: object) -> Plan:
    return planned(recipes.prior_bias(**named), model, Batch(X, targets, loss))


def bias(plan: Plan, name: str = "2.bias") -> Tensor:
    row = plan.row(name)
    return row.scheme.init_(torch.empty(row.shape, dtype=torch.float64))


@given(st.lists(st.integers(0, 5), min_size=200, max_size=200), st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=15, deadline=None)
def test_cross_entropy_gets_smoothed_log_frequencies(labels: list[int], smoothing: float) -> None:
    plan = plan_of(net(6), torch.tensor(labels), F.cross_entropy, smoothing=smoothing)
    for k, value in enumerate(bias(plan).tolist()):
        share = (labels.count(k) + smoothing) / (200 + 6 * smoothing)
        assert math.isclose(value, math.log(share), rel_tol=1e-12)


# (targets, loss, head): for each the loss of the bias alone is to be the least.
CASES: dict[str, tuple[Tensor, Callable[..., Tensor], Callable[[], nn.Module]]] = {
    "cross entropy": (LABELS, F.cross_entropy, lambda: net(3)),
    "probabilities": (torch.rand(200, 3).softmax(1), F.cross_entropy, lambda: net(3)),
    "log softmax": (LABELS, F.nll_loss, lambda: net(3, nn.LogSoftmax(1))),
    "two sigmoids": (
        (torch.rand(200, 2) < torch.tensor([0.03, 0.6])).float(),
        F.binary_cross_entropy_with_logits,
        lambda: net(2),
    ),
    "sigmoid": (
        (torch.rand(200, 1) < 0.1).float(),
        F.binary_cross_entropy,
        lambda: net(1, nn.Sigmoid()),
    ),
    "squares": (torch.randn(200, 2) + torch.tensor([5.0, -2.0]), F.mse_loss, lambda: net(2)),
    "absolute": (torch.rand(200, 1).exp() ** 3, F.l1_loss, lambda: net(1)),
}


@pytest.mark.parametrize("case", CASES)
def test_no_other_bias_has_less_loss_without_an_input(case: str) -> None:
    targets, loss, build = CASES[case]
    plan = plan_of(build(), targets, loss, smoothing=1e-6)
    after = build()[3:]

    def of(values: Tensor) -> float:
        outputs = values.expand(200, -1)
        for module in after:
            outputs = module(outputs)
        return float(loss(outputs, targets.double() if targets.is_floating_point() else targets))

    best = bias(plan)
    assert not bool((best == 0).all())
    for unit in range(len(best)):
        for step in (-0.05, 0.05):
            other = best.clone()
            other[unit] += step
            assert of(other) >= of(best) - 1e-9, (unit, step)


def test_the_rest_is_another_recipes_or_kept() -> None:
    model = net(3)
    default = recipes.default().plan(model)
    plan = plan_of(model, LABELS, F.cross_entropy)
    assert [row for row in plan.rows if row.parameter != "2.bias"] == list(default.rows[:3])
    he = plan_of(model, LABELS, F.cross_entropy, base="he_normal")
    assert he.row("0.weight").scheme == schemes.he_normal()
    for keep in (None, "keep"):
        kept = plan_of(model, LABELS, F.cross_entropy, base=keep)
        assert [row.parameter for row in kept.rows] == ["2.bias"]
        assert kept.kept == ("0.weight", "0.bias", "2.weight")


def test_init_starts_at_the_loss_of_the_frequencies_where_the_weight_is_0() -> None:
    base = {"2.weight": "zeros", "*": "he_normal"}
    model = fanin.init_(
        net(3), recipes.prior_bias(base), inputs=X, targets=LABELS, loss=F.cross_entropy
    )
    share = torch.bincount(LABELS).double() / 200
    expected = float(-(share * share.log()).sum())
    assert abs(float(F.cross_entropy(model(X), LABELS).detach()) - expected) < 1e-3


@pytest.mark.parametrize("pi", [0.01, 0.5, 0.9])
def test_a_probability_needs_no_targets(pi: float) -> None:
    plan = planned(recipes.prior_bias(pi=pi), net(4), Batch(X))
    assert torch.allclose(bias(plan).sigmoid(), torch.full((4,), pi, dtype=torch.float64))
    assert recipes.as_recipe(f"prior_bias:{pi}") == recipes.prior_bias(pi=pi)
    if pi == 0.01:
        assert math.isclose(float(bias(plan)[0]), -4.59512, rel_tol=1e-6)


def test_labels_of_a_map_of_pixels_count_one_by_one_and_ignored_ones_do_not() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    labels = torch.zeros(2, 5, 5, dtype=torch.long)
    labels[0, 0] = 2
    labels[1, 1] = -100
    batch = Batch(torch.randn(2, 2, 5, 5), labels, F.cross_entropy)
    got = bias(planned(recipes.prior_bias(smoothing=1.0), model, batch))
    counts = torch.tensor([40.0, 0.0, 5.0], dtype=torch.float64)
    assert torch.allclose(got, ((counts + 1) / 48).log())


def test_the_mean_of_maps_is_by_channel() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    targets = torch.randn(2, 3, 5, 5).add(torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1))
    batch = Batch(torch.randn(2, 2, 5, 5), targets, F.mse_loss)
    got = bias(planned(recipes.prior_bias(), model, batch))
    assert torch.allclose(got, targets.double().mean((0, 2, 3)))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.classes, self.boxes = nn.Linear(5, 7), nn.Linear(7, 3), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x).relu()
        return self.classes(x), self.boxes(x)


def test_of_several_heads_one_is_named() -> None:
    with pytest.raises(ModelError, match=r"'classes\.weight', 'boxes\.weight'.*head="):
        planned(recipes.prior_bias(pi=0.01), Two(), Batch(X))
    plan = planned(recipes.prior_bias(pi=0.01, head="classes"), Two(), Batch(X))
    assert plan.row("classes.bias").scheme.name == "constant"
    assert plan.row("boxes.bias").scheme == schemes.torch_default()
    with pytest.raises(ModelError, match="'score'"):
        planned(recipes.prior_bias(pi=0.01, head="score"), Two(), Batch(X))


@pytest.mark.parametrize(
    ("model", "loss", "what"),
    [
        (net(3, bias=False), F.cross_entropy, r"'2\.weight' has none.*bias=True"),
        (net(3, nn.Tanh()), F.cross_entropy, r"tanh lies between.*'2\.weight'"),
        (net(3), F.multi_margin_loss, "multi_margin_loss"),
        (net(3), lambda out, y: (out.mean() - y.float().mean()) ** 2, "no loss of torch"),
    ],
    ids=["no bias", "tanh", "margin", "by hand"],
)
def test_where_the_best_guess_is_no_bias_the_error_says_why(
    model: nn.Module, loss: object, what: str
) -> None:
    with pytest.raises(ModelError, match=what):
        plan_of(model, LABELS, loss)


def test_a_frozen_head_is_an_error() -> None:
    model = net(3)
    model[2].bias.requires_grad_(False)
    with pytest.raises(ModelError, match=r"'2\.bias' requires no gradient"):
        plan_of(model, LABELS, F.cross_entropy)


def test_without_targets_inputs_or_loss_it_says_what_to_give() -> None:
    for batch, what in (
        (Batch(), "batch"),
        (Batch(X), r"targets=y.*prior_bias:0\.01"),
        (Batch(X, LABELS), "loss=torch"),
    ):
        with pytest.raises(InputError, match=what):
            planned(recipes.prior_bias(), net(3), batch)


@pytest.mark.parametrize(
    ("targets", "loss", "out", "smoothing", "what"),
    [
        (LABELS, lambda o, y: F.cross_entropy(o[:, :3], y), 3, 0.0, None),
        (LABELS.clamp(max=1), F.cross_entropy, 3, 0.0, "class 2"),
        (torch.ones(200, 2), F.binary_cross_entropy_with_logits, 2, 0.0, "infinite"),
        (torch.randn(200), lambda o, y: F.mse_loss(o[:, 0], y), 2, 1.0, "2 units"),
    ],
)
def test_targets_that_do_not_fit_are_named(
    targets: Tensor, loss: object, out: int, smoothing: float, what: str | None
) -> None:
    if what is None:
        plan_of(net(out), targets, loss, smoothing=smoothing)
        return
    with pytest.raises(DataError, match=what):
        plan_of(net(out), targets, loss, smoothing=smoothing)


@pytest.mark.parametrize(
    "named", [{"pi": 0.0}, {"pi": 1}, {"pi": "0.1"}, {"smoothing": -1}, {"smoothing": None}]
)
def test_arguments_out_of_range_are_refused(named: dict[str, object]) -> None:
    with pytest.raises(InputError, match="|".join(named)):
        recipes.prior_bias(**named)


def test_a_base_that_does_not_apply_says_whose_base_it_is() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.head = nn.Parameter(torch.ones(5)), nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x * self.scale)

    with pytest.raises(ModelError, match="'scale'") as caught:
        plan_of(Own(), LABELS, F.cross_entropy)
    assert "base='auto'" in "".join(caught.value.__notes__)
    assert plan_of(Own(), LABELS, F.cross_entropy, base="keep").kept == ("scale", "head.weight")


def test_a_model_that_makes_its_own_loss_is_read_with_targets_beside_it() -> None:
    from tests.zoo import torchvision_ops

    torchvision_ops.declare()
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=8, num_labels=3,
    )  # fmt: skip
    labels = torch.tensor([0, 0, 1, 0])
    inputs = {"input_ids": torch.randint(0, 30, (4, 6)), "labels": labels}
    plan = planned(
        recipes.prior_bias("keep"), BertForSequenceClassification(config), Batch(inputs, labels)
    )
    expected = (torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64) / 7).log()
    assert torch.allclose(bias(plan, "classifier.bias"), expected)


def test_the_model_is_only_read_and_plans_are_equal() -> None:
    model = net(3)
    before = parameter_bits(model)
    assert plan_of(model, LABELS, F.cross_entropy) == plan_of(model, LABELS, F.cross_entropy)
    assert_same_parameters(model, before)
    assert str(recipes.prior_bias()) == "prior_bias"
