"""Every recipe of fanin keeps the promises that any recipe makes."""

from __future__ import annotations

import pytest

from fanin import recipes
from fanin.recipes import RecipeLike
from fanin.recipes.named import NAMED
from fanin.testing import check_recipe
from fanin.testing.examples import usual

OWN = ("auto", "default", *NAMED)
# Descents of hundreds of steps do the same in a few; one model of those they apply to is enough.
SHORT: dict[str, RecipeLike] = {
    "gradinit": recipes.gradinit(iterations=3),
    "metainit": recipes.metainit(steps=3),
}
LEARNED = "residual network with learned factors"
STANDARDISED = "residual network with standardised weights"
# The kinds of model that these are made for, and no others.
APPLIES = {
    "auto": [one.name for one in usual()],
    "bert": [one.name for one in usual()],
    "rezero": [LEARNED, STANDARDISED],
    "skipinit": [LEARNED, STANDARDISED],
    "zero_gamma": ["residual network with batch norm"],
    "nf": [STANDARDISED],
    "t_fixup": ["transformer without norms"],
    "admin": ["post-norm transformer with learned skips"],
    "vit": ["vision transformer"],
    "moco": ["vision transformer"],
    "lora": ["perceptron with low-rank adapters"],
    "irnn": ["ReLU RNN"],
    "chrono": ["LSTM"],
    "forget_bias": ["LSTM"],
}


@pytest.mark.parametrize("name", OWN)
def test_by_its_name(name: str) -> None:
    recipe = SHORT.get(name, name)
    models = [one for one in usual() if name not in SHORT or one.name == "perceptron"]
    applied = check_recipe(recipe, models=models)
    assert applied
    if name in APPLIES:
        assert list(applied) == APPLIES[name]


OTHERS: list[RecipeLike] = [
    "he_normal",
    "xavier_uniform",
    "normal:0.02",
    {"head.*": "zeros", "*.bias": "keep", "*": "normal:0.02"},
    recipes.scale("gpt2", 0.5),
    recipes.override("bert", {"tokens.weight": "normal:0.1"}),
    recipes.gpt2(std=0.01),
]
SOME = [one for one in usual() if one.name in {"pre-norm transformer with a tied head", "LSTM"}]


@pytest.mark.parametrize("recipe", OTHERS, ids=str)
def test_schemes_patterns_and_compositions(recipe: RecipeLike) -> None:
    models = usual()[:4] if isinstance(recipe, str) else SOME
    assert check_recipe(recipe, models=models)
