"""``fanin recipes`` and ``fanin recipes show``, as a user runs them."""

from __future__ import annotations

import json

import pytest

from fanin.recipes import recipe_factory, recipe_names
from fanin.recipes.named import ALIASES
from tests.cli.conftest import Fanin


def test_the_list_has_every_recipe_in_80_columns(fanin_here: Fanin) -> None:
    done = fanin_here("recipes")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = " ".join(done.stdout.split())
    for name in (*recipe_names(), *ALIASES):
        assert name in words
    assert "needs inputs, targets and loss" in words
    assert "needs the model alone" in words


def test_the_list_as_json(fanin_here: Fanin) -> None:
    listed = json.loads(fanin_here("recipes", "--json").stdout)["recipes"]
    assert [one["name"] for one in listed] == list(recipe_names())
    for one in listed:
        assert one["rule"], one["name"]
        assert one["use"], one["name"]
        assert one["citation"], one["name"]
        assert one["needs"] in {"model", "inputs", "targets"}
        assert all(ALIASES[alias].startswith(one["name"]) for alias in one["aliases"])


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_shown_in_80_columns(fanin_here: Fanin, name: str) -> None:
    done = fanin_here("recipes", "show", name)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = " ".join(done.stdout.split())
    factory = recipe_factory(name)
    for said in ("rule", "use", "citation"):
        assert " ".join(getattr(factory, said).split()) in words
    assert "fanin.init_(model, " in words
    assert "fanin init TARGET --recipe " in words


def test_arguments_are_shown_with_their_defaults_and_meaning(fanin_here: Fanin) -> None:
    done = fanin_here("recipes", "show", "gpt2")
    assert "std = 0.02; of all weights and tables." in " ".join(done.stdout.split())
    shown = json.loads(fanin_here("recipes", "show", "gpt2", "--json").stdout)
    assert shown["schema"] == "fanin.recipe/1"
    assert shown["arguments"] == [
        {"name": "std", "default": "0.02", "about": "of all weights and tables."}
    ]
    assert shown["example"] == 'fanin.init_(model, "gpt2", inputs=x)'


def test_every_argument_of_every_recipe_says_what_it_is(fanin_here: Fanin) -> None:
    listed = json.loads(fanin_here("recipes", "--json").stdout)["recipes"]
    silent = [
        f"{one['name']}.{argument['name']}"
        for one in listed
        for argument in one["arguments"]
        if not argument["about"]
    ]
    assert silent == []


def test_a_name_is_read_as_init_reads_it(fanin_here: Fanin) -> None:
    for name in ("GPT2", "gpt2:0.01", "gpt-2"[:3] + "2"):
        assert fanin_here("recipes", "show", name).stdout.startswith("gpt2\n")
    for alias, name in ALIASES.items():
        assert fanin_here("recipes", "show", alias).stdout.startswith(name.partition(":")[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "gtp2"), "no recipe is called 'gtp2'. Did you mean gpt2"),
        (("show", "he_normal"), "is a scheme; as a recipe it goes on every weight"),
        (("show", "kaiming_normal"), "See fanin schemes show kaiming_normal"),
        (("--json", "show", "gpt2"), "fanin recipes show NAME --json"),
        (("show",), "Missing argument 'NAME'"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    fanin_here: Fanin, arguments: tuple[str, ...], message: str
) -> None:
    done = fanin_here("recipes", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_as_a_program_of_its_own(fanin: Fanin) -> None:
    done = fanin("recipes", "show", "default")
    assert done.returncode == 0, done.stderr
    assert "the constructors of torch.nn" in " ".join(done.stdout.split())
