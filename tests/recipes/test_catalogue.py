"""Recipes by name, and the verb ``init_``."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

import fanin
from fanin import schemes
from fanin.errors import InputError, ModelError, UnknownNameError
from fanin.recipes import Default, OneScheme, Plan, Recipe, as_recipe
from fanin.schemes import ALIASES, SCHEMES
from tests.recipes.state import assert_same_parameters, parameter_bits


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


class Doubled:
    """A recipe of a user's: he_normal by another name."""

    def __str__(self) -> str:
        return "doubled"

    def plan(self, model: nn.Module) -> Plan:
        return OneScheme(schemes.he_normal()).plan(model)


NEED_ARGUMENTS = {
    "blocks", "chrono_bias", "constant", "given", "icnr", "masked", "mimetic", "per_unit", "scaled",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SCHEMES.keys() - NEED_ARGUMENTS))
def test_every_scheme_is_a_recipe_by_its_name(name: str) -> None:
    assert as_recipe(name) == OneScheme(SCHEMES[name]())


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_scheme_that_it_stands_for(alias: str, name: str) -> None:
    assert as_recipe(alias) == as_recipe(name)


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("default", Default()),
        (" Default ", Default()),
        ("He_Normal", OneScheme(schemes.he_normal())),
        ("normal:0.01", OneScheme(schemes.normal(std=0.01))),
        ("normal: 1e-2", OneScheme(schemes.normal(std=0.01))),
        ("truncated_normal:0.02", OneScheme(schemes.truncated_normal(std=0.02))),
        ("uniform:0.1", OneScheme(schemes.uniform(-0.1, 0.1))),
        ("constant:-2", OneScheme(schemes.constant(-2.0))),
        ("xavier_normal:1.5", OneScheme(schemes.xavier_normal(gain=1.5))),
        ("kaiming_uniform:0.2", OneScheme(schemes.he_uniform(negative_slope=0.2))),
        ("variance_scaling:3", OneScheme(schemes.variance_scaling(scale=3.0))),
    ],
)
def test_a_text_names_a_recipe_with_its_argument(text: str, recipe: Recipe) -> None:
    assert as_recipe(text) == recipe


def test_a_scheme_becomes_the_recipe_that_puts_it_on_every_weight() -> None:
    scheme = schemes.he_normal(negative_slope=0.1)
    assert as_recipe(scheme) == OneScheme(scheme)


@pytest.mark.parametrize("recipe", [Default(), OneScheme(schemes.ones()), Doubled()])
def test_a_recipe_is_itself(recipe: Recipe) -> None:
    assert as_recipe(recipe) is recipe


def test_a_recipe_of_a_user_is_applied() -> None:
    got, expected = (fanin.init_(small(), r, seed=1) for r in (Doubled(), "he_normal"))
    assert_same_parameters(got, parameter_bits(expected))


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("he_norml", "he_normal"),
        ("kaiming", "kaiming_normal"),
        ("xavier_unifrom", "xavier_uniform"),
        ("defualt", "default"),
        ("HE_NORMALL", "he_normal"),
        ("glorot_norma:2", "glorot_normal"),
    ],
)
def test_a_misspelt_recipe_is_refused_with_the_nearest_names(text: str, near: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        as_recipe(text)
    assert near in caught.value.near
    assert repr(text) in str(caught.value)
    assert near in str(caught.value)


def test_a_name_like_no_other_is_refused_with_all_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        as_recipe("42")
    for name in ("default", *SCHEMES, *ALIASES):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("constant", "needs its value"),
        ("normal:x", "must be a number"),
        ("normal:", "must be a number"),
        ("normal:-1", "must not be negative"),
        ("normal:nan", "finite"),
        ("normal:inf", "finite"),
        ("zeros:1", "takes no argument"),
        ("lecun_normal:2", "takes no argument"),
        ("default:1", "default"),
        ("", "no recipe is called"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        as_recipe(text)


@pytest.mark.parametrize("nonsense", [None, 3, 0.1, ["he_normal"], b"he_normal", small()])
def test_what_is_no_recipe_is_refused_with_its_type(nonsense: object) -> None:
    with pytest.raises(InputError, match=type(nonsense).__name__):
        as_recipe(nonsense)  # type: ignore[arg-type]


@pytest.mark.parametrize("forgotten", [schemes.he_normal, schemes.zeros, Default, OneScheme])
def test_a_class_instead_of_its_instance_is_refused(forgotten: type) -> None:
    with pytest.raises(InputError, match=forgotten.__name__):
        as_recipe(forgotten)  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", ["he_normal", schemes.ones(), "default", Doubled()])
def test_init_returns_the_model_itself(recipe: fanin.recipes.RecipeLike) -> None:
    model = small()
    assert fanin.init_(model, recipe) is model


def test_init_takes_all_sorts_of_integers_as_seed() -> None:
    drawn = [parameter_bits(fanin.init_(small(), "he_normal", seed=s)) for s in (7, np.int64(7))]
    assert drawn[0] == drawn[1]
    large = [parameter_bits(fanin.init_(small(), "he_normal", seed=s)) for s in (-7, 1 << 100)]
    assert len({d["0.weight"] for d in (*drawn, *large)}) == 3


@pytest.mark.parametrize("seed", [1.0, "1", None, True, [1], 1 << 127])
def test_a_seed_that_is_no_integer_is_refused_before_anything_is_drawn(seed: object) -> None:
    model = small()
    before = parameter_bits(model)
    with pytest.raises(InputError, match="seed"):
        fanin.init_(model, "he_normal", seed=seed)  # type: ignore[arg-type]
    assert_same_parameters(model, before)


@pytest.mark.parametrize("model", [None, "mlp", nn.Linear, [nn.Linear(2, 2)]])
def test_what_is_no_model_is_refused_with_its_type(model: object) -> None:
    with pytest.raises(InputError, match=f"torch.nn.Module, got {type(model).__name__}"):
        fanin.init_(model, "he_normal")  # type: ignore[arg-type]


def test_a_misspelt_recipe_leaves_the_model_alone() -> None:
    model = small()
    before = parameter_bits(model)
    with pytest.raises(UnknownNameError):
        fanin.init_(model, "he_norml")
    assert_same_parameters(model, before)


def test_errors_of_a_model_are_value_errors_of_fanin() -> None:
    with pytest.raises(ModelError) as caught:
        fanin.init_(nn.LazyLinear(2), "he_normal")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, fanin.FaninError)


def test_recipes_are_called_by_their_names() -> None:
    recipes = fanin.recipes
    assert recipes.he_normal(0.2) == OneScheme(fanin.schemes.he_normal(0.2))
    assert recipes.kaiming_uniform() == as_recipe("he_uniform")
    assert recipes.default() == Default()
    with pytest.raises(AttributeError, match=r"no recipe 'he_norml'\. Did you mean he_normal"):
        _ = recipes.he_norml
