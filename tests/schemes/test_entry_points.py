"""Schemes of other packages: registered, found by name, and refused in words."""

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
from fanin import recipes, schemes
from fanin.errors import InputError, UnknownNameError
from fanin.recipes import OneScheme
from fanin.testing import check_scheme

MODULE = """
import attrs
from dataclasses import dataclass
from fanin.noise import Uniform
from fanin.schemes import IndependentScheme, he_normal


@attrs.frozen(repr=False)
class mine(IndependentScheme):
    bound: float = 0.25

    name = "mine"
    formula = "w ~ U(-bound, bound)"
    use = "a test"
    citation = "Nobody. How to bound. 2024"
    argument = "bound"

    def law(self, layout):
        return Uniform(-self.bound, self.bound)


@attrs.frozen(repr=False)
class needy(mine):
    size: int = attrs.field(kw_only=True)

    name = "needy"
    argument = None


def made_by_a_function():
    return mine(0.125)


def made_from(size):
    return mine(1 / size)


def nothing():
    return None


def the_class():
    return mine


class from_nothing:
    argument = "bound"

    @classmethod
    def from_number(cls, value):
        return value


a_number = 3
he_normal_of_theirs = mine
"""
ENTRY_POINTS = """
[fanin.schemes]
mine = their_schemes:mine
Capital = their_schemes:made_by_a_function
made_from = their_schemes:made_from
needy = their_schemes:needy
nothing = their_schemes:nothing
the_class = their_schemes:the_class
from_nothing = their_schemes:from_nothing
a_number = their_schemes:a_number
he_normal = their_schemes:he_normal_of_theirs
missing = their_schemes:no_such_scheme
failing = their_broken_schemes:mine
absent = their_absent_schemes:mine

[fanin.others]
elsewhere = their_schemes:mine
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution, as pip leaves it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "their_schemes.py").write_text(MODULE)
    (folder / "their_broken_schemes.py").write_text("raise OSError('the disk is full')\n")
    described = folder / "their_schemes-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: their-schemes\nVersion: 1.0\n"
    )
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture(autouse=True)
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "their_schemes", raising=False)


def test_found_by_name():
    mine: Any = schemes.by_name("mine")
    assert repr(mine) == "mine()"
    assert mine == schemes.mine()
    assert mine.std() == pytest.approx(0.25 / 3**0.5)
    assert repr(schemes.by_name(" Mine : 0.5 ")) == "mine(bound=0.5)"
    assert schemes.by_name("mine:0.5") == schemes.mine(0.5)


def test_listed_behind_those_of_fanin():
    names = schemes.names()
    assert names[: len(schemes.SCHEMES)] == tuple(schemes.SCHEMES)
    assert {"mine", "capital", "failing"} <= set(names[len(schemes.SCHEMES) :])
    assert len(set(names)) == len(names)
    assert "elsewhere" not in names
    assert "mine" not in schemes.SCHEMES


def test_it_keeps_the_promises_of_schemes():
    check_scheme(schemes.mine(), fanin.fans.linear((20, 30)))


def test_it_is_a_recipe():
    assert recipes.mine() == recipes.as_recipe("mine") == OneScheme(schemes.mine())
    assert recipes.mine(bound=0.5) == recipes.as_recipe("mine:0.5")
    assert recipes.as_recipe(schemes.mine()) == recipes.mine()


def test_it_goes_into_a_model():
    model = torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.ReLU(), torch.nn.Linear(20, 2))
    assert fanin.init_(model, "mine:0.5", seed=3) is model
    expected = schemes.mine(0.5).init_(torch.empty(20, 30), seed=3, name="0.weight")
    assert torch.equal(model[0].weight, expected)
    assert torch.all(model[0].bias == 0)
    plan = recipes.mine().plan(model)
    assert [repr(row.scheme) for row in plan.rows] == ["mine()", "zeros()", "mine()", "zeros()"]


def test_a_function_can_make_it_and_its_name_is_read_in_any_case():
    assert schemes.by_name("Capital") == schemes.by_name("capital") == schemes.mine(0.125)
    assert schemes.capital() == schemes.mine(0.125)


def test_a_name_that_fanin_has_is_fanins():
    assert schemes.by_name("he_normal") == schemes.he_normal()
    assert schemes.names().count("he_normal") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "failing",
            r"of their-schemes \(their_broken_schemes:mine\) cannot be loaded: the disk is full",
        ),
        ("missing", r"\(their_schemes:no_such_scheme\) cannot be loaded: .*no_such_scheme"),
        ("absent", r"\(their_absent_schemes:mine\) cannot be loaded: No module named"),
        ("a_number", r"'a_number' of their-schemes \(their_schemes:a_number\) cannot be called"),
        ("nothing", "scheme 'nothing' made a NoneType, which is no scheme"),
        ("the_class", "scheme 'the_class' made a type, which is no scheme"),
        ("from_nothing:0.5", "scheme 'from_nothing' made a float, which is no scheme"),
        ("made_from", "scheme 'made_from' needs size, which a text cannot give"),
        ("needy", r"needs size, which a text cannot give: fanin.schemes.needy\(size=...\)"),
        ("capital:0.5", "scheme 'capital' takes no argument, got 'capital:0.5'"),
        ("mine:wide", "the bound of scheme 'mine' must be a number, got 'wide'"),
    ],
)
def test_what_cannot_be_used(text, message):
    with pytest.raises(InputError, match=message):
        schemes.by_name(text)
    model = torch.nn.Linear(3, 4)
    before = model.weight.clone()
    with pytest.raises(InputError, match=message):
        fanin.init_(model, text)
    assert torch.equal(model.weight, before)


def test_one_that_fails_spoils_no_other():
    assert schemes.by_name("mine") == schemes.mine()
    assert schemes.by_name("orthogonal") == schemes.orthogonal()


def test_a_misspelt_name_offers_it():
    with pytest.raises(UnknownNameError, match=r"no scheme is called 'minne'. Did you mean mine"):
        schemes.by_name("minne")
    with pytest.raises(UnknownNameError, match=r"no recipe is called 'minne'. Did you mean mine"):
        fanin.init_(torch.nn.Linear(2, 2), "minne")
    with pytest.raises(AttributeError, match=r"no scheme 'minne'. Did you mean mine"):
        _ = schemes.minne
    with pytest.raises(AttributeError, match=r"no recipe 'minne'. Did you mean mine"):
        _ = recipes.minne


def test_gone_when_it_is_not_installed(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(folder)])
    assert "mine" not in schemes.names()
    with pytest.raises(UnknownNameError):
        schemes.by_name("mine")


SCRIPT = """
import json, torch, fanin
from fanin import schemes, recipes
model = fanin.init_(torch.nn.Linear(30, 20), "mine:0.5")
print(json.dumps({
    "by_name": repr(schemes.by_name("mine")),
    "argument": repr(schemes.by_name("mine:0.5")),
    "attribute": repr(schemes.mine(0.75)),
    "recipe": str(recipes.mine()),
    "drawn": model.weight.flatten()[:5].tolist(),
}))
"""


def test_in_a_process_of_its_own(folder):
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    expected = schemes.mine(0.5).init_(torch.empty(20, 30), name="weight").flatten()[:5]
    assert json.loads(done.stdout) == {
        "by_name": "mine()",
        "argument": "mine(bound=0.5)",
        "attribute": "mine(bound=0.75)",
        "recipe": "mine()",
        "drawn": expected.tolist(),
    }
