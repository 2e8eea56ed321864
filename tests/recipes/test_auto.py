"""``fanin.init_(model, "auto", ...)``: it is the plan of ``recommend``, all or nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.errors import InputError, ModelError
from fanin.recipes.auto import Auto
from fanin.recipes.plans.plan import Plan
from tests.recipes.named.transformer_models import gpt2_model, ids
from tests.recipes.state import assert_same_parameters, parameter_bits, untouched_generators

X = torch.randn(32, 16, generator=torch.Generator().manual_seed(1))
T = torch.randint(0, 5, (32,), generator=torch.Generator().manual_seed(2))
SEEDS = (0, 1, -3, 2**40)

NO_INPUTS = (
    r"recipe 'auto' reads .* give it a batch, e\.g\. fanin\.init_\(model, 'auto', inputs=x\)"
)


def perceptron(**values: Any) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(16, 32, **values), nn.ReLU(), nn.BatchNorm1d(32, **values), nn.Dropout(0.3),
        nn.Linear(32, 5, **values),
    )  # fmt: skip


class Odd(nn.Module):
    """With a weight that no rule understands."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.w = nn.Linear(16, 16), nn.Parameter(torch.randn(5, 16))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.a(x).relu(), self.w.cumsum(0))


def drawn(build: Callable[[], nn.Module], **values: Any) -> nn.Module:
    return fanin.init_(build(), **values)


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_the_plan_of_recommend_bit_for_bit(seed: int) -> None:
    given = {"targets": T, "loss": F.cross_entropy}
    model = perceptron()
    plan = fanin.recommend(model, X, **given)
    expected = parameter_bits(plan.init_(model, seed))
    for recipe in (
        {},
        {"recipe": "auto"},
        {"recipe": "AUTO"},
        {"recipe": Auto()},
        {"recipe": plan},
    ):
        made = drawn(perceptron, inputs=X, seed=seed, **given, **recipe)
        assert_same_parameters(made, expected, str(recipe))


def test_of_a_transformer_too() -> None:
    batch = {"input_ids": ids(), "labels": ids()}
    model = gpt2_model(2)
    expected = parameter_bits(fanin.recommend(model, batch).init_(model, 7))
    assert_same_parameters(drawn(lambda: gpt2_model(2), inputs=batch, seed=7), expected)


def test_seed_0_is_the_default() -> None:
    assert_same_parameters(
        drawn(perceptron, inputs=X), parameter_bits(drawn(perceptron, inputs=X, seed=0))
    )


def test_another_seed_draws_other_weights() -> None:
    one, two = (drawn(perceptron, inputs=X, seed=seed) for seed in (1, 2))
    assert not torch.equal(one[0].weight, two[0].weight)  # type: ignore[index]


def test_drawing_twice_changes_nothing() -> None:
    """The plan does not depend on the weights that it replaces."""
    model = drawn(perceptron, inputs=X, seed=3)
    expected = parameter_bits(model)
    assert_same_parameters(fanin.init_(model, inputs=X, seed=3), expected)


def test_it_returns_the_model_itself_and_moves_no_generator() -> None:
    model = perceptron()
    with untouched_generators():
        assert fanin.init_(model, inputs=X) is model


def test_buffers_gradients_and_modes_stay() -> None:
    model = perceptron()
    model(X).sum().backward()
    model[0].eval()
    buffers = {name: one.clone() for name, one in model.named_buffers()}
    gradients = [one.grad for one in model.parameters()]
    fanin.init_(model, inputs=X)
    assert all(torch.equal(one, buffers[name]) for name, one in model.named_buffers())
    assert all(a.grad is b for a, b in zip(model.parameters(), gradients, strict=True))
    assert [module.training for module in model] == [False, True, True, True, True]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_parameters_keep_their_type_and_identity(dtype: torch.dtype) -> None:
    model = perceptron().to(dtype)
    before = list(model.parameters())
    fanin.init_(model, inputs=X.to(dtype))
    for one, other in zip(before, model.parameters(), strict=True):
        assert one is other
        assert one.dtype is dtype
        assert bool(one.isfinite().all())


# Errors


@pytest.mark.parametrize("recipe", [{}, {"recipe": "auto"}, {"recipe": Auto()}])
def test_without_inputs_it_is_an_error_that_says_so(recipe: dict[str, Any]) -> None:
    model = perceptron()
    before = parameter_bits(model)
    with pytest.raises(InputError, match=NO_INPUTS):
        fanin.init_(model, **recipe)
    assert_same_parameters(model, before)


def test_targets_alone_are_no_inputs() -> None:
    with pytest.raises(InputError, match=NO_INPUTS):
        fanin.init_(perceptron(), targets=T, loss=F.cross_entropy)


def test_what_is_not_understood_is_refused_and_nothing_is_drawn() -> None:
    model = Odd()
    before = parameter_bits(model)
    with pytest.raises(ModelError, match=r"'auto' does not know how 'w' should start.*'keep'"):
        fanin.init_(model, inputs=X)
    assert_same_parameters(model, before)


def test_keep_draws_the_rest() -> None:
    model = Odd()
    before = parameter_bits(model)
    fanin.init_(model, inputs=X, unmatched="keep", seed=4)
    after = parameter_bits(model)
    assert after["w"] == before["w"]
    assert after["a.weight"] != before["a.weight"]
    plan = fanin.recommend(Odd(), X)
    assert plan.unmatched == ("w",)
    assert_same_parameters(plan.init_(Odd(), 4, unmatched="keep"), after)


def test_another_word_than_error_or_keep_is_refused() -> None:
    model = perceptron()
    before = parameter_bits(model)
    with pytest.raises(InputError, match="unmatched must be 'error' or 'keep', got 'skip'"):
        fanin.init_(model, inputs=X, unmatched="skip")
    assert_same_parameters(model, before)


@pytest.mark.parametrize("seed", [True, 1.5, "a"])
def test_a_seed_that_is_no_integer_is_refused(seed: Any) -> None:
    model = perceptron()
    before = parameter_bits(model)
    with pytest.raises(InputError, match="seed must be an integer"):
        fanin.init_(model, inputs=X, seed=seed)
    assert_same_parameters(model, before)


@pytest.mark.parametrize(
    ("inputs", "loss", "error", "text"),
    [
        (X / 0, None, InputError, "NaN or infinite"),
        (X[:, :3], None, RuntimeError, "shapes cannot be multiplied"),
        (X, lambda o, t: o, InputError, "must give one number"),
        (X, lambda o, t: o.missing, AttributeError, "missing"),
    ],
)
def test_what_a_pass_raises_leaves_the_model_alone(
    inputs: Tensor, loss: Any, error: type[Exception], text: str
) -> None:
    model = perceptron()
    before = parameter_bits(model)
    with untouched_generators(), pytest.raises(error, match=text):
        fanin.init_(model, inputs=inputs, targets=T, loss=loss)
    assert_same_parameters(model, before)
    assert model.training


def test_a_failure_of_the_models_own_says_whose_it_is() -> None:
    class Broken(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("boom")

    model = Broken(16, 5)
    before = parameter_bits(model)
    with pytest.raises(KeyError, match="boom") as caught:
        fanin.init_(model, inputs=X)
    assert any("the model's own forward pass" in note for note in caught.value.__notes__)
    assert_same_parameters(model, before)


@pytest.mark.parametrize("passes", [1, 2])
def test_a_failure_in_a_later_pass_leaves_the_model_alone(passes: int) -> None:
    """Then the weights that are measured are in the model."""

    class Tired(nn.Linear):
        runs = 0

        def forward(self, x: Tensor) -> Tensor:
            type(self).runs += 1
            if type(self).runs > passes:
                raise KeyError("tired")
            return super().forward(x)

    model = Tired(16, 5)
    before = parameter_bits(model)
    with untouched_generators(), pytest.raises(KeyError, match="tired"):
        fanin.init_(model, inputs=X)
    assert_same_parameters(model, before)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (nn.ReLU(), "no parameters"),
        (nn.LazyLinear(3), "lazy"),
        (nn.Linear(16, 3, device="meta"), "meta device"),
        (3, "must be a torch.nn.Module, got int"),
    ],
)
def test_models_that_cannot_be_drawn_are_refused(model: Any, text: str) -> None:
    inputs = X.to("meta") if "meta" in text else X
    with pytest.raises((ModelError, InputError), match=text):
        fanin.init_(model, inputs=inputs)


def test_a_parameter_of_a_subclass_keeps_its_class() -> None:
    class Marked(nn.Parameter):
        pass

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.h = Marked(torch.randn(16, 16)), nn.Linear(16, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.h((x @ self.w).relu())

    model = Model()
    marked = model.w
    fanin.init_(model, inputs=X)
    assert model.w is marked
    assert type(marked) is Marked


def test_values_of_a_subclass_of_tensor_keep_it() -> None:
    class Tagged(Tensor):
        pass

    model = perceptron()
    expected = parameter_bits(fanin.init_(perceptron(), inputs=X))
    model[0].weight = nn.Parameter(model[0].weight.detach().as_subclass(Tagged))
    fanin.init_(model, inputs=X)
    assert type(model[0].weight) is Tagged
    model[0].weight = nn.Parameter(model[0].weight.detach().as_subclass(Tensor))
    assert_same_parameters(model, expected)


def test_a_complex_parameter_is_left_and_listed() -> None:
    """No scheme draws it; that is no reason to refuse the others."""

    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(16, 16, dtype=torch.cfloat))
            self.h = nn.Linear(16, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.h((x.to(torch.cfloat) @ self.w).abs())

    model = Spectral()
    before = model.w.detach().clone()
    plan = fanin.recommend(model, X)
    assert plan.unmatched == ("w",)
    with pytest.raises(ModelError, match="'w'"):
        fanin.init_(model, inputs=X)
    fanin.init_(model, inputs=X, unmatched="keep")
    assert torch.equal(model.w, before)


# The plan as a thing


def test_a_plan_survives_json_and_pickle() -> None:
    plan = fanin.recommend(perceptron(), X, T, loss=F.cross_entropy)
    assert Plan.from_dict(plan.to_dict()) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_a_plan_draws_a_second_model_of_the_same_kind() -> None:
    first, second = perceptron(), perceptron()
    plan = fanin.recommend(first, X)
    assert_same_parameters(plan.init_(second, 5), parameter_bits(plan.init_(first, 5)))


def test_a_plan_for_another_model_is_refused() -> None:
    plan = fanin.recommend(perceptron(), X)
    with pytest.raises(ModelError, match="the plan is for another model"):
        plan.init_(nn.Linear(16, 5))


def test_its_torch_code_draws_the_same_distributions() -> None:
    plan = fanin.recommend(perceptron(), X, T, loss=F.cross_entropy)
    code = plan.to_python()
    assert "fanin" not in "".join(line for line in code.splitlines() if "import" in line)
    scope: dict[str, Any] = {}
    exec(code, scope)
    model = perceptron()
    scope["init_weights"](model)
    for row in plan.rows:
        parameter = model.get_parameter(row.parameter).detach()
        if parameter.dim() > 1:
            assert float(parameter.std()) == pytest.approx(row.std, rel=0.2)
        else:
            assert torch.equal(parameter, parameter[:1].expand_as(parameter))


def test_every_row_has_a_reason_and_a_source_and_the_plan_cites_them() -> None:
    plan = fanin.recommend(gpt2_model(1), {"input_ids": ids(), "labels": ids()})
    for row in plan.rows:
        assert row.reason, row.parameter
        assert row.source, row.parameter
        assert row.source in plan.citation()


def test_the_scheme_of_a_compiled_model_is_that_of_the_model_itself() -> None:
    model = torch.compile(perceptron(), backend="eager")
    expected = [row.scheme for row in fanin.recommend(perceptron(), X).rows]
    plan = fanin.recommend(model, X)  # type: ignore[arg-type]
    assert [row.scheme for row in plan.rows] == expected
