"""Recipes by patterns of parameter names."""

from __future__ import annotations

import pickle
from fnmatch import fnmatchcase

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import fanin
from fanin import recipes, schemes
from fanin.errors import InputError, ModelError, UnknownNameError
from fanin.recipes import Batch, ByPattern, OneScheme, as_recipe, planned
from tests.recipes.state import assert_same_parameters, parameter_bits, untouched_generators

X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))


class Body(nn.Module):
    """A model with a norm, a residual branch and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(5, 8)
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.down(self.up(self.norm(x)).relu())
        return self.head(x)


class Own(nn.Module):
    """A parameter that no module of torch.nn owns."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((5,), 3.0))
        self.head = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x * self.scale)


def made(mapping: dict[str, object], model: nn.Module, inputs: object = None) -> dict[str, object]:
    plan = planned(as_recipe(mapping), model, Batch(inputs))
    return {row.parameter: row.scheme for row in plan.rows}


@pytest.mark.parametrize("inputs", [None, X], ids=["without inputs", "with inputs"])
def test_the_first_pattern_that_matches_wins(inputs: object) -> None:
    mapping = {
        "norm.weight": schemes.constant(2.0),
        "head.*": schemes.zeros(),
        "*": "he_normal",
        "unreached*": "ones",
    }
    del mapping["unreached*"]
    got = made(mapping, Body(), inputs)
    assert got["norm.weight"] == schemes.constant(2.0)
    assert got["head.weight"] == schemes.zeros()
    assert got["up.weight"] == schemes.he_normal()
    assert got["norm.bias"] == got["up.bias"] == schemes.zeros()
    assert list(got) == [name for name, _ in Body().named_parameters()]


@pytest.mark.parametrize("inputs", [None, X], ids=["without inputs", "with inputs"])
def test_a_scheme_on_weights_and_others_leaves_biases_0_and_norms_1(inputs: object) -> None:
    got = made({"*": schemes.ones()}, Body(), inputs)
    assert got["stem.weight"] == schemes.ones()
    assert got["stem.bias"] == schemes.zeros()
    assert got["norm.weight"] == schemes.ones()


@pytest.mark.parametrize("inputs", [None, X], ids=["without inputs", "with inputs"])
def test_a_scheme_on_others_alone_is_put_on_them_directly(inputs: object) -> None:
    got = made({"*.bias": "normal:0.5", "norm.*": "constant:3", "*": "he_normal"}, Body(), inputs)
    assert got["norm.bias"] == got["head.bias"] == schemes.normal(std=0.5)
    assert got["norm.weight"] == schemes.constant(3.0)


def test_a_pattern_is_for_weights_by_all_that_it_matches_not_by_what_is_left_to_it() -> None:
    got = made({"*.weight": "xavier_normal", "*": "he_normal"}, Body())
    assert got["stem.bias"] == schemes.zeros()


def test_a_recipe_plans_the_whole_model_and_gives_the_rows_of_its_names() -> None:
    model = Body()
    whole = {row.parameter: row for row in planned(recipes.gpt2(), model, Batch(X)).rows}
    plan = planned(as_recipe({"head.*": "zeros", "*": "gpt2"}), model, Batch(X))
    for row in plan.rows:
        if row.parameter.startswith("head"):
            assert row.scheme == schemes.zeros()
        else:
            assert row.scheme == whole[row.parameter].scheme
    assert plan.row("down.weight").std == 0.02
    assert "Radford" in plan.citation()


@pytest.mark.parametrize("value", [None, "keep"])
def test_parameters_that_are_kept_keep_their_bits(value: object) -> None:
    model = Body()
    before = parameter_bits(model)
    fanin.init_(model, {"head.*": value, "*": "orthogonal"}, seed=3)
    after = parameter_bits(model)
    changed = {name for name in before if before[name] != after[name]}
    assert not any(name.startswith("head") for name in changed)
    assert {"stem.weight", "up.weight", "down.weight"} <= changed
    assert as_recipe({"head.*": value, "*": "zeros"}).plan(model).kept == (
        "head.weight",
        "head.bias",
    )


def test_a_parameter_of_unknown_role_may_be_kept_without_inputs() -> None:
    model = Own()
    with pytest.raises(ModelError, match="role"):
        fanin.init_(model, "he_normal")
    fanin.init_(model, {"scale": "keep", "*": "he_normal"})
    assert bool((model.scale == 3).all())
    fanin.init_(model, {"scale": "ones", "*": "he_normal"})
    assert bool((model.scale == 1).all())


def test_a_tied_table_can_be_given_a_scheme_of_one_scale() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 6)
            self.body = nn.Linear(6, 6)
            self.head = nn.Linear(6, 9)
            self.head.weight = self.table.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(self.table(x)).relu())

    model, tokens = Tied(), torch.tensor([[1, 2, 3], [4, 5, 6]])
    for inputs in (None, tokens):
        with pytest.raises(ModelError, match="one parameter"):
            made({"*": "he_normal"}, model, inputs)
        got = made({"table.*": "normal:0.02", "*": "he_normal"}, model, inputs)
        assert got["table.weight"] == schemes.normal(std=0.02)
    with pytest.raises(ModelError, match=r"'head.weight' is tied to 'table.weight'"):
        made({"head.weight": "normal:0.02", "*": "he_normal"}, model)


def test_parameters_that_no_pattern_matches_are_named_with_what_to_do() -> None:
    with pytest.raises(ModelError) as caught:
        fanin.init_(Body(), {"head.*": "zeros"})
    text = str(caught.value)
    assert "'stem.weight', 'stem.bias', 'norm.weight', 'norm.bias', 'up.weight'" in text
    assert "and 3 more" in text
    assert "'*'" in text


def test_patterns_that_match_nothing_are_named_all_of_them() -> None:
    with pytest.raises(ModelError, match=r"'fc\.\*', 'Head\.weight'.*named_parameters"):
        fanin.init_(Body(), {"fc.*": "zeros", "Head.weight": "zeros", "*": "he_normal"})


def test_a_pattern_whose_parameters_are_all_taken_is_noted() -> None:
    plan = as_recipe({"*.bias": "zeros", "*": "he_normal", "norm.bias": "ones"}).plan(Body())
    assert len(plan.notes) == 1
    assert "'norm.bias' decides nothing" in plan.notes[0]
    assert as_recipe({"*": "he_normal"}).plan(Body()).notes == ()


def test_a_scheme_with_fans_on_biases_alone_is_an_error_that_names_pattern_and_parameter() -> None:
    with pytest.raises(ModelError, match=r"'\*\.bias'.*he_normal\(\).*'stem\.bias'"):
        fanin.init_(Body(), {"*.bias": "he_normal", "*": "he_normal"})


def test_a_recipe_in_it_that_needs_inputs_says_so() -> None:
    with pytest.raises(InputError, match=r"'gpt2'.*batch"):
        fanin.init_(Body(), {"head.*": "zeros", "*": "gpt2"})


@pytest.mark.parametrize("mapping", [{}, {"": "zeros"}, {3: "zeros"}])
def test_what_is_no_mapping_from_patterns_is_refused(mapping: dict[object, object]) -> None:
    with pytest.raises(InputError, match="pattern"):
        as_recipe(mapping)


def test_a_misspelt_value_is_refused_with_its_pattern() -> None:
    with pytest.raises(UnknownNameError, match="he_normal") as caught:
        as_recipe({"stem.*": "he_nromal"})
    assert "stem.*" in "".join(caught.value.__notes__)


def test_it_is_frozen_compares_by_value_and_can_be_pickled() -> None:
    mapping = {"head.*": "zeros", "*": "he_normal"}
    one = ByPattern(mapping)
    mapping["*"] = "ones"
    assert one == ByPattern({"head.*": schemes.zeros(), "*": OneScheme(schemes.he_normal())})
    assert one != ByPattern(mapping)
    assert pickle.loads(pickle.dumps(one)) == one
    assert str(one) == "{'head.*': zeros(), '*': he_normal()}"


def test_a_seed_that_weights_are_measured_for_is_that_of_the_whole_plan() -> None:
    class Measured:
        def plan(self, model: nn.Module, *, seed: int = 0) -> recipes.Plan:
            from dataclasses import replace

            return replace(OneScheme(schemes.he_normal()).plan(model), seed=seed, recipe="measured")

        def __str__(self) -> str:
            return "measured"

    plan = planned(as_recipe({"head.*": "keep", "*": Measured()}), Body(), seed=7)
    assert plan.seed == 7
    assert any("measured" in note and "2 of 10" in note for note in plan.notes)


def test_patterns_may_leave_out_the_prefix_of_torch_compile() -> None:
    class Compiled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self._orig_mod = Body()

    got = made({"head.*": "zeros", "_orig_mod.up.*": "ones", "*": "he_normal"}, Compiled())
    assert got["_orig_mod.head.weight"] == schemes.zeros()
    assert got["_orig_mod.up.weight"] == schemes.ones()


PATTERNS = ["*", "*.weight", "*.bias", "norm.*", "head.*", "up.*", "s*", "?p.weight"]
VALUES = ["zeros", "ones", "normal:0.1", "keep", "constant:2"]


@given(
    st.lists(st.sampled_from(PATTERNS), unique=True, max_size=5),
    st.lists(st.sampled_from(VALUES), min_size=6, max_size=6),
)
@settings(max_examples=30, deadline=None)
def test_each_parameter_gets_what_the_first_match_says(
    patterns: list[str], values: list[str]
) -> None:
    model = Body()
    mapping = dict(zip([*patterns, "*"], values, strict=False))
    plan = ByPattern(mapping).plan(model)
    rows = {row.parameter: row for row in plan.rows}
    for name, parameter in model.named_parameters():
        pattern, value = next(pair for pair in mapping.items() if fnmatchcase(name, pair[0]))
        matches = [n for n, _ in model.named_parameters() if fnmatchcase(n, pattern)]
        with_weights = any(model.get_parameter(n).ndim > 1 for n in matches)
        if value == "keep":
            assert name in plan.kept
            continue
        assert name not in plan.kept
        if parameter.ndim > 1 or not with_weights:
            assert OneScheme(rows[name].scheme) == as_recipe(value)
        else:
            plain = schemes.ones() if name == "norm.weight" else schemes.zeros()
            assert rows[name].scheme == plain


def test_the_model_is_only_read() -> None:
    model = Body()
    before = parameter_bits(model)
    recipe = as_recipe({"head.*": "zeros", "*": "gpt2"})
    with untouched_generators():
        first, second = (planned(recipe, model, Batch(X)) for _ in range(2))
    assert first == second
    assert_same_parameters(model, before)
    with pytest.raises(ModelError):
        as_recipe({"nothing": "zeros", "*": "gpt2"}).plan(model, X)
    assert_same_parameters(model, before)
