"""Recipes of other packages: registered, found by name, and refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import fanin
from fanin import recipes
from fanin.errors import InputError, UnknownNameError
from fanin.recipes import as_recipe, recipe_names
from fanin.testing import check_recipe
from fanin.testing.examples import usual

MODULE = """
import attrs
from fanin.recipes import ObservedRecipe, OneScheme
from fanin.schemes import normal


@attrs.frozen(repr=False)
class mine(ObservedRecipe):
    '''Every weight N(0, std).

    Args:
        std: of all weights.
    '''

    std: float = 0.25

    name = "mine"
    rule = "every weight N(0, std)"
    use = "a test"
    citation = "Nobody. How to begin. 2024"
    argument = "std"

    def rows(self, anatomy):
        return anatomy.rows(
            lambda use: (normal(std=self.std), "as mine has it"), source=self.citation
        )


@attrs.frozen(repr=False)
class needy(mine):
    size: int = attrs.field(kw_only=True)

    name = "needy"
    argument = None


def made_by_a_function():
    return mine(0.125)


class plain:
    def plan(self, model):
        return OneScheme(normal(std=0.5)).plan(model)


def nothing():
    return None


def the_class():
    return mine


class from_nothing:
    argument = "std"

    @classmethod
    def from_number(cls, value):
        return value


a_number = 3
"""
ENTRY_POINTS = """
[fanin.recipes]
mine = their_recipes:mine
Capital = their_recipes:made_by_a_function
plain = their_recipes:plain
needy = their_recipes:needy
nothing = their_recipes:nothing
the_class = their_recipes:the_class
from_nothing = their_recipes:from_nothing
a_number = their_recipes:a_number
gpt2 = their_recipes:mine
missing = their_recipes:no_such_recipe
failing = their_broken_recipes:mine
absent = their_absent_recipes:mine

[fanin.others]
elsewhere = their_recipes:mine
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution, as pip leaves it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "their_recipes.py").write_text(MODULE)
    (folder / "their_broken_recipes.py").write_text("raise OSError('the disk is full')\n")
    described = folder / "their_recipes-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: their-recipes\nVersion: 1.0\n"
    )
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture(autouse=True)
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "their_recipes", raising=False)


def net() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.ReLU(), torch.nn.Linear(20, 2))


def test_found_by_name():
    mine: Any = as_recipe("mine")
    assert repr(mine) == "mine()"
    assert mine == recipes.mine()
    assert repr(as_recipe(" Mine : 0.5 ")) == "mine(std=0.5)"
    assert as_recipe("mine:0.5") == recipes.mine(0.5)


def test_listed_behind_those_of_fanin():
    names = recipe_names()
    assert names[:2] == ("auto", "default")
    assert {"mine", "capital", "failing"} <= set(names[names.index("transfer") :])
    assert len(set(names)) == len(names)
    assert "elsewhere" not in names


def test_it_keeps_the_promises_of_recipes():
    assert check_recipe("mine", models=usual()[:2]) == tuple(one.name for one in usual()[:2])


def test_it_goes_into_a_model():
    model = net()
    assert fanin.init_(model, "mine:0.5", inputs=torch.randn(4, 30), seed=3) is model
    expected = fanin.schemes.normal(std=0.5).init_(torch.empty(20, 30), seed=3, name="0.weight")
    assert torch.equal(model[0].weight, expected)
    assert torch.all(model[0].bias == 0)


def test_one_that_takes_the_model_alone():
    model = fanin.init_(net(), "plain", seed=3)
    expected = fanin.schemes.normal(std=0.5).init_(torch.empty(20, 30), seed=3, name="0.weight")
    assert torch.equal(model[0].weight, expected)


def test_a_function_can_make_it_and_its_name_is_read_in_any_case():
    assert as_recipe("Capital") == as_recipe("capital") == recipes.mine(0.125)


def test_a_name_that_fanin_has_is_fanins():
    assert type(as_recipe("gpt2")).__module__ == "fanin.recipes.named.gpt2"
    assert recipe_names().count("gpt2") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "failing",
            r"of their-recipes \(their_broken_recipes:mine\) cannot be loaded: the disk is full",
        ),
        ("missing", r"\(their_recipes:no_such_recipe\) cannot be loaded: .*no_such_recipe"),
        ("absent", r"\(their_absent_recipes:mine\) cannot be loaded: No module named"),
        ("a_number", r"'a_number' of their-recipes \(their_recipes:a_number\) cannot be called"),
        ("nothing", "recipe 'nothing' made a NoneType, which is no recipe"),
        ("the_class", "recipe 'the_class' made a type, which is no recipe"),
        ("from_nothing:0.5", "recipe 'from_nothing' made a float, which is no recipe"),
        ("needy", r"recipe 'needy' needs .*size"),
        ("capital:0.5", "recipe 'capital' takes no argument, got 'capital:0.5'"),
        ("mine:wide", "the std of recipe 'mine' must be a number, got 'wide'"),
    ],
)
def test_what_cannot_be_used(text, message):
    with pytest.raises(InputError, match=message):
        as_recipe(text)
    model = net()
    before = model[0].weight.clone()
    with pytest.raises(InputError, match=message):
        fanin.init_(model, text, inputs=torch.randn(4, 30))
    assert torch.equal(model[0].weight, before)


def test_a_misspelt_name_offers_it():
    with pytest.raises(UnknownNameError, match=r"no recipe is called 'minne'. Did you mean mine"):
        fanin.init_(torch.nn.Linear(2, 2), "minne")
    with pytest.raises(AttributeError, match=r"no recipe 'minne'. Did you mean mine"):
        _ = recipes.minne


def test_gone_when_it_is_not_installed(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(folder)])
    assert "mine" not in recipe_names()
    with pytest.raises(UnknownNameError):
        as_recipe("mine")


SCRIPT = """
import json, sys, torch, fanin
from fanin.cli import main
model = fanin.init_(torch.nn.Linear(30, 20), "mine:0.5", inputs=torch.ones(2, 30))
print(json.dumps({
    "argument": repr(fanin.recipes.as_recipe("mine:0.5")),
    "attribute": repr(fanin.recipes.mine(0.75)),
    "drawn": model.weight.flatten()[:5].tolist(),
}))
sys.argv = ["fanin", "recipes", *sys.argv[1:]]
main()
"""


def run(folder: Path, *arguments: str) -> list[str]:
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    return done.stdout.splitlines()


def test_in_a_process_of_its_own_and_on_the_command_line(folder):
    first, *shown = run(folder, "show", "mine")
    expected = fanin.schemes.normal(std=0.5).init_(torch.empty(20, 30), name="weight").flatten()[:5]
    assert json.loads(first) == {
        "argument": "mine(std=0.5)",
        "attribute": "mine(std=0.75)",
        "drawn": expected.tolist(),
    }
    said = " ".join(" ".join(shown).split())
    assert "rule every weight N(0, std)" in said
    assert "Nobody. How to begin. 2024" in said
    assert "std = 0.25; of all weights." in said


def test_one_that_fails_spoils_no_list(folder):
    _, *listed = run(folder)
    said = " ".join(" ".join(listed).split())
    assert "the disk is full" in said
    assert "mine[:STD]" in said
    assert "transfer" in said
