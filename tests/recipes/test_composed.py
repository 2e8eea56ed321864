"""Recipes made of recipes: scaled, and with parameters replaced."""

from __future__ import annotations

import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import fanin
from fanin import recipes, schemes
from fanin.errors import InputError, ModelError, UnknownNameError
from fanin.recipes import Batch, planned
from tests.recipes.state import assert_same_parameters, parameter_bits
from tests.recipes.test_by_pattern import Body, Own, X


@given(st.sampled_from(["he_normal", "default", "normal:0.3", "gpt2"]), st.floats(0, 10))
@settings(max_examples=12, deadline=None)
def test_scaling_multiplies_the_std_of_weights_and_of_nothing_else(
    name: str, factor: float
) -> None:
    model = Body()
    plain = planned(recipes.as_recipe(name), model, Batch(X))
    scaled = planned(recipes.scale(name, factor), model, Batch(X))
    assert [row.parameter for row in scaled.rows] == [row.parameter for row in plain.rows]
    for before, after in zip(plain.rows, scaled.rows, strict=True):
        if len(after.shape) > 1:
            assert math.isclose(after.std, before.std * factor, abs_tol=1e-12)
        else:
            assert after.scheme == before.scheme


def test_scaled_weights_are_those_of_the_recipe_times_the_factor() -> None:
    one = fanin.init_(Body(), "he_normal", seed=4)
    half = fanin.init_(Body(), recipes.scale("he_normal", 0.5), seed=4)
    for (name, first), (_, second) in zip(
        one.named_parameters(), half.named_parameters(), strict=True
    ):
        factor = 0.5 if first.ndim > 1 else 1.0
        assert bool((first * factor == second).all()), name


def test_a_table_is_scaled_too() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2))
    rows = recipes.scale("normal:1", 3).plan(model).rows
    assert [row.std for row in rows] == [3.0, 3.0, 0.0]


def test_only_the_weights_of_the_pattern_are_scaled() -> None:
    plan = recipes.scale("normal:1", 0.1, only="head.*").plan(Body())
    assert plan.row("head.weight").std == 0.1
    assert plan.row("up.weight").std == 1
    assert plan.row("head.bias").scheme == schemes.zeros()


def test_the_length_of_a_normalised_weight_is_scaled_as_it_sets_the_weight() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(5, 30))
    model = nn.Sequential(layer, nn.ReLU(), nn.Linear(30, 2))
    sizes = []
    for factor in (1.0, 0.25):
        fanin.init_(model, recipes.scale("he_normal", factor), inputs=X)
        sizes.append(float(layer.weight.detach().norm()))
    assert math.isclose(sizes[1], sizes[0] / 4, rel_tol=1e-5)


@pytest.mark.parametrize("only", ["nothing", "*.bias"])
def test_a_pattern_that_scales_nothing_is_an_error(only: str) -> None:
    with pytest.raises(ModelError, match=f"{only.strip('*.')}.*"):
        recipes.scale("he_normal", 0.5, only=only).plan(Body())


def test_weights_that_the_recipe_keeps_are_noted_as_not_scaled() -> None:
    base = recipes.as_recipe({"head.*": "keep", "*": "he_normal"})
    plan = recipes.scale(base, 0.5).plan(Body())
    assert plan.kept == ("head.weight", "head.bias")
    assert any("head.weight" in note and "not scaled" in note for note in plan.notes)


@pytest.mark.parametrize("factor", [-1, float("nan"), "2", True])
def test_what_is_no_factor_is_refused(factor: object) -> None:
    with pytest.raises(InputError, match="factor"):
        recipes.scale("he_normal", factor)


def test_a_parameter_is_replaced_by_name_and_by_pattern() -> None:
    recipe = recipes.override(
        "gpt2", {"head.weight": "zeros", "norm.*": schemes.constant(2.0), "stem.*": "keep"}
    )
    plan = planned(recipe, Body(), Batch(X))
    assert plan.row("head.weight").scheme == schemes.zeros()
    assert plan.row("norm.weight").scheme == plan.row("norm.bias").scheme == schemes.constant(2.0)
    assert plan.row("up.weight").std == 0.02
    assert plan.kept == ("stem.weight", "stem.bias")


def test_the_first_match_replaces() -> None:
    got = recipes.override("he_normal", {"head.*": "ones", "head.weight": "zeros"}).plan(Body())
    assert got.row("head.weight").scheme == schemes.ones()
    assert any("'head.weight' decides nothing" in note for note in got.notes)


def test_what_is_not_replaced_is_as_the_recipe_has_it_even_if_no_weight_is_left() -> None:
    got = recipes.override("he_normal", {"*.weight": "xavier_normal"}).plan(Body())
    assert got.row("stem.bias").scheme == schemes.zeros()
    plain = recipes.as_recipe("he_normal").plan(Body())
    same = recipes.override("he_normal", {"head.bias": "ones"}).plan(Body())
    for row in plain.rows:
        if row.parameter != "head.bias":
            assert same.row(row.parameter) == row


def test_what_a_scheme_cannot_know_may_be_replaced() -> None:
    with pytest.raises(ModelError):
        recipes.as_recipe("he_normal").plan(Own())
    model = fanin.init_(Own(), recipes.override("he_normal", {"scale": "ones"}))
    assert bool((model.scale == 1).all())


def test_a_replacement_that_matches_nothing_is_an_error_that_names_it() -> None:
    with pytest.raises(ModelError, match=r"override.*'haed\.weight'"):
        recipes.override("he_normal", {"haed.weight": "zeros"}).plan(Body())


def test_compositions_nest_and_say_what_they_are() -> None:
    inner = recipes.override("gpt2", {"head.*": "zeros"})
    outer = recipes.scale(inner, 2, only="up.*")
    assert str(outer) == "scale(override(gpt2, {'head.*': zeros()}), 2, only='up.*')"
    plan = planned(outer, Body(), Batch(X))
    assert plan.recipe == str(outer)
    assert plan.row("up.weight").std == 0.04
    assert plan.row("head.weight").std == 0
    assert pickle.loads(pickle.dumps(outer)) == outer
    assert outer != recipes.scale(inner, 2)
    twice = recipes.scale(recipes.scale("normal:1", 2), 3).plan(Body())
    assert twice.row("up.weight").std == 6


def test_factors_of_rates_outlive_a_composition() -> None:
    base = recipes.mup(2)
    plain, other = (planned(r, Body(), Batch(X)) for r in (base, recipes.scale(base, 2)))
    assert plain.row("up.weight").learning_rate == other.row("up.weight").learning_rate == 0.25


def test_names_that_are_misspelt_are_refused_when_it_is_made() -> None:
    with pytest.raises(UnknownNameError):
        recipes.scale("he_nromal", 2)
    with pytest.raises(UnknownNameError):
        recipes.override("gpt2", {"*": "onse"})


def test_the_model_is_only_read() -> None:
    model = Body()
    before = parameter_bits(model)
    recipe = recipes.scale(recipes.override("gpt2", {"head.*": "keep"}), 0.5)
    assert planned(recipe, model, Batch(X)) == planned(recipe, model, Batch(X))
    assert_same_parameters(model, before)


def test_a_measured_recipe_gets_inputs_targets_loss_and_seed() -> None:
    got = {}

    class Measured:
        def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
            got.update(inputs=inputs, targets=targets, loss=loss, seed=seed)
            return recipes.as_recipe("he_normal").plan(model)

    loss = nn.functional.cross_entropy
    targets = torch.zeros(6, dtype=torch.long)
    for recipe in (
        recipes.scale(Measured(), 2),
        recipes.override(Measured(), {"head.bias": "ones"}),
    ):
        got.clear()
        planned(recipe, Body(), Batch(X, targets, loss), seed=9)
        assert got == {"inputs": X, "targets": targets, "loss": loss, "seed": 9}
